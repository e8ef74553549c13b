"""What the portal's database cannot keep does not keep a finding from being stored."""

from __future__ import annotations

import pytest

from migrations_app.engine.events import FindingRaised
from migrations_app.engine.findings import Finding, Level
from migrations_app.models import MigrationFinding
from tests.services.test_progress import recorder_of, shop_id

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_finding_with_bytes_that_are_no_text_is_stored(lease):
    subject = "role m\udcfcller\x00"  # what Python makes of a foreign byte, and NUL
    finding = Finding(code="PM4003", level=Level.WARNING, subject=subject, saw=subject, database_id=shop_id())
    with recorder_of(lease) as recorder:
        recorder.report(FindingRaised(finding))
        recorder.settle()
    assert MigrationFinding.objects.get().subject == "role m?ller"
