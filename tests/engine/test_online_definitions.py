"""Definitions that are changed on the source while it is followed: seen, told, mended by the text offered, cut over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.events import FindingsSettled, ObjectVerified
from migrations_app.engine.findings import Finding, Level, ScriptUse
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication import follower, watching
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from tests.engine.following_online import OnlineMove, moving_online
from tests.fixtures.servers import ServerPool

ONLINE = OnlineOptions(cutover_seconds=60, sequence_headroom=0)
PORTAL = replace(ONLINE, apply=ApplyChoice.THROUGH_PORTAL)
ENGINES = pytest.mark.parametrize(
    "online",
    [
        pytest.param(
            ONLINE, id="server to server", marks=pytest.mark.campaign
        ),  # a subscription rests for 20 s at each
        pytest.param(PORTAL, id="through the portal"),
    ],
)
SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE orders (id int PRIMARY KEY, what text, price numeric(6,2), old text, feels mood);
CREATE TABLE other (id int PRIMARY KEY, v int);
CREATE TABLE goes (id int PRIMARY KEY);
CREATE TABLE days (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO orders SELECT i, 'order ' || i, i, 'x', 'sad' FROM generate_series(1, 50) i;
INSERT INTO other VALUES (1, 1);
"""
# What is typed on the source, what it is told by, and a row that needs it.
CHANGES = (
    (
        "ALTER TABLE orders ADD COLUMN state text NOT NULL DEFAULT 'new'",
        "table public.orders",
        "INSERT INTO orders (id, what, state) VALUES (101, 'a', 'sent')",
    ),
    (
        "ALTER TABLE orders ALTER price TYPE numeric(10,4), DROP old, ADD made timestamptz DEFAULT now()",
        "table public.orders",
        "INSERT INTO orders (id, price) VALUES (102, 1.2345)",
    ),
    (
        "ALTER TABLE orders RENAME what TO name",
        "table public.orders",
        "UPDATE orders SET name = 'renamed' WHERE id < 5",
    ),
    (
        "ALTER TYPE mood ADD VALUE 'calm' BEFORE 'happy'",
        "type public.mood",
        "INSERT INTO orders (id, feels) VALUES (103, 'calm')",
    ),
    (
        "ALTER TABLE orders ADD COLUMN number serial",
        "table public.orders",
        "INSERT INTO orders (id) VALUES (104)",
    ),
    ("ALTER TABLE other RENAME TO others", "table public.other", "UPDATE others SET v = 2"),
    (
        "CREATE TABLE fresh (id serial PRIMARY KEY, feels mood, o int REFERENCES orders)",
        "table public.fresh",
        "INSERT INTO fresh (feels, o) VALUES ('calm', 1)",
    ),
    (
        "CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
        "table public.days_2",
        "INSERT INTO days VALUES (1, '2026-02-03'), (1, '2026-01-03')",
    ),
    (
        "ALTER TABLE days ADD COLUMN note text NOT NULL DEFAULT 'none'",
        "table public.days",
        "INSERT INTO days VALUES (2, '2026-02-04', 'noted'), (2, '2026-01-04', 'noted')",
    ),
    (
        "ALTER TABLE days RENAME note TO remark",
        "table public.days",
        "UPDATE days SET remark = 'remarked' WHERE id = 2",
    ),
    ("DROP TABLE goes", "table public.goes", "INSERT INTO others VALUES (2, 2)"),
)


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.2)
    monkeypatch.setattr(watching, "COMPARE_SECONDS", 0.4)
    # A subscription that failed tries again after five seconds, and only then shows where it stops.
    monkeypatch.setattr(watching, "REST_AFTER_SECONDS", 8.0)


def differences(move: OnlineMove) -> dict[str, Finding]:
    """What is told now: the newest words of each subject that was not settled since."""
    found: dict[str, Finding] = {}
    for event in list(move.log.events):
        if isinstance(event, FindingsSettled):
            found = {key: each for key, each in found.items() if each.code != event.code or key in event.still}
        elif (finding := getattr(event, "finding", None)) is not None and finding.code in ("PM4033", "PM4037"):
            found[finding.subject] = finding
    return found


@ENGINES
def test_every_change_is_told_mended_and_cut_over(servers: ServerPool, tmp_path: Path, online: OnlineOptions) -> None:
    source, target = servers.get(18), servers.get(18, name="target")
    with moving_online(source, target, tmp_path, schema=SCHEMA, online=online) as move:
        move.start()
        move.until_caught_up()
        for number, (change, subject, row) in enumerate(CHANGES):
            move.write(change)
            move.write(row)
            move.until(lambda subject=subject: _is_told(move, subject))  # type: ignore[misc]
            told = differences(move)[subject]
            assert told.level is Level.FAILED and told.fix_sql and list(differences(move)) == [subject], told
            assert (told.script_use is ScriptUse.CHOICE) is ("DROP" in change), told
            if number == 0:
                refused, why = move.answer(RequestKind.CUTOVER)
                assert not refused, why
            if number % 2 or "DROP" in change:
                target.psql(told.fix_sql, database=move.databases[0])
                move.until(lambda: _is_alike(move))
            else:
                said = move.ask(RequestKind.MEND, subject=subject)
                assert "Applied to" in said
                move.until(lambda: _is_alike(move))
        move.until_same("others")  # the others are copied again at the cutover
        move.ask(RequestKind.CUTOVER)
        verified = move.wait().databases[0].verified
        assert verified == "identical", [
            each for each in move.log.events if isinstance(each, ObjectVerified) and each.result != "identical"
        ]
        move.assert_same_dump()


def _is_told(move: OnlineMove, subject: str) -> bool:
    _go_on(move)
    return subject in differences(move) and differences(move)[subject].fix_sql != ""


def _is_alike(move: OnlineMove) -> bool:
    _go_on(move)
    return not differences(move)


def _go_on(move: OnlineMove) -> None:
    """A subscription goes on by itself, and the portal looks again later."""
    if move.thread is not None and not move.thread.is_alive() and move.error is None:
        events = move.log.events
        move.start()
        move.log.events[:0] = events
