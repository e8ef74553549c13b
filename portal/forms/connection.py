"""How to reach a server: used for source, target and saved connections."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from migrations_app.models import ConnectionSettings, SavedConnection, SourceType, SslMode
from migrations_app.services.drafts import EndpointValues
from portal.forms.certificates import pem_problem

HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?\Z")
PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
MAX_CA_BYTES = 512 * 1024


def host_problem(host: str) -> str:
    """Return why ``host`` is not a host name or an address; or an empty string."""
    if "://" in host:
        return "This is a connection address. Type only the host name; user, port and database have their own fields."
    if host.startswith(("/", "@")):
        return "Sockets of the portal's machine are not used. Type the server's host name or IP address."
    if _is_address(host.strip("[]")):
        return ""
    if re.fullmatch(r"[\w-]+:[\w-]+:[\w-]+", host):
        return "This is a Cloud SQL connection name. Type the instance's IP address or DNS name instead."
    if re.fullmatch(r"[^:]+:\d+", host):
        return "Type the port in its own field."
    return "" if HOST_NAME.match(host) else "This is not a host name. Example: db.example.com or 10.0.0.5."


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class ConnectionForm(forms.Form):
    """Host, login and TLS. The stored password is never shown; an empty field keeps it.

    ``row`` is what is stored now. A new host, port or user needs the password again: a stored one must not be
    sent to a server its owner did not type it for.
    """

    host = forms.CharField(
        label="Host",
        max_length=255,
        help_text="Name or IP address, as this portal's machine reaches it.",
        error_messages={"required": "Type the server's host name or IP address."},
        widget=forms.TextInput(attrs=PLAIN),
    )
    port = forms.IntegerField(
        label="Port",
        min_value=1,
        max_value=65535,
        initial=5432,
        error_messages={"min_value": "Between 1 and 65535.", "max_value": "Between 1 and 65535."},
        widget=forms.NumberInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )
    username = forms.CharField(
        label="User",
        max_length=63,
        help_text="An administrator of the server, or a user who may read all tables that move.",
        error_messages={"required": "Type the user to log in as."},
        widget=forms.TextInput(attrs=PLAIN),
    )
    password = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    )
    sslmode = forms.ChoiceField(label="TLS mode", choices=SslMode.choices, initial=SslMode.PREFER)
    ca_certificate = forms.CharField(
        label="Certificate authority (PEM)",
        required=False,
        help_text="For verify-ca and verify-full. Empty: the authorities this machine trusts.",
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    ca_file = forms.FileField(label="Or upload its file", required=False, allow_empty_file=True)
    maintenance_database = forms.CharField(
        label="Maintenance database",
        max_length=63,
        initial="postgres",
        help_text="The database to log in to first; it is on nearly every server.",
        error_messages={"required": "Type a database that exists on the server, mostly postgres."},
        widget=forms.TextInput(attrs=PLAIN),
    )

    def __init__(self, *args: Any, row: ConnectionSettings | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        has_password = bool(row and row.sealed_password)
        self.fields["password"].help_text = (
            "Stored encrypted. Leave empty to keep it." if has_password else "Stored encrypted, never shown again."
        )
        self.fields["password"].widget.attrs["placeholder"] = "unchanged" if has_password else ""

    def clean_host(self) -> str:
        """Refuse what is not one host."""
        host: str = self.cleaned_data["host"].strip()
        if problem := host_problem(host):
            raise ValidationError(problem)
        return host.strip("[]")

    def clean(self) -> dict[str, Any]:
        """Read the uploaded certificate, and ask for the password again where it matters."""
        cleaned = super().clean() or self.cleaned_data
        self._clean_certificate(cleaned)
        if self._goes_elsewhere(cleaned) and not cleaned.get("password"):
            self.add_error("password", "Host, port or user changed: type the password for it.")
        return cleaned

    def _clean_certificate(self, cleaned: dict[str, Any]) -> None:
        uploaded = cleaned.get("ca_file")
        if uploaded and uploaded.size > MAX_CA_BYTES:
            self.add_error("ca_file", "This file is too large for a certificate authority.")
            return
        text = uploaded.read().decode("utf-8", "replace") if uploaded else cleaned.get("ca_certificate", "")
        cleaned["ca_certificate"] = text.strip() + "\n" if text.strip() else ""
        if problem := pem_problem(cleaned["ca_certificate"]):
            self.add_error("ca_file" if uploaded else "ca_certificate", problem)

    def _goes_elsewhere(self, cleaned: dict[str, Any]) -> bool:
        if not self.row or not self.row.sealed_password or self.errors:
            return False
        return any(getattr(self.row, name) != cleaned.get(name) for name in ("host", "port", "username"))

    def values(self, *, saved_connection: SavedConnection | None = None) -> EndpointValues:
        """Return what was typed, as the services take it."""
        cleaned = self.cleaned_data
        return EndpointValues(
            host=cleaned["host"],
            port=cleaned["port"],
            username=cleaned["username"],
            password=cleaned["password"] or None,
            sslmode=cleaned["sslmode"],
            ca_certificate=cleaned["ca_certificate"],
            maintenance_database=cleaned["maintenance_database"],
            saved_connection=saved_connection,
        )


class EndpointForm(ConnectionForm):
    """A migration's source or target; it may be kept as a saved connection."""

    save_as = forms.CharField(
        label="Keep this server for later migrations as",
        required=False,
        max_length=100,
        help_text="Empty: it is not kept. The password is stored with it.",
        widget=forms.TextInput(attrs=PLAIN),
    )

    def clean_save_as(self) -> str:
        """Refuse a name that another saved connection has."""
        name: str = self.cleaned_data["save_as"].strip()
        if name and SavedConnection.objects.filter(name__iexact=name).exists():
            raise ValidationError(f"A saved server is named {name} already. Choose another name.")
        return name


class SavedConnectionForm(ConnectionForm):
    """A server kept for later migrations."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="What people will recognize it by, such as Shop production.",
        error_messages={"required": "Type a name for this server."},
        widget=forms.TextInput(attrs=PLAIN),
    )
    provider = forms.ChoiceField(label="Kind of server", choices=SourceType.choices)
    field_order = ("name", "provider")

    def clean_name(self) -> str:
        """Refuse a name that another saved connection has."""
        name: str = self.cleaned_data["name"].strip()
        others = SavedConnection.objects.filter(name__iexact=name)
        if self.row is not None:
            others = others.exclude(pk=self.row.pk)
        if others.exists():
            raise ValidationError(f"Another saved server is named {name}.")
        return name
