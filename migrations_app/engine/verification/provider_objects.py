"""Objects of a server's provider: they are on one side only, and that is as it should be."""

from __future__ import annotations

from migrations_app.engine.providers import Provider
from migrations_app.engine.providers_own import is_role_of, is_setting_of
from migrations_app.engine.verification.access import AccessRules
from migrations_app.engine.verification.catalog_objects import CatalogObject


def is_own(found: CatalogObject, provider: Provider, *, access: AccessRules) -> bool:
    """Tell whether an object that only one server has belongs there to the server's provider."""
    if found.schema is not None and provider.owns_schema(found.schema):
        return True
    if found.object_class == "extension":
        return provider.owns_extension(found.name)
    if found.object_class == "event trigger":
        return is_role_of(provider, found.owner or "")
    if found.object_class == "database setting":
        return is_setting_of(provider, found.name.rpartition(": ")[2])
    if found.object_class == "default privileges":
        return _says_nothing(found, access)
    return False


def _says_nothing(found: CatalogObject, access: AccessRules) -> bool:
    """Tell whether default privileges are what PostgreSQL's own are, but for the grants to the provider's roles."""
    rights, defaults = (access.grants(found.properties[name], owner=found.owner) for name in ("grants", "defaults"))
    return rights == defaults
