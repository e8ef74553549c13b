"""How the engine's events become rows: one ledger for each kind of row, written together by ``services.progress``."""

from __future__ import annotations

from migrations_app.services.recording.cutovers import CutoverLedger
from migrations_app.services.recording.databases import DatabaseLedger
from migrations_app.services.recording.findings import FindingLedger
from migrations_app.services.recording.indexes import IndexLedger
from migrations_app.services.recording.ledger import Ledger
from migrations_app.services.recording.log import LogLedger
from migrations_app.services.recording.old_source import OldSourceLedger
from migrations_app.services.recording.parts import PartLedger
from migrations_app.services.recording.phases import PhaseLedger
from migrations_app.services.recording.replication import ReplicationLedger
from migrations_app.services.recording.samples import SampleLedger
from migrations_app.services.recording.steps import StepLedger
from migrations_app.services.recording.verification import VerificationLedger

__all__ = [
    "CutoverLedger",
    "DatabaseLedger",
    "FindingLedger",
    "IndexLedger",
    "Ledger",
    "LogLedger",
    "OldSourceLedger",
    "PartLedger",
    "PhaseLedger",
    "ReplicationLedger",
    "SampleLedger",
    "StepLedger",
    "VerificationLedger",
]
