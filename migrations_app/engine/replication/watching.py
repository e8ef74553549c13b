"""Look at a followed database every two seconds: how far behind it is, and whether anything is about to go wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from migrations_app.engine.errors import ConnectionFailed, ConnectionLost, EngineError, Stopped
from migrations_app.engine.events import CaughtUp, Direction, ReplicationSampled, Step, StepFinished, StepStarted
from migrations_app.engine.findings import Level, ScriptUse
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.replication_stream import SlotLost
from migrations_app.engine.replication import alarms
from migrations_app.engine.replication.alarms import Alarms
from migrations_app.engine.replication.apply import ApplyKind, ApplyState
from migrations_app.engine.replication.difference import Difference, current_lsn, in_words
from migrations_app.engine.replication.drift import find_drift, read_places, tables_made_since
from migrations_app.engine.replication.heartbeat import beat, read_beat
from migrations_app.engine.replication.link import Following
from migrations_app.engine.replication.logical_slot import SlotState, read_slot, when_lost
from migrations_app.engine.replication.new_tables import new_table
from migrations_app.engine.replication.plan_changes import PlanChanged, changed_plan
from migrations_app.engine.replication.room import Room
from migrations_app.engine.replication.sample import SMALL_BYTES, Sample
from migrations_app.engine.replication.slot_guard import SlotGuard
from migrations_app.engine.replication.source_identity import is_another, read_source_identity
from migrations_app.engine.replication.stream_gaps import PublicationMark, changed_publications, missing_tables
from migrations_app.engine.validation.wording import duration

SAMPLE_SECONDS, COMPARE_SECONDS, COMPARE_DRIFTING_SECONDS = 2.0, 30.0, 4.0
REST_AFTER_SECONDS = 20.0  # without having applied what came before a change: a subscription fails on it
STUCK_SECONDS = 60.0
NOW = "SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::int8, clock_timestamp()"


@dataclass
class Watcher:
    """Looks with two sessions of its own; used by one thread.

    ``source_identity`` and ``published`` are those of the slot's beginning.
    """

    following: Following
    publisher: Connection
    subscriber: Connection
    alarms: Alarms
    direction: Direction = Direction.FORWARD
    source_identity: str = ""
    published: tuple[PublicationMark, ...] = ()
    is_paused: bool = False  # by a person
    is_caught_up: bool = False
    is_drifting: bool = False
    differences: list[Difference] = field(default_factory=list)
    is_ripe: bool = False
    _drift: tuple[int, float] = (0, 0.0)  # what came before the differences ends at this place; when they were seen
    _moved_to: int = 0
    _drift_words: frozenset[str] = frozenset()
    is_resting: bool = False
    _impossible: str = ""  # what was told last
    _was_caught_up: bool = False
    _close_looks: int = 0
    _compared_at: float = field(default=-COMPARE_SECONDS)
    _progress: tuple[int, int, float] = (0, 0, 0.0)

    def __post_init__(self) -> None:
        link = self.following.link
        words = when_lost(is_way_back=self.direction is Direction.REVERSE)
        self._guard = SlotGuard(
            self.following.job, link.publisher, link.publisher_database, link.name, self.alarms, words
        )

    def look(self) -> Sample:
        """Beat, measure, report. Raises ``SlotLost`` where changes are missing for good."""
        plan = self.following.plan
        if plan.with_heartbeat:
            beat(self.publisher)
        sample = self._sample()
        room = self._guard.look(self.publisher, sample.slot, retained_bytes=sample.retained_bytes)
        self._report(sample, room)
        if self._is_time_to_compare(sample):
            self._compared_at = time.monotonic()
            self._if_possible(self._compare)
        self._look_for_trouble(sample)
        self._if_possible(self._rest_where_it_would_harm)
        self._tell_whether_close(sample)
        return sample

    def _if_possible(self, do: Callable[[], None]) -> None:
        """A locked or vanished table, a refused right or a busy worker passes, or is seen at the next look again."""
        try:
            do()
        except (Stopped, SlotLost, ConnectionLost, ConnectionFailed):
            raise
        except EngineError as error:
            if error.message != self._impossible:
                self.following.job.note(f"{error.message} It is tried again.", level=Level.WARNING)
            self._impossible = error.message
        else:
            self._impossible = ""

    def compare_soon(self) -> None:
        """Compare both sides at the next look: somebody changed something."""
        self._compared_at = -COMPARE_SECONDS

    def _is_time_to_compare(self, sample: Sample) -> bool:
        seconds = min(COMPARE_SECONDS, COMPARE_DRIFTING_SECONDS) if self.is_drifting else COMPARE_SECONDS
        has_met = bool(sample.status.stopped_before_lsn) and not self.is_drifting
        return has_met or time.monotonic() - self._compared_at >= seconds

    def _sample(self) -> Sample:
        following = self.following
        slot = read_slot(self.publisher, following.link.name)
        if slot is None or slot.is_lost:
            raise self._lost(slot)
        status = following.engine.status()
        row = self.publisher.execute(NOW).fetchone()
        lsn, now = (int(row[0]), row[1]) if row else (0, None)
        return Sample(status, lsn, slot, self._lag_seconds(now))

    def _lag_seconds(self, now: datetime | None) -> float | None:
        if not self.following.plan.with_heartbeat or now is None:
            return None
        beaten = read_beat(self.subscriber)
        return None if beaten is None else max(0.0, (now - beaten).total_seconds())

    def _lost(self, slot: SlotState | None) -> SlotLost:
        name, label = self.following.link.name, self.following.link.publisher.endpoint.label
        story = self._guard.end_of_story
        if slot is not None:
            return SlotLost(
                f"{label} removed log that the replication slot {name} still needs.",
                hint=f"max_slot_wal_keep_size (or idle_replication_slot_timeout) was exceeded there. {story}",
            )
        hint = f"A person dropped it, or a failover made a server the source that did not have it. {story}"
        return SlotLost(f"There is no replication slot {name} on {label} any more.", hint=hint)

    def _report(self, sample: Sample, room: Room | None) -> None:
        self.following.job.reporter.report(
            ReplicationSampled(
                self.following.job.database.id,
                self.direction,
                sample.status,
                source_lsn=sample.source_lsn,
                lag_bytes=sample.lag_bytes,
                lag_seconds=sample.lag_seconds,
                retained_wal_bytes=sample.retained_bytes,
                wal_status=sample.slot.wal_status,
                room_bytes=room.bytes if room else None,
                room_limit=room.limit.value if room else "",
                full_in_seconds=room.full_in_seconds if room else None,
                open_bytes=sample.open_bytes,
            )
        )

    def _tell_whether_close(self, sample: Sample) -> None:
        job = self.following.job
        is_close = sample.is_close(with_heartbeat=self.following.plan.with_heartbeat) and not self.is_drifting
        self._close_looks = self._close_looks + 1 if is_close else 0
        if self._close_looks >= 2 and not self.is_caught_up:
            self.is_caught_up = self._was_caught_up = True
            if self.direction is Direction.FORWARD:
                job.reporter.report(StepFinished(Step.CATCH_UP, job.database.id))
                job.reporter.report(CaughtUp(job.database.id))
        elif not is_close and self.is_caught_up:
            self.is_caught_up = False
            if self.direction is Direction.FORWARD:
                job.reporter.report(StepStarted(Step.CATCH_UP, job.database.id))

    # --- trouble ---

    def _look_for_trouble(self, sample: Sample) -> None:
        self._look_at_lag(sample)
        self._look_at_apply(sample)
        self._look_at_progress(sample)

    def _look_at_lag(self, sample: Sample) -> None:
        """A lag of what never caught up is no surprise; the forecast tells when it does."""
        limit = self.following.job.spec.online.lag_alarm_seconds
        if sample.lag_seconds is None or sample.lag_seconds <= limit or self.is_paused:
            self.alarms.end(alarms.LAG)
        elif self._was_caught_up:
            self.alarms.raise_(
                alarms.LAG,
                f"apply of {self.following.link.subscriber_database}",
                f"What is applied is {duration(sample.lag_seconds)} old, more than the {duration(limit)} that were "
                "agreed.",
                fix="Look for bulk work where the changes come from, and for locks in pg_stat_activity where they "
                "arrive.",
            )

    def _look_at_apply(self, sample: Sample) -> None:
        status = sample.status
        if status.state is not ApplyState.BROKEN or self.is_drifting:
            self.alarms.end(alarms.APPLY_BROKEN)
            return
        self.alarms.raise_(
            alarms.APPLY_BROKEN,
            f"apply of {self.following.link.subscriber_database}",
            status.error,
            fix=status.hint or "Mend what the server names, then let the database continue.",
            server_message=status.server_message,
            level=Level.FAILED,
            episode=status.error[:80],
        )

    def _look_at_progress(self, sample: Sample) -> None:
        """Something is there to apply, and for a minute nothing was."""
        applied, _, since = self._progress
        now, status = time.monotonic(), sample.status
        if status.applied_lsn != applied or not since or status.state is ApplyState.PAUSED or self.is_drifting:
            self._progress = (status.applied_lsn, sample.source_lsn, now)
            self.alarms.end(alarms.NO_PROGRESS)
            return
        is_behind = sample.lag_bytes >= SMALL_BYTES or (sample.lag_seconds or 0) >= STUCK_SECONDS
        if now - since < STUCK_SECONDS or not is_behind:
            return
        self.alarms.raise_(
            alarms.NO_PROGRESS,
            f"apply of {self.following.link.subscriber_database}",
            f"Nothing was applied for {now - since:.0f} s, and {sample.lag_bytes:,} bytes wait ({status.state}). "
            f"{status.error}".strip(),
            fix=status.hint
            or "A large transaction may be on its way; else look for locks in pg_stat_activity where changes arrive.",
            server_message=status.server_message,
        )

    # --- what is compared now and then ---

    def _compare(self) -> None:
        self._compare_source()
        self.differences = self.compare_definitions()
        if self.direction is Direction.FORWARD:
            self._compare_publication()
        self._note_drift(is_drifting=any(each.is_harmful for each in self.differences))
        self._tell_differences()

    def _compare_source(self) -> None:
        now = read_source_identity(self.publisher)
        label = self.following.link.publisher.endpoint.label
        if is_another(self.source_identity, now):
            self.alarms.raise_(
                alarms.OTHER_SERVER,
                f"server {label}",
                f"It is another server, or on another time line, than when the slot was made: {now} instead of "
                f"{self.source_identity} (system identifier and time line).",
                fix="Let the cutover compare rows in full; it opens the target only if they are the same.",
            )

    def _compare_publication(self) -> None:
        link = self.following.link
        differing = {each.subject.removeprefix("table ") for each in self.differences}
        known, places = self.following.plan.tables, read_places(self.publisher, self.following.plan.tables)
        differing |= {".".join(name) for name in {*places.values()} - {table.full_name for table in known}}
        missing = missing_tables(self.publisher, self.subscriber, self.following, but=differing)
        changed = [] if missing else changed_publications(self.publisher, link, self.published, but=differing)
        if not missing and not changed:
            self.alarms.end(alarms.NOT_SUBSCRIBED)
            return
        saw = f"Somebody changed it meanwhile, so changes may be missing: {', '.join(changed[:20])}."
        if missing:
            saw = f"The changes of these tables do not arrive: {', '.join(missing[:20])}."
        self.alarms.raise_(
            alarms.NOT_SUBSCRIBED,
            f"{'subscription' if missing else 'publication'} {link.name}",
            saw,
            fix="Nobody may change our publication. Start a new migration of this database; or cut over with full "
            "verification, which opens the target only if all rows are the same.",
            level=Level.FAILED,
            episode=" ".join([*missing, *changed]),
        )

    def compare_definitions(self) -> list[Difference]:
        """Return how the definitions differ now. Raises ``PlanChanged`` where that changes what is followed."""
        following, is_forward = self.following, self.direction is Direction.FORWARD
        if not is_forward:
            found = find_drift(self.publisher, self.subscriber, following.link.tables, by_oid=False)
            return [replace(each, statements=(), destroys=False) if each.destroys else each for each in found]
        found = find_drift(self.publisher, self.subscriber, following.plan.tables)
        found += self._passed_by(found)
        made = self.made()
        plan = changed_plan(following.plan, self.publisher, self.subscriber, found=found, made=made)
        if plan != following.plan:
            raise PlanChanged(plan)
        return [*found, *(self._made(table.full_name) for table in made)]

    def _passed_by(self, found: list[Difference]) -> list[Difference]:
        """The apply met a definition that is neither the old nor the new one: the table was changed more than once."""
        oid = self.following.engine.status().stopped_at_table
        plan, differing = self.following.plan, {each.subject for each in found}
        for table in plan.tables:
            is_known = table.oid in plan.passed_over or f"table {table.label}" in differing
            if table.oid == oid and not is_known:
                return [Difference(f"table {table.label}", "It was changed more than once.", again=(table.full_name,))]
        return []

    def made(self) -> list[TablePlan]:
        """Return the tables of the source that the migration does not know yet."""
        return tables_made_since(self.following.job, self.publisher, self.following.plan)

    def _made(self, name: tuple[str, str]) -> Difference:
        """What pg_dump says is not asked again at every look."""
        subject = f"table {'.'.join(name)}"
        known = next((each for each in self.differences if each.is_new and each.subject == subject), None)
        if known is not None and known.statements:
            return known
        return new_table(self.following.job, self.publisher, self.subscriber, name)

    def _tell_differences(self) -> None:
        for code, is_new in ((alarms.DRIFT, False), (alarms.MADE_SINCE, True)):
            told = [each for each in self.differences if each.is_new is is_new]
            self.alarms.settle(code, still=frozenset(each.subject for each in told))
            for each in told:
                self._tell(code, each)

    def _tell(self, code: str, difference: Difference) -> None:
        here = self.following.link.subscriber.endpoint.label
        if not self.is_ripe:
            self.alarms.raise_(
                code,
                difference.subject,
                in_words(difference, self.direction),
                fix="What was written before it is still being applied. What to type is shown when that is done.",
                level=Level.FAILED,
                episode=f"{difference.saw} soon",
            )
            return
        fix = f"Apply the script to {here}, or take the change back on the source."
        if not difference.statements:
            fix = f"Make it on {here} as it is on the source, or take the change back there."
        self.alarms.raise_(
            code,
            difference.subject,
            in_words(difference, self.direction),
            fix=fix,
            fix_sql=difference.script,
            level=Level.FAILED,
            episode=difference.saw,
            script_use=ScriptUse.CHOICE if difference.destroys else ScriptUse.NOW,
        )

    def _note_drift(self, *, is_drifting: bool) -> None:
        words = frozenset(f"{each.subject} {each.saw}" for each in self.differences)
        stays = any(each.is_harmful and f"{each.subject} {each.saw}" in self._drift_words for each in self.differences)
        if is_new := bool(words - self._drift_words):
            self._drift, self.is_ripe = (current_lsn(self.publisher), time.monotonic()), False
        self._drift_words = words
        # Where it stopped before says nothing of what is new; at what harms and is still there, it rests on.
        if not self.is_paused and (is_new and not stays if is_drifting else self.is_drifting):
            self.following.engine.start()
        self.is_drifting = is_drifting
        self.is_resting = self.is_resting and is_drifting and (stays or not is_new)

    def _rest_where_it_would_harm(self) -> None:
        """What was written before the change is applied first: it fits what is there, and not what will be."""
        if not self.differences or (self.is_ripe and (self.is_resting or not self.is_drifting)):
            return
        status, (lsn, since) = self.following.engine.status(), self._drift
        if status.applied_lsn != self._moved_to:
            self._moved_to, self._drift = status.applied_lsn, (lsn, since := time.monotonic())
        is_native = self.following.engine.kind is ApplyKind.SERVER_TO_SERVER
        is_broken = status.state is ApplyState.BROKEN and is_native
        has_stopped = self.is_resting or bool(status.stopped_before_lsn) or is_broken
        is_before = status.applied_lsn < lsn and not has_stopped
        if is_before and (not self.is_drifting or time.monotonic() - since < REST_AFTER_SECONDS):
            return
        if self.is_drifting and not self.is_resting:
            self.following.engine.pause()
            self.is_resting = True
        self.is_ripe = True
        self._tell_differences()


@contextmanager
def watching(
    following: Following,
    alarms_: Alarms,
    *,
    direction: Direction = Direction.FORWARD,
    source_identity: str = "",
    published: tuple[PublicationMark, ...] = (),
) -> Iterator[Watcher]:
    """Open the sessions of a watcher; the one on the publisher may write, where a heartbeat is wanted."""
    link, plan = following.link, following.plan
    with ExitStack() as opened:
        publisher = opened.enter_context(
            link.publisher.connected(link.publisher_database, purpose="watch", read_only=not plan.with_heartbeat)
        )
        subscriber = opened.enter_context(
            link.subscriber.connected(link.subscriber_database, purpose="watch", read_only=True)
        )
        for connection in (publisher, subscriber):  # the definition of a locked table cannot be read: look on meanwhile
            connection.execute("SET lock_timeout = '2s'")
        yield Watcher(following, publisher, subscriber, alarms_, direction, source_identity, published)
