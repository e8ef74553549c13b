"""A validation can be limited to rules, and a migration can wait at its warnings; on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConsentToWarningsMissing
from migrations_app.engine.events import Event, Step, StepFinished, ValidationEnded
from migrations_app.engine.offline import migrate
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import AtWarnings, MigrationSpec, Options, Side
from migrations_app.engine.validation import validate
from migrations_app.engine.validation.rule import DATABASE_RULES, SERVER_RULES
from tests.engine.validating import Recorder, database, serious, validated
from tests.fixtures.servers import RunningServer, ServerPool, free_port

TRAPS = "CREATE UNLOGGED TABLE t (id int); CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;"


@pytest.fixture
def source(servers: ServerPool) -> Iterator[RunningServer]:
    yield servers.get(14, name="validated-source")


@pytest.fixture
def target(servers: ServerPool) -> Iterator[RunningServer]:
    yield servers.get(18, name="validated-target")


def spec_of(source: RunningServer, target: RunningServer, name: str, **fields: object) -> MigrationSpec:
    ends = (source.endpoint(Side.SOURCE), target.endpoint(Side.TARGET))
    return MigrationSpec("4b1e", "test", *ends, (database(name),), **fields)  # type: ignore[arg-type]


def ended(events: list[Event]) -> ValidationEnded:
    (event,) = [event for event in events if isinstance(event, ValidationEnded)]
    assert events[-1] is event  # everything that was found is known before
    return event


def test_only_the_rules_that_may_find_a_code_run(source: RunningServer, target: RunningServer) -> None:
    with source.fresh_database() as name:
        source.psql(TRAPS, database=name)
        every = {finding.code for finding in validated(source, target, name)}
        recorder, spec = Recorder(), spec_of(source, target, name)
        found = validate(spec, Server(spec.source), Server(spec.target), recorder, only_codes=["PM2042"])
    assert {finding.code for finding in found} == {"PM2042"} < every
    event = ended(recorder.events)
    assert "PM2042" in event.codes
    assert not event.is_full
    assert event.codes <= {code.number for rule in DATABASE_RULES for code in rule.codes}


def test_a_full_validation_says_that_it_was_full(source: RunningServer, target: RunningServer) -> None:
    recorder = Recorder()
    with source.fresh_database() as name:
        validated(source, target, name, recorder=recorder)
    every = {code.number for rule in (*SERVER_RULES, *DATABASE_RULES) for code in rule.codes}  # type: ignore[attr-defined]
    assert ended(recorder.events) == ValidationEnded(frozenset(every), is_full=True)


def test_a_server_that_was_not_seen_was_not_checked(source: RunningServer, target: RunningServer) -> None:
    away = source.endpoint(Side.SOURCE)
    away = type(away)(Side.SOURCE, away.host, free_port(), away.user, away.password)
    recorder = Recorder()
    validated(away, target, "any", recorder=recorder)
    assert ended(recorder.events).codes == frozenset()


def test_it_waits_at_warnings_before_anything_is_written(
    source: RunningServer, target: RunningServer, tmp_path: Path
) -> None:
    recorder = Recorder()
    with source.fresh_database() as name:
        source.psql(TRAPS, database=name)
        assert serious(validated(source, target, name))
        spec = spec_of(source, target, name, options=Options(at_warnings=AtWarnings.WAIT))
        with pytest.raises(ConsentToWarningsMissing, match="warning"):
            migrate(spec, reporter=recorder, control=Control(fence=1), queue_for=lambda _: None, work_dir=tmp_path)  # type: ignore[arg-type,return-value]
        assert target.psql(f"SELECT count(*) FROM pg_database WHERE datname = '{name}_moved'") == "0"
    assert recorder.events[-1] == StepFinished(Step.VALIDATE)
