"""Read json in the encoding of the session; psycopg takes it for UTF-8 whatever the session speaks."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader


class _JsonLoader(Loader):
    """Loads json and jsonb in text format."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._codec = self.connection.info.encoding if self.connection else "utf-8"

    def load(self, data: Buffer) -> Any:
        """Return the value as Python objects."""
        return json.loads(bytes(data).decode(self._codec))


def read_json_as_spoken(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Let every cursor of ``connection`` that is opened from now on read json in the session's encoding."""
    for type_name in ("json", "jsonb"):
        connection.adapters.register_loader(type_name, _JsonLoader)
