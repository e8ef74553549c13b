"""Set every sequence where the other server's stands, and some values ahead: no value is handed out twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from migrations_app.engine.postgres import qualified
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.validation.wording import counted
from migrations_app.engine.verification import SequenceState, read_sequences
from migrations_app.engine.verification.database import read_scope

SequenceName = tuple[str, str]
SET = "SELECT pg_catalog.setval(%s::text::pg_catalog.regclass, %s, %s)"


@dataclass(frozen=True)
class SequencesSet:
    """Where each sequence stands now, by (schema, name); ``shortened`` had no room for the whole head-room."""

    states: Mapping[SequenceName, SequenceState]
    shortened: tuple[SequenceName, ...]

    def __str__(self) -> str:
        """``12 sequences, 1 of them near its end``, for people."""
        more = f", {len(self.shortened)} of them near the end and set with less head-room" if self.shortened else ""
        return f"{counted(len(self.states), 'sequence')}{more}"


def set_sequences(crossing: Crossing, *, headroom: int) -> SequencesSet:
    """Set all sequences that both servers have, in one transaction; may be repeated. Raises ``StatementRefused``."""
    job = crossing.job
    with job.source.connected(job.database.source_name, purpose="sequences") as source:
        scope = read_scope(source, job.database, provider=job.source_provider)
        before = read_sequences(source, scope=scope)
    wanted = {name: ahead(state, headroom=headroom) for name, state in before.items()}
    with job.target.connected(job.database.target_name, purpose="sequences", read_only=False) as target:
        present = read_sequences(target, scope=scope)
        values = [
            (qualified(*name).as_string(None), state.last_value, state.is_called)
            for name, state in wanted.items()
            if name in present
        ]
        with target.transaction():
            job.markers.hold_on(target)
            target.cursor().executemany(SET, values)
    full = headroom if headroom > 0 else 0
    shortened = [
        name
        for name, state in wanted.items()
        if state.is_called and abs(state.last_value - before[name].last_value) < full * abs(state.increment)
    ]
    return SequencesSet(wanted, tuple(shortened))


def ahead(state: SequenceState, *, headroom: int) -> SequenceState:
    """Return ``state`` with ``headroom`` values skipped, but never more than half of those that are left.

    One that was never used stays as it is. A sequence that counts down goes down.

    >>> near_end = SequenceState("int2", 1, 1, 1, 110, 1, False, None, 100, True, False)
    >>> ahead(near_end, headroom=1000).last_value
    105
    """
    if not state.is_called:
        return state
    end = state.maximum if state.increment > 0 else state.minimum
    left = max(0, (end - state.last_value) // state.increment)
    return replace(state, last_value=state.last_value + min(headroom, left // 2) * state.increment)
