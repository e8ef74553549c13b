"""What cannot be done in a mode is refused, and the refusal says why and what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.errors import ModeNotPossible
from migrations_app.engine.offline import migrate
from migrations_app.engine.providers import PROVIDERS
from migrations_app.engine.providers.modes import require_possible_mode, why_offline_only
from migrations_app.engine.spec import MigrationMode, MigrationOption
from tests.engine.moving import Move
from tests.fixtures.servers import RunningServer


@pytest.mark.parametrize("option", [MigrationOption.MIGRATE, MigrationOption.VALIDATE_AND_MIGRATE])
def test_an_online_migration_is_never_copied_offline(
    pair: tuple[RunningServer, RunningServer], tmp_path: Path, option: MigrationOption
) -> None:
    move = Move(*pair, ["nowhere"], tmp_path)
    spec = replace(move.spec, mode=MigrationMode.ONLINE, option=option)
    with pytest.raises(ModeNotPossible) as refused:
        migrate(spec, reporter=move.log, control=move.control, queue_for=lambda _: pytest.fail(), work_dir=tmp_path)
    assert "Online" in refused.value.message
    assert "Change the mode to Offline" in refused.value.hint
    assert not move.log.events


def test_what_cannot_be_followed_is_refused_with_the_reason() -> None:
    refused = [provider for provider in PROVIDERS if why_offline_only(provider.key)]
    assert {provider.key for provider in refused} >= {"Heroku_PostgreSQL", "Digital_Ocean_PostgreSQL"}
    for provider in refused:
        with pytest.raises(ModeNotPossible, match=f"{provider.name} cannot be migrated online"):
            require_possible_mode(provider.key, mode=MigrationMode.ONLINE)
        require_possible_mode(provider.key, mode=MigrationMode.OFFLINE)
    require_possible_mode("AWS_RDS", mode=MigrationMode.ONLINE)
