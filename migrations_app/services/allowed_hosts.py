"""Which hosts a migration may reach: servers on the network, in PORTAL_ALLOWED_NETWORKS if that is set."""

from __future__ import annotations

import ipaddress
import socket

from django.conf import settings

from migrations_app.engine.errors import ConnectionFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_network_host(host: str) -> bool:
    """Tell whether ``host`` is one host on the network.

    To libpq a leading / or @ is a Unix socket, a comma parts a list, and nothing is the default socket
    (https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNECT-HOST). Sockets of this machine lead to
    servers that trust whoever may open them, the portal's own among them.
    """
    return bool(host.strip()) and not host.strip().startswith(("/", "@")) and "," not in host


def require_network_host(host: str) -> None:
    """Raise ``ConnectionFailed`` unless ``host`` is one host on the network."""
    if not is_network_host(host):
        raise ConnectionFailed(
            f"{host or 'An empty host'} is not one host on the network.",
            kind="host_refused",
            hint="Write one host name or IP address; sockets of the portal's machine and lists of hosts are not used.",
        )


def require_allowed_host(host: str) -> None:
    """Raise ``ConnectionFailed`` unless ``host`` is on the network, and in PORTAL_ALLOWED_NETWORKS if that is set."""
    require_network_host(host)
    allowed = settings.PORTAL_ALLOWED_NETWORKS
    if not allowed:
        return
    outside = [a for a in addresses_of(host) if not any(a in network for network in allowed)]
    if outside:
        raise ConnectionFailed(
            f"{host} ({outside[0]}) is not in a network that this portal may reach.",
            kind="network_not_allowed",
            hint="An administrator can add the network to PORTAL_ALLOWED_NETWORKS.",
        )


def addresses_of(host: str) -> list[Address]:
    """Return the addresses ``host`` stands for. Raises ``ConnectionFailed`` when nobody knows it."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectionFailed(
            f"The host name {host} is not known.",
            kind="unknown_host",
            hint="Check the spelling, or use the IP address; private DNS zones must be linked to this network.",
            server_message=str(error),
        ) from error
    return sorted({ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}, key=str)
