"""A real pooler before the source or the target: it is named, nothing is left in it, and the fix leads around it."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.findings import FindingSide, Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import Side
from tests.engine.validating import of_code, only, validated
from tests.fixtures.pooler import Pooler, pooled
from tests.fixtures.servers import SourceAndTarget


def settings_of_the_pool(pooler: Pooler) -> list[tuple[str, ...]]:
    """What an application finds set in the backends that it is given."""
    endpoint = pooler.endpoint()
    names = ("default_transaction_read_only", "row_security", "search_path", "timezone", "datestyle")
    with psycopg.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        dbname="postgres",
        autocommit=True,
    ) as session:
        return [tuple(session.execute(f"SHOW {name}").fetchone() or ()) for name in names]


@pytest.mark.parametrize("mode", ["transaction", "statement", "session"])
def test_applications_of_the_pool_never_see_our_settings(source_and_target: SourceAndTarget, mode: str) -> None:
    with pooled(source_and_target.source, mode=mode) as pooler:
        before = settings_of_the_pool(pooler)
        validated(pooler.endpoint(), source_and_target.target, "postgres")
        assert settings_of_the_pool(pooler) == before


@pytest.mark.parametrize(
    ("mode", "level"), [("transaction", Level.FAILED), ("statement", Level.FAILED), ("session", Level.WARNING)]
)
def test_validation_names_the_pooler_and_what_to_type(
    source_and_target: SourceAndTarget, mode: str, level: Level
) -> None:
    source, target = source_and_target.source, source_and_target.target
    with pooled(source, mode=mode) as pooler:
        finding = only(validated(pooler.endpoint(), target, "postgres"), "PM1004")
        assert (finding.level, finding.side) == (level, FindingSide.SOURCE)
        assert f"{mode} pooling" in finding.saw
        assert f"Type port {source.port} instead of {pooler.port}" in finding.fix
        direct = replace(pooler.endpoint(), port=source.port)
        assert not of_code(validated(direct, target, "postgres"), "PM1004")
    with pooled(target, mode=mode) as pooler:
        finding = only(validated(source, pooler.endpoint(Side.TARGET), "postgres"), "PM1004")
        assert (finding.level, finding.side) == (level, FindingSide.TARGET)


def test_what_a_pooler_answers_to_a_login_is_understood(source_and_target: SourceAndTarget) -> None:
    with pooled(source_and_target.source) as pooler:
        cases = {
            "wrong_password": replace(pooler.endpoint(), password="wrong"),
            "no_database": replace(pooler.endpoint(), database="nonesuch"),
            "tls_refused": replace(pooler.endpoint(), sslmode="require"),
        }
        for kind, endpoint in cases.items():
            with pytest.raises(ConnectionFailed) as refused, Server(endpoint).connected():
                pytest.fail("it connected")
            assert refused.value.kind == kind


def test_a_pool_of_one_backend_is_recognized_at_once(source_and_target: SourceAndTarget) -> None:
    with (
        pooled(source_and_target.source, mode="transaction", size=1) as pooler,
        pytest.raises(ConnectionFailed, match="transaction pooling"),
        Server(pooler.endpoint()).connected(),
    ):
        pytest.fail("it connected")
