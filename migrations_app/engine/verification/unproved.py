"""What a verification did not prove, as far as copying it again may mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrations_app.engine.verification.columns import TableName


@dataclass(frozen=True)
class Unproved:
    """Tables whose rows differ or could not be compared, and the OIDs of large objects whose content differs.

    ``broken`` are tables that lack on the target, or lack a column there: no row can be copied into them.
    """

    tables: Sequence[TableName] = ()
    broken: Sequence[TableName] = ()
    large_objects: Sequence[int] = ()
