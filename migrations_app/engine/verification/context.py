"""What every part of the verification of one database needs."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.control import Control
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import DatabaseSpec, RolePolicy, VerificationLevel
from migrations_app.engine.verification.digest_method import DigestMethod
from migrations_app.engine.verification.verdicts import Verdicts


@dataclass(frozen=True)
class Verification:
    """The verification of one database; ``jobs`` is how many tables are hashed at once."""

    database: DatabaseSpec
    source: Server
    target: Server
    level: VerificationLevel
    roles: RolePolicy
    method: DigestMethod
    jobs: int
    verdicts: Verdicts
    control: Control
