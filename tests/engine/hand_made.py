"""A native subscription made by hand, for tests that need no engine of ours."""

from __future__ import annotations

from migrations_app.engine.replication.apply import ApplyKind, ApplyState, ApplyStatus
from tests.fixtures.servers import RunningServer


class HandMade:
    """A native subscription made by hand, behind the interface of an apply engine."""

    kind = ApplyKind.SERVER_TO_SERVER

    def __init__(self, publisher: RunningServer, subscriber: RunningServer, database: str, name: str) -> None:
        self.publisher, self.subscriber, self.database, self.name = publisher, subscriber, database, name

    def start(self) -> None:
        self._run(f"ALTER SUBSCRIPTION {self.name} ENABLE")

    def pause(self) -> None:
        self._run(f"ALTER SUBSCRIPTION {self.name} DISABLE")

    def status(self) -> ApplyStatus:
        confirmed = self.publisher.psql(
            f"SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = '{self.name}'"
        )
        working = self.subscriber.psql(f"SELECT count(pid) FROM pg_stat_subscription WHERE subname = '{self.name}'")
        state = ApplyState.APPLYING if working.strip() != "0" else ApplyState.RECONNECTING
        return ApplyStatus(state, applied_lsn=int(confirmed or 0))

    def stop(self) -> None:
        """A subscription goes on by itself."""

    def remove(self) -> None:
        if self.subscriber.psql(f"SELECT count(*) FROM pg_subscription WHERE subname = '{self.name}'").strip() != "0":
            self._run(
                f"ALTER SUBSCRIPTION {self.name} DISABLE; ALTER SUBSCRIPTION {self.name} SET (slot_name = NONE);"
                f"DROP SUBSCRIPTION {self.name}"
            )

    def make(self) -> None:
        conninfo = f"host=127.0.0.1 port={self.publisher.port} dbname={self.database} user={self.publisher.superuser}"
        self._run(
            f"CREATE SUBSCRIPTION {self.name} CONNECTION '{conninfo} password={self.publisher.password}'"
            f" PUBLICATION {self.name} WITH (create_slot = false, slot_name = '{self.name}', copy_data = false)"
        )

    def _run(self, script: str) -> None:
        self.subscriber.psql(f"SET default_transaction_read_only = off; {script}", database=self.database)
