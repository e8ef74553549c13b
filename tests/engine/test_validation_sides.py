"""Every finding knows on which server it is mended."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.engine.findings import FindingSide
from migrations_app.engine.spec import Side
from migrations_app.engine.validation import rules
from migrations_app.engine.validation.code import all_codes
from migrations_app.engine.validation.wording import MAX_FINDINGS_PER_KIND, capped
from tests.engine.validating import only, validated
from tests.fixtures.servers import ServerPool, SourceAndTarget


def test_every_code_states_its_side() -> None:
    assert rules
    assert not [each.number for each in all_codes() if each.side is None]


def test_a_finding_of_either_server_names_that_server(source_and_target: SourceAndTarget) -> None:
    source, target = source_and_target.endpoints
    away = replace(source, port=1)
    both = validated(away, replace(target, password="wrong"), "postgres")
    assert only(both, "603000").side is FindingSide.SOURCE
    assert only(both, "603100").side is FindingSide.TARGET


def test_few_connections_are_mended_where_they_are_few(servers: ServerPool, source_and_target: SourceAndTarget) -> None:
    source, target = source_and_target.endpoints
    narrow = servers.get(17, name="narrow", max_connections=12)
    few = only(validated(source, narrow.endpoint(Side.TARGET), "postgres", jobs=8), "PM1011")
    assert (few.side, few.fix_sql != "") == (FindingSide.TARGET, True)
    few = only(validated(narrow.endpoint(), target, "postgres", jobs=8), "PM1011")
    assert few.side is FindingSide.SOURCE


def test_the_sum_of_many_findings_keeps_their_side() -> None:
    kind = next(each for each in all_codes() if each.side is FindingSide.TARGET)
    findings = [kind.found(str(number), saw="") for number in range(MAX_FINDINGS_PER_KIND + 1)]
    assert capped(findings, kind, what="more")[-1].side is FindingSide.TARGET
    assert kind.found("here", saw="", side=FindingSide.SOURCE).side is FindingSide.SOURCE
    assert kind.unknown("here", saw="", side=FindingSide.NONE).side is FindingSide.NONE
