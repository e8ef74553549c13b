"""A failure says why such a thing usually happens, and what to do."""

from __future__ import annotations

import pytest

from migrations_app.models import State
from migrations_app.selectors.failure import cause_of, failure_of
from migrations_app.selectors.migration_page import migration_page
from tests.portal import sample_rows as rows


@pytest.mark.parametrize(
    ("server_message", "word"),
    [
        ('could not extend file "base/1/2": No space left on device', "disk"),
        ('FATAL:  password authentication failed for user "dbadmin"', "password"),
        ('no pg_hba.conf entry for host "10.0.0.1", user "x", no encryption', "pg_hba.conf"),
        ("SSL error: certificate verify failed", "TLS"),
        ('connection to server at "10.0.0.1", port 5432 failed: Connection refused', "firewall"),
        ("server closed the connection unexpectedly", "restarted"),
        ("terminating connection due to idle-in-transaction timeout", "snapshot"),
        ("ERROR: out of shared memory", "lock table"),
        ("FATAL:  sorry, too many clients already", "connections"),
        ("cannot execute CREATE TABLE in a read-only transaction", "standby"),
        ("ERROR:  permission denied for schema sales", "right"),
        ('extension "postgis" is not available', "extension"),
        ("canceling statement due to statement timeout", "longer"),
    ],
)
def test_known_words_of_a_server_have_a_usual_cause(server_message: str, word: str) -> None:
    cause = cause_of(server_message)
    assert cause is not None
    assert word in cause.why


def test_unknown_words_have_none() -> None:
    assert cause_of("", "the moon is full") is None


@pytest.mark.django_db
def test_a_failure_names_step_table_and_what_is_on_the_target() -> None:
    failure = failure_of(migration_page(rows.failed().pk))
    assert failure is not None
    assert failure.step_label == "Copy"
    assert [table.name for table in failure.tables] == ["stock"]
    assert failure.on_target == [
        ("crm", "6 of 9 tables are complete; the others are empty. No index of them has been built.")
    ]


@pytest.mark.django_db
def test_a_failure_without_words_is_told_from_its_database() -> None:
    migration = rows.migration("mute", state=State.FAILED)
    rows.add_database(migration, "crm", state=State.FAILED, error="permission denied for schema sales")
    failure = failure_of(migration_page(migration.pk))
    assert failure is not None
    assert failure.message == "crm: permission denied for schema sales"


@pytest.mark.django_db
def test_nothing_failed() -> None:
    assert failure_of(migration_page(rows.succeeded().pk)) is None
