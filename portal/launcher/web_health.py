"""Ask the portal whether it answers."""

from __future__ import annotations

import http.client
import socket
from enum import StrEnum

from portal.health import HEALTH_PATH

ANY_HOST = {"0.0.0.0": "127.0.0.1", "[::]": "::1", "::": "::1"}  # noqa: S104 - what listens everywhere is asked here


class Health(StrEnum):
    """What the answer was."""

    GOOD = "answers"
    NO_DATABASE = "answers, but its database does not"
    SILENT = "does not answer"


def ask(host: str, port: int, *, timeout_seconds: float = 5) -> Health:
    """Ask ``/healthz``."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=timeout_seconds)
    try:
        connection.request("GET", HEALTH_PATH)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return Health.SILENT
    finally:
        connection.close()
    return Health.GOOD if status == 200 else Health.NO_DATABASE


def is_taken(host: str, port: int) -> bool:
    """Tell whether another program listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return True
    return False


def reachable(host: str) -> str:
    """Return the host to ask for something that listens on ``host``."""
    return ANY_HOST.get(host, host).strip("[]")


def address(host: str, port: int) -> str:
    """Return the address a person opens."""
    shown = reachable(host)
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
