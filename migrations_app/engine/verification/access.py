"""Owners and grants made comparable between two servers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from migrations_app.engine.providers import SELF_HOSTED, Provider

# grantee=privileges/grantor, as aclitemout prints it: https://www.postgresql.org/docs/18/ddl-priv.html
ITEM = re.compile(r'^(?P<grantee>"(?:[^"]|"")*"|[^=]*)=(?P<privileges>[a-zA-Z*]*)/')
PRIVILEGE = re.compile(r"[a-zA-Z]\*?")
OWNER, PUBLIC = "(owner)", "(public)"
MAINTAIN = "m"


@dataclass(frozen=True)
class AccessRules:
    """Which owners and grants are compared.

    ``missing_roles``: roles that were deliberately not copied and that the target does not have; what belongs to them
    is left out on both sides, and so is what belongs to ``provider_roles``, the roles of both servers' providers.
    ``unknown_privileges``: letters of privileges that one of the servers does not know.
    ``source_provider`` and ``target_provider`` tell what else is not the customer's.
    ``roles_are_copied``: what belongs to roles alone is compared, too.
    """

    missing_roles: Collection[str] = ()
    unknown_privileges: Collection[str] = ()
    roles_are_copied: bool = True
    provider_roles: Collection[str] = ()
    source_provider: Provider = SELF_HOSTED
    target_provider: Provider = SELF_HOSTED

    def leaves_out(self, role: str | None) -> bool:
        """Tell whether what belongs to a role is not compared."""
        return role in self.missing_roles or role in self.provider_roles

    def comparable_owners(self, source: str | None, target: str | None) -> tuple[str | None, str | None]:
        """Return both owners, or nothing to compare where the source's owner was not to be copied."""
        return (None, None) if self.leaves_out(source) else (source, target)

    def grants(self, items: Sequence[str] | None, *, owner: str | None) -> str:
        """Return an access control list in one form: sorted, without grantors, the owner not by name."""
        merged: dict[str, set[str]] = {}
        for item in items or ():
            found = ITEM.match(item)
            if found is None:
                raise ValueError(f"not an access control item: {item}")
            grantee = _grantee(found["grantee"], owner)
            if not self.leaves_out(grantee):
                privileges = PRIVILEGE.findall(found["privileges"])
                merged.setdefault(grantee, set()).update(p for p in privileges if p[0] not in self.unknown_privileges)
        return ", ".join(
            f"{grantee}={''.join(sorted(merged[grantee]))}" for grantee in sorted(merged) if merged[grantee]
        )


def _grantee(text: str, owner: str | None) -> str:
    role = text[1:-1].replace('""', '"') if text.startswith('"') else text
    if not role:
        return PUBLIC
    return OWNER if role == owner else role
