"""The Online part of the options step: how changes are followed, and how it is cut over."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from migrations_app.engine.spec import ApplyChoice, OnlineOptions, VerificationLevel, WithoutIdentity
from migrations_app.models import Migration
from migrations_app.models.migration import APPLY_CHOICES, VERIFICATION_CHOICES, WITHOUT_IDENTITY_CHOICES
from migrations_app.services.server_address import InvalidAddress, read_server_address

GIB = 1024**3
HEADROOM_MAX = 1_000_000_000
MINUTES_MAX = 24 * 60


class OnlineForm(forms.Form):
    """Following and cutover; shown for the mode Online only."""

    apply_engine = forms.ChoiceField(choices=APPLY_CHOICES, widget=forms.RadioSelect)
    source_as_seen_by_target = forms.CharField(
        label="The source's address as the target sees it",
        required=False,
        max_length=262,
        help_text="host:port, where the target reaches the source at another address than this portal. "
        "Empty: the same address.",
    )
    without_identity = forms.ChoiceField(choices=WITHOUT_IDENTITY_CHOICES, widget=forms.RadioSelect)
    heartbeat = forms.BooleanField(label="A heartbeat may be written on the source", required=False)
    cutover_minutes = forms.IntegerField(
        label="Undo a cutover that takes longer than (minutes)",
        min_value=1,
        max_value=MINUTES_MAX,
        help_text="Writes are blocked no longer than this; then everything is undone and the source is open again.",
        error_messages={"min_value": "At least 1 minute.", "max_value": f"At most {MINUTES_MAX} minutes."},
    )
    sequence_headroom = forms.IntegerField(
        label="Values that each sequence skips",
        min_value=0,
        max_value=HEADROOM_MAX,
        help_text="Room for values that were handed out on the source and not seen yet.",
        error_messages={"min_value": "At least 0.", "max_value": f"At most {HEADROOM_MAX:,}."},
    )
    cutover_verification = forms.ChoiceField(choices=VERIFICATION_CHOICES, widget=forms.RadioSelect)
    fall_back = forms.BooleanField(label="Keep a way back after the cutover", required=False)
    retained_wal_gib = forms.DecimalField(
        label="Warn when the slot holds back more than (GiB)",
        min_value=0,
        max_value=1024 * 1024,
        decimal_places=1,
        help_text="The source keeps its log until it is applied; this must fit on its disk.",
    )
    protect_source = forms.BooleanField(label="At twice of it, drop the slot to protect the source", required=False)

    def clean_source_as_seen_by_target(self) -> str:
        """Take ``host:port`` and nothing else."""
        text: str = self.cleaned_data["source_as_seen_by_target"]
        if not text:
            return ""
        try:
            address = read_server_address(text)
        except InvalidAddress as error:
            raise ValidationError(f"{error} {error.hint}".strip()) from error
        if not address.host or address.user:
            raise ValidationError("Write host:port, such as 10.0.4.7:5432.")
        return address.host_and_port

    def clean_retained_wal_gib(self) -> int:
        """Return bytes; nothing is less than nothing."""
        size = int(self.cleaned_data["retained_wal_gib"] * GIB)
        if size <= 0:
            raise ValidationError("More than 0 GiB.")
        return size

    def values(self) -> OnlineOptions:
        """Return what was chosen, as the services take it."""
        cleaned = self.cleaned_data
        return OnlineOptions(
            apply=ApplyChoice(cleaned["apply_engine"]),
            without_identity=WithoutIdentity(cleaned["without_identity"]),
            heartbeat=cleaned["heartbeat"],
            source_as_seen_by_target=cleaned["source_as_seen_by_target"],
            sequence_headroom=cleaned["sequence_headroom"],
            cutover_seconds=cleaned["cutover_minutes"] * 60,
            cutover_verification=VerificationLevel(cleaned["cutover_verification"]),
            fall_back=cleaned["fall_back"],
            retained_wal_bytes=cleaned["retained_wal_gib"],
            protect_source=cleaned["protect_source"],
        )


def initial_online(migration: Migration) -> dict[str, Any]:
    """Return the stored values as the form shows them."""
    names = ("apply_engine", "source_as_seen_by_target", "without_identity", "heartbeat", "sequence_headroom")
    more = ("cutover_verification", "fall_back", "protect_source")
    return {name: getattr(migration, name) for name in (*names, *more)} | {
        "cutover_minutes": max(round(migration.cutover_seconds / 60), 1),
        "retained_wal_gib": round(migration.retained_wal_bytes / GIB, 1),
    }
