"""People change the schema while a database is followed; then the DBA does what the finding says."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass

import psycopg

from migrations_app.engine.findings import Finding
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.postgres.client_tools import client_tools
from migrations_app.engine.spec import VerificationLevel
from portal.local_postgres import ClusterError
from tests.engine.online_stage import Stage
from tests.fixtures.workload import Session

LOCK_ATTEMPTS = 40
PLACE = "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8"
TOLD_WITHIN_SECONDS = 60

TABLES = """
CREATE TABLE shop.shapes (id bigserial PRIMARY KEY, a int, b text, doomed text);
INSERT INTO shop.shapes (a, b, doomed) SELECT i, 'shape ' || i, 'x' FROM generate_series(1, 300) i;
CREATE TABLE shop.still (id int PRIMARY KEY, words text);
INSERT INTO shop.still SELECT i, 'words ' || i FROM generate_series(1, 50) i;
"""


def shape(session: Session, dice: random.Random) -> None:
    """Write to every column that there is now."""
    row = (
        f'{{"id": {dice.randint(10**6, 10**15)}, "a": {dice.randint(1, 10**6)}, "b": "b", "extra": "e", "doomed": "d"}}'
    )
    session.execute("INSERT INTO shop.shapes SELECT (jsonb_populate_record(NULL::shop.shapes, %s)).*", [row])
    session.execute(
        "UPDATE shop.shapes SET a = a + 1, b = %s WHERE id IN (SELECT id FROM shop.shapes WHERE id %% 10 = %s LIMIT 3"
        " FOR UPDATE SKIP LOCKED)",
        [f"changed {dice.random()}", dice.randint(0, 9)],
    )
    session.execute(
        "DELETE FROM shop.shapes WHERE id = (SELECT id FROM shop.shapes WHERE id > 1000 LIMIT 1 FOR UPDATE SKIP LOCKED)"
    )


@dataclass(frozen=True)
class Change:
    """``code`` is the finding that has to tell it; empty where it only makes the catalogs differ."""

    kind: str
    statement: str
    code: str = ""
    subject: str = "shop.shapes"


CHANGES = (
    Change("ADD COLUMN", "ALTER TABLE shop.shapes ADD COLUMN extra text", "PM4033"),
    Change("ALTER TYPE", "ALTER TABLE shop.shapes ALTER a TYPE bigint", "PM4033"),
    Change("DROP COLUMN", "ALTER TABLE shop.shapes DROP COLUMN doomed"),
    Change("CREATE INDEX", "CREATE INDEX shapes_b ON shop.shapes (b)"),
    Change(
        "CREATE TABLE",
        "CREATE TABLE shop.late (id int PRIMARY KEY, words text);"
        "INSERT INTO shop.late SELECT i, 'late' FROM generate_series(1, 20) i",
        "PM4037",
        "shop.late",
    ),
)


def change_schema(stage: Stage) -> Change:
    """Change the source, see that it is told and blocks the cutover, and make the target alike."""
    change = stage.dice.choice(CHANGES)
    _on_source(stage, change.statement)
    stage.said.append(f"schema changed: {change.kind}")
    if change.code == "PM4037":
        stage.until(lambda: stage.found(change.code), TOLD_WITHIN_SECONDS, why=change.kind)
        return change
    if change.kind == "DROP COLUMN":  # what was written before it still has the column
        stage.until_applied(int(stage.move.source.psql(PLACE)))
    script = change.statement
    if change.code:
        script = _told(stage, change).fix_sql
        succeeded, why = stage.answer(RequestKind.CUTOVER, level=VerificationLevel.COUNTS)
        assert not succeeded, f"{change.kind}: the cutover was not blocked: {why}"
    stage.move.target.psql(script, database=stage.database)
    continued, why = stage.answer(RequestKind.CONTINUE)
    assert continued, why
    return change


def _on_source(stage: Stage, statement: str) -> None:
    for _ in range(LOCK_ATTEMPTS):
        try:
            stage.move.source.psql(f"SET lock_timeout = '1s'; BEGIN; {statement}; COMMIT", database=stage.database)
            return
        except (ClusterError, psycopg.Error):
            time.sleep(stage.dice.random() / 2)
    raise AssertionError(f"no lock for {statement}")


def _told(stage: Stage, change: Change) -> Finding:
    def telling() -> list[Finding]:
        """What to type is told when what was written before the change is applied."""
        found = stage.move.log.findings
        known = [each for each in found if each.code == change.code and change.subject in each.subject]
        return [each for each in known if each.fix_sql]

    stage.until(lambda: bool(telling()), TOLD_WITHIN_SECONDS, why=change.kind)
    return telling()[-1]


def settle_new_table(stage: Stage, change: Change | None) -> bool:
    """A table made since: drop it before the cutover, or say that it is to be copied by hand after it."""
    if change is None or change.kind != "CREATE TABLE":
        return False
    if stage.dice.random() < 0.5:
        _on_source(stage, "DROP TABLE shop.late")
        return False
    return True


def copy_new_table(stage: Stage) -> None:
    """As the finding says: ``pg_dump --table``."""
    tools = client_tools()
    source = stage.move.source.cluster.conninfo(database=stage.database)
    dumped = subprocess.run(
        [tools.path("pg_dump"), "--table", "shop.late", "--dbname", source],
        env=dict(tools.environment),
        capture_output=True,
        check=True,
        text=True,
    )
    lines = [line for line in dumped.stdout.splitlines() if "transaction_timeout" not in line]
    stage.move.target.psql("\n".join(lines), database=stage.database)
