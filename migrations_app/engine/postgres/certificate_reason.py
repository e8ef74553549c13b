"""Why a server's certificate is not accepted: libpq says only that it is not."""

from __future__ import annotations

import socket
import ssl
import struct

TIMEOUT_SECONDS = 5
# https://www.postgresql.org/docs/18/protocol-message-formats.html (SSLRequest)
SSL_REQUEST = struct.pack("!II", 8, 80877103)


def why_not_verified(host: str, *, port: int, ca_file: str) -> str:
    """Return OpenSSL's reason, such as ``certificate has expired``; empty when it cannot be told.

    The certificate is verified once more, without logging in.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.check_hostname = False
        with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as plain:
            plain.sendall(SSL_REQUEST)
            if plain.recv(1) == b"S":
                context.wrap_socket(plain).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        return ""  # the first message stands
    return ""
