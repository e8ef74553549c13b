"""A queue between forked processes that has no lock, no thread and no counter: a process may be killed anywhere in it.

It is a pair of unix sockets that keep messages apart (SOCK_SEQPACKET). The kernel hands each message to one reader,
whole or not at all. ``multiprocessing.Queue`` holds a semaphore while it waits for a message: when an idle worker is
killed, no other worker ever gets a task again (django-q2 issue 23).
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import termios
import time
from multiprocessing.reduction import ForkingPickler
from typing import Any

INLINE_BYTES = 64 * 1024
INLINE, IN_A_FILE = b"i", b"f"
LOOK_AGAIN_SECONDS = 1.0
FULL_POLL_SECONDS = 0.1


class MessageQueue:
    """The part of ``multiprocessing.Queue`` that django-q2 uses.

    With ``maxsize`` (whatever its number) ``put`` waits until the message before was taken, so that a cluster takes no
    more out of the shared queue than its workers are ready for.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._is_bounded = maxsize > 0
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._reader.setblocking(False)

    def put(self, message: Any) -> None:
        """Send a message. A text ("STOP") does not wait for its turn."""
        while self._is_bounded and not isinstance(message, str) and not self.empty():
            time.sleep(FULL_POLL_SECONDS)
        body = bytes(ForkingPickler.dumps(message))
        if len(body) <= INLINE_BYTES:
            self._writer.send(INLINE + body)
        else:
            self._send_in_a_file(body)

    def get(self) -> Any:
        """Wait for a message and return it."""
        poller = select.poll()
        poller.register(self._reader, select.POLLIN)
        while True:
            # Waiting with a limit: a wake-up that was meant for a reader which just died must not be lost.
            poller.poll(LOOK_AGAIN_SECONDS * 1000)
            try:
                data, files, _, _ = socket.recv_fds(self._reader, INLINE_BYTES + 1, 1)
            except BlockingIOError:
                continue
            return ForkingPickler.loads(_read_and_close(files[0]) if data == IN_A_FILE else data[1:])

    def empty(self) -> bool:
        """Tell whether no message waits."""
        waiting = fcntl.ioctl(self._reader, termios.FIONREAD, struct.pack("i", 0))
        return bool(struct.unpack("i", waiting)[0] == 0)

    def qsize(self) -> int:
        """Return 1 if messages wait: nobody counts them."""
        return 0 if self.empty() else 1

    def close(self) -> None:
        """Keep the sockets until the process ends: others may still read."""

    def join_thread(self) -> None:
        """Nothing to wait for: a message was sent when ``put`` returned."""

    def _send_in_a_file(self, body: bytes) -> None:
        number = os.memfd_create("message")
        try:
            with os.fdopen(os.dup(number), "wb") as file:
                file.write(body)
            socket.send_fds(self._writer, [IN_A_FILE], [number])
        finally:
            os.close(number)


def _read_and_close(number: int) -> bytes:
    with os.fdopen(number, "rb") as file:
        file.seek(0)
        return file.read()
