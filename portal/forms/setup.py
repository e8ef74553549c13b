"""The setup step: name, source type, option, mode."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from migrations_app.engine.errors import ModeNotPossible
from migrations_app.engine.providers.modes import require_possible_mode
from migrations_app.engine.spec import MigrationMode
from migrations_app.models import Migration, SourceType
from migrations_app.models.migration import MODE_CHOICES, OPTION_CHOICES

NAME_MAX = 63
NAME_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
NAME_HELP = "Letters, digits and hyphens; starts with a letter or digit; at most 63 characters."


def name_problem(name: str, *, own: Migration | None = None) -> str:
    """Return why ``name`` cannot be used, or an empty string."""
    if not name:
        return "Type a name."
    if len(name) > NAME_MAX:
        return f"The name has {len(name)} characters; at most {NAME_MAX} are possible."
    if not NAME_RULE.match(name):
        wrong = sorted(set(re.sub(r"[A-Za-z0-9-]", "", name)))
        seen = f" Found: {' '.join(repr(character) for character in wrong)}." if wrong else ""
        return f"Use letters, digits and hyphens, and start with a letter or digit.{seen}"
    taken = Migration.objects.filter(name__iexact=name)
    if own is not None:
        taken = taken.exclude(pk=own.pk)
    return f"Another migration is named {name}. Choose another name." if taken.exists() else ""


class SetupForm(forms.Form):
    """What kind of migration this is. ``own`` is the draft being changed."""

    name = forms.CharField(
        label="Migration name",
        help_text=NAME_HELP,
        max_length=200,
        strip=True,
        error_messages={"required": "Type a name."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
    )
    source_type = forms.ChoiceField(
        choices=SourceType.choices, error_messages={"required": "Choose where the databases are now."}
    )
    option = forms.ChoiceField(choices=OPTION_CHOICES)
    mode = forms.ChoiceField(choices=MODE_CHOICES, initial=MigrationMode.OFFLINE)

    def __init__(self, *args: Any, own: Migration | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = own

    def clean(self) -> dict[str, Any]:
        """Refuse Online where the chosen kind of server cannot be followed."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            require_possible_mode(values.get("source_type", ""), mode=values.get("mode", ""))
        except ModeNotPossible as error:
            self.add_error("mode", f"{error.message} {error.hint}")
        return values

    def clean_name(self) -> str:
        """Check the rule, and that no other migration has the name."""
        name: str = self.cleaned_data["name"]
        if problem := name_problem(name, own=self.own):
            raise ValidationError(problem)
        return name
