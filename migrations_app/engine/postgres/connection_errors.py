"""Turn a failed connection into a cause, a kind message and a remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg

from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.postgres.certificate_reason import why_not_verified
from migrations_app.engine.spec import Endpoint


@dataclass(frozen=True)
class _Cause:
    """A pattern in libpq's or the server's text, and what it means."""

    kind: str
    pattern: str
    message: str
    hint: str


# Texts of libpq 18 and of PostgreSQL servers 10 to 18; the first match wins.
CAUSES = (
    _Cause(
        "wrong_password",
        r"(password|SASL) authentication failed|no password supplied",
        "{label} refused the login: the password for user {user} is wrong, or the user does not exist.",
        "Type the password again. To set a new one on the server: ALTER ROLE {user} PASSWORD '…'.",
    ),
    _Cause(
        "tls_required",
        r"no pg_hba\.conf entry.*no encryption|FATAL:\s+SSL required",
        "{label} accepts no unencrypted connection from here for user {user} and database {database}.",
        "Set the TLS mode to require or stronger; or add a pg_hba.conf entry for this address.",
    ),
    _Cause(
        "not_allowed",
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "{label} does not allow this address to log in as {user} to database {database}.",
        "Add this machine's address to the server's firewall, or to pg_hba.conf and reload the configuration.",
    ),
    _Cause(
        "tls_refused",
        r"server does not support SSL",
        "{label} does not offer TLS, but the TLS mode demands it.",
        "Turn TLS on at the server (ssl = on), or choose the TLS mode prefer if the network is trusted.",
    ),
    _Cause(
        "ca_missing",
        r"root certificate file .* does not exist|could not read root certificate",
        "The file of certificate authorities for {label} could not be read.",
        "Upload the certificate authority (PEM) of this server.",
    ),
    _Cause(
        "certificate_expired",
        r"certificate has expired",
        "The certificate of {label} has expired.",
        "Renew the server's certificate; until then TLS mode require connects without checking it.",
    ),
    _Cause(
        "ca_wrong",
        r"certificate verify failed",
        "The certificate of {label} is not signed by the given certificate authority.",
        "Upload the certificate authority that signed this server's certificate; managed services publish a bundle.",
    ),
    _Cause(
        "host_mismatch",
        r"does not match host name",
        "The certificate of {label} was made for another host name.",
        "Use the host name of the certificate, or the TLS mode verify-ca, which does not compare names.",
    ),
    _Cause(
        "refused",
        r"Connection refused",
        "Nothing answers at {host}, port {port}: the connection was refused.",
        "Check host and port, that the server runs, and that listen_addresses includes this network.",
    ),
    _Cause(
        "timeout",
        r"timeout expired|timed out",
        "{host}, port {port}, did not answer within 10 seconds; something on the way drops the packets.",
        "Check the host name, and that the firewall or security group lets this machine reach the port.",
    ),
    _Cause(
        "unknown_host",
        r"could not translate host name|Name or service not known|failed to resolve|nodename nor servname",
        "The host name {host} is not known.",
        "Check the spelling, or use the IP address; private DNS zones must be linked to this network.",
    ),
    _Cause(
        "unreachable",
        r"No route to host|Network is unreachable",
        "There is no network route to {host}.",
        "Check the VPN or peering between this machine and the server.",
    ),
    _Cause(
        "no_database",
        r'database ".*" does not exist',
        "{label} has no database {database}.",
        "Check the database name; most servers have one named postgres. If it was dropped or renamed while a migration "
        "ran, start a new migration without it.",
    ),
    _Cause(
        "no_connect_privilege",
        r"permission denied for database",
        "User {user} may not connect to database {database} on {label}.",
        'Run on that server: GRANT CONNECT ON DATABASE "{database}" TO "{user}";',
    ),
    _Cause(
        "pooler",
        r"unsupported startup parameter|query_wait_timeout",
        "A connection pooler answers at {host}:{port}, not PostgreSQL itself.",
        "Type the host and the port of PostgreSQL itself: mostly 5432, and a name without -pooler or .proxy- in it.",
    ),
    _Cause(
        "no_slots",
        r"too many (connections|clients)|no more connections allowed|remaining connection slots",
        "{label} has no free connection.",
        "End idle sessions, raise max_connections, or lower the parallelism of this migration.",
    ),
    _Cause(
        "starting",
        r"starting up|shutting down|in recovery mode|not yet accepting connections|terminating connection",
        "{label} is starting or stopping.",
        "Wait until the server accepts connections, then try again.",
    ),
    _Cause(
        "not_permitted_to_log_in",
        r"is not permitted to log in",
        "User {user} is not permitted to log in on {label}.",
        'Run on that server: ALTER ROLE "{user}" LOGIN;',
    ),
    _Cause(
        "lost",
        r"server closed the connection|Connection reset|SSL SYSCALL|Broken pipe|no connection to the server"
        r"|the connection is (lost|closed|bad)",
        "{label} closed the connection while logging in.",
        "Look into the server's log; a TLS mismatch or a load balancer is the usual cause.",
    ),
)
OTHER = _Cause("other", "", "{label} could not be reached.", "The server's own message below says more.")


def explain(error: psycopg.Error, *, endpoint: Endpoint, database: str) -> ConnectionFailed:
    """Return the typed failure for what psycopg raised while connecting; the password is never part of it."""
    server_message = str(error).strip()
    if "certificate verify failed" in server_message and endpoint.ca_file:
        reason = why_not_verified(endpoint.host, port=endpoint.port, ca_file=endpoint.ca_file)
        server_message += f" ({reason})" if reason else ""
    cause = next((c for c in CAUSES if re.search(c.pattern, server_message, re.IGNORECASE)), OTHER)
    words = {
        "label": endpoint.label,
        "host": endpoint.host,
        "port": endpoint.port,
        "user": endpoint.user,
        "database": database,
    }
    return ConnectionFailed(
        cause.message.format(**words),
        kind=cause.kind,
        hint=cause.hint.format(**words),
        server_message=server_message,
    )
