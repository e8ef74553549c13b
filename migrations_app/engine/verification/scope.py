"""What of a database is compared: everything, or what the selection takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from migrations_app.engine.spec import Selection


class Scope:
    """The selection applied to objects of every kind.

    Relations are chosen one by one. Everything else in a schema (functions, types …) moves with the schema, and a
    schema moves when anything in it was chosen. What has no schema always moves. ``own_schemas`` are those of the
    source's provider and never move.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        relations: Iterable[tuple[str, str]],
        schemas: Iterable[str],
        own_schemas: Collection[str] = (),
    ) -> None:
        self._selection = selection
        self._own_schemas = own_schemas
        every_schema = set(schemas)
        chosen = {schema for schema, relation in relations if selection.takes(schema, relation)}
        chosen |= every_schema & set(selection.include_schemas)
        if not selection.include_schemas and not selection.include_tables:
            chosen |= every_schema - set(selection.exclude_schemas)
        self._schemas = chosen
        self._known_schemas = every_schema

    def takes(self, *, schema: str | None, relation: str | None = None) -> bool:
        """Tell whether an object is compared; a schema that only the target has is compared, and then reported."""
        if schema is None:
            return True
        if schema in self._own_schemas:
            return False
        if self._selection.is_everything:
            return True
        if relation is not None:
            return self._selection.takes(schema, relation)
        return schema in self._schemas
