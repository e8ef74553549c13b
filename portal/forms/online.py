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
PROTECTION_CHOICES = [
    ("", "Only warn: nothing is dropped, and somebody must act before the source's disk is full"),
    ("give_up", "Give up the slot before the source's disk is full: the migration fails, and the source goes on"),
]


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
    lag_alarm_minutes = forms.IntegerField(
        label="Warn when what is applied is older than (minutes)",
        min_value=1,
        max_value=MINUTES_MAX,
        help_text="After it has caught up once. Measured by the heartbeat.",
        error_messages={"min_value": "At least 1 minute.", "max_value": f"At most {MINUTES_MAX} minutes."},
    )
    room_alarm_minutes = forms.IntegerField(
        label="Warn when the room for the source's log lasts less than (minutes)",
        min_value=1,
        max_value=7 * MINUTES_MAX,
        help_text="At the pace of now. Known where max_slot_wal_keep_size is set, and where the portal's user may "
        "measure the disk (pg_execute_server_program).",
        error_messages={"min_value": "At least 1 minute.", "max_value": f"At most {7 * MINUTES_MAX} minutes."},
    )
    protect_source = forms.ChoiceField(choices=PROTECTION_CHOICES, widget=forms.RadioSelect, required=False)
    give_up_wal_gib = forms.DecimalField(
        label="Give up the slot when it holds back more than (GiB)",
        min_value=0,
        max_value=1024 * 1024,
        decimal_places=1,
        help_text="Only where giving up was chosen. It must fit on the source's disk, and be more than the warning.",
    )
    warn_after_days = forms.IntegerField(
        label="Remind when the migration takes longer than (days)",
        min_value=0,
        max_value=365,
        help_text="Azure's service ends a migration after 7 days. This one goes on, and reminds. 0: never.",
    )
    warn_cutover_days = forms.IntegerField(
        label="Remind when it waits for its cutover longer than (days)",
        min_value=0,
        max_value=365,
        help_text="Azure's service gives up after 3 days. This one goes on, and reminds. 0: never.",
    )

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

    def clean(self) -> dict[str, Any]:
        """Giving up comes after the warning."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        warn, limit = cleaned.get("retained_wal_gib"), cleaned.get("give_up_wal_gib")
        if cleaned.get("protect_source") and warn and limit is not None and int(limit * GIB) <= warn:
            self.add_error("give_up_wal_gib", "More than the size of the warning.")
        return cleaned

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
            lag_alarm_seconds=cleaned["lag_alarm_minutes"] * 60,
            room_alarm_seconds=cleaned["room_alarm_minutes"] * 60,
            protect_source=bool(cleaned["protect_source"]),
            give_up_wal_bytes=int(cleaned["give_up_wal_gib"] * GIB),
            warn_after_days=cleaned["warn_after_days"],
            warn_cutover_days=cleaned["warn_cutover_days"],
        )


def initial_online(migration: Migration) -> dict[str, Any]:
    """Return the stored values as the form shows them."""
    names = ("apply_engine", "source_as_seen_by_target", "without_identity", "heartbeat", "sequence_headroom")
    more = ("cutover_verification", "fall_back", "warn_after_days", "warn_cutover_days")
    return {name: getattr(migration, name) for name in (*names, *more)} | {
        "cutover_minutes": max(round(migration.cutover_seconds / 60), 1),
        "lag_alarm_minutes": max(round(migration.lag_alarm_seconds / 60), 1),
        "room_alarm_minutes": max(round(migration.room_alarm_seconds / 60), 1),
        "protect_source": "give_up" if migration.protect_source else "",
        "give_up_wal_gib": round(migration.give_up_wal_bytes / GIB, 1),
        "retained_wal_gib": round(migration.retained_wal_bytes / GIB, 1),
    }
