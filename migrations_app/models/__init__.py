"""The portal's rows."""

from __future__ import annotations

from migrations_app.models.checks import FindingCheck
from migrations_app.models.clean_up import CleanUp, CleanUpItem
from migrations_app.models.connection import ConnectionSettings, MigrationEndpoint, SavedConnection
from migrations_app.models.history import (
    EventKind,
    MigrationEvent,
    MigrationFinding,
    ProcessHeartbeat,
    ThroughputSample,
    VerificationResult,
)
from migrations_app.models.migration import Migration, Run
from migrations_app.models.progress import MigrationDatabase, Part, TableCopy
from migrations_app.models.replication import (
    CutoverAttempt,
    CutoverStepTime,
    OldSourceVisitor,
    Replication,
    ReplicationRequest,
    ReplicationSample,
)
from migrations_app.models.states import (
    ACTIVE_STATES,
    FOLLOWING_SUBSTATES,
    TERMINAL_STATES,
    OnlinePhase,
    PartState,
    SourceType,
    SslMode,
    State,
    StepState,
    Substate,
)

__all__ = [
    "ACTIVE_STATES",
    "FOLLOWING_SUBSTATES",
    "TERMINAL_STATES",
    "CleanUp",
    "CleanUpItem",
    "ConnectionSettings",
    "CutoverAttempt",
    "CutoverStepTime",
    "EventKind",
    "FindingCheck",
    "Migration",
    "MigrationDatabase",
    "MigrationEndpoint",
    "MigrationEvent",
    "MigrationFinding",
    "OldSourceVisitor",
    "OnlinePhase",
    "Part",
    "PartState",
    "ProcessHeartbeat",
    "Replication",
    "ReplicationRequest",
    "ReplicationSample",
    "Run",
    "SavedConnection",
    "SourceType",
    "SslMode",
    "State",
    "StepState",
    "Substate",
    "TableCopy",
    "ThroughputSample",
    "VerificationResult",
]
