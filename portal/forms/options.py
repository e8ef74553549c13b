"""The options step: how the work is done, and when."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from migrations_app.engine.spec import AtWarnings, OnlineOptions, OnObjectError, RolePolicy, VerificationLevel
from migrations_app.models import Migration
from migrations_app.models.migration import AT_WARNINGS_CHOICES, ON_ERROR_CHOICES, ROLE_CHOICES, VERIFICATION_CHOICES
from migrations_app.services.drafts import OptionValues

MIB, GIB = 1024**2, 1024**3
JOBS_MAX = 64
NOW, LATER = "now", "later"


class OptionsForm(forms.Form):
    """Parallelism, roles, verification, errors, start."""

    jobs = forms.IntegerField(
        label="Tables and parts copied at once",
        min_value=1,
        max_value=JOBS_MAX,
        error_messages={"min_value": "At least 1.", "max_value": f"At most {JOBS_MAX}."},
    )
    roles = forms.ChoiceField(choices=ROLE_CHOICES, widget=forms.RadioSelect)
    verification = forms.ChoiceField(choices=VERIFICATION_CHOICES, widget=forms.RadioSelect)
    on_object_error = forms.ChoiceField(choices=ON_ERROR_CHOICES, widget=forms.RadioSelect)
    at_warnings = forms.ChoiceField(choices=AT_WARNINGS_CHOICES, widget=forms.RadioSelect)
    split_mib = forms.IntegerField(
        label="Split tables larger than (MiB)",
        min_value=16,
        max_value=1024 * 1024,
        help_text="A larger table is copied in parts of about this size, several at once.",
        error_messages={"min_value": "At least 16 MiB.", "max_value": "At most 1,048,576 MiB (1 TiB)."},
    )
    target_free_gib = forms.DecimalField(
        label="Free space on the target (GiB)",
        required=False,
        min_value=0,
        max_value=8 * 1024 * 1024,
        decimal_places=1,
        help_text="Look it up in the provider's console. Empty: the check for space is reported as not done.",
    )
    forget_passwords = forms.BooleanField(label="Erase both passwords when the migration ends", required=False)
    start = forms.ChoiceField(
        choices=[(NOW, "As soon as I press start"), (LATER, "At a time")], widget=forms.RadioSelect
    )
    scheduled_at = forms.DateTimeField(
        label="Start at",
        required=False,
        error_messages={"invalid": "Type date and time, such as 2026-11-30 22:00."},
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"],
    )

    def clean(self) -> dict[str, Any]:
        """A later start needs a time that is still to come."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("start") == LATER and "scheduled_at" not in self.errors:
            moment = cleaned.get("scheduled_at")
            if moment is None:
                self.add_error("scheduled_at", "Choose the time to start, or start at once.")
            elif moment <= timezone.now():
                self.add_error("scheduled_at", "This time is over. Choose one that is still to come.")
        return cleaned

    def values(self, *, online: OnlineOptions | None) -> OptionValues:
        """Return what was chosen, as the services take it; ``online`` is from the other part of the step."""
        cleaned = self.cleaned_data
        free = cleaned["target_free_gib"]
        return OptionValues(
            jobs=cleaned["jobs"],
            split_bytes=cleaned["split_mib"] * MIB,
            roles=RolePolicy(cleaned["roles"]),
            verification=VerificationLevel(cleaned["verification"]),
            on_object_error=OnObjectError(cleaned["on_object_error"]),
            at_warnings=AtWarnings(cleaned["at_warnings"]),
            target_free_bytes=None if free is None else int(free * GIB),
            forget_passwords=cleaned["forget_passwords"],
            scheduled_at=cleaned["scheduled_at"] if cleaned["start"] == LATER else None,
            online=online,
        )


def initial_options(migration: Migration, *, suggested_jobs: int) -> dict[str, Any]:
    """Return the stored options as the form shows them; parallelism is suggested until somebody chose."""
    free = migration.target_free_bytes
    return {
        "jobs": migration.jobs if migration.draft_step == "review" else suggested_jobs,
        "roles": migration.roles,
        "verification": migration.verification,
        "on_object_error": migration.on_object_error,
        "at_warnings": migration.at_warnings,
        "split_mib": migration.split_bytes // MIB,
        "target_free_gib": None if free is None else round(free / GIB, 1),
        "forget_passwords": migration.forget_passwords,
        "start": LATER if migration.scheduled_at else NOW,
        "scheduled_at": migration.scheduled_at,
    }
