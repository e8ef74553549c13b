"""What the cluster is built from: a killed process never leaves the others waiting."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from migrations_app.worker.locks import DeathProofLock
from migrations_app.worker.message_queue import INLINE_BYTES, MessageQueue
from migrations_app.worker.shared_flag import SharedFlag

fork = multiprocessing.get_context("fork")


def started(target: Callable[..., Any], *args: Any) -> Any:
    process = fork.Process(target=target, args=args, daemon=True)
    process.start()
    return process


@pytest.mark.parametrize("size", [0, 10, INLINE_BYTES - 100, INLINE_BYTES, 5_000_000])
def test_messages_arrive_whole_and_in_order(size: int) -> None:
    queue = MessageQueue()
    sent = [{"number": number, "body": os.urandom(size)} for number in range(3)]

    def send() -> None:
        for message in sent:
            queue.put(message)

    process = started(send)
    assert [queue.get() for _ in sent] == sent
    process.join()
    assert queue.empty() and queue.qsize() == 0


def test_a_bounded_queue_holds_one_message_but_any_stop() -> None:
    queue = MessageQueue(maxsize=8)
    queue.put({"number": 1})
    waiting = threading.Thread(target=queue.put, args=({"number": 2},), daemon=True)
    waiting.start()
    time.sleep(0.4)
    assert waiting.is_alive()
    queue.put("STOP")
    assert [queue.get(), queue.get()] == [{"number": 1}, "STOP"]
    waiting.join(5)
    assert queue.get() == {"number": 2}


def test_readers_that_are_killed_while_waiting_take_nothing_with_them() -> None:
    queue, results = MessageQueue(), MessageQueue()

    def read() -> None:
        while (message := queue.get()) != "STOP":
            results.put(message)

    readers = [started(read) for _ in range(3)]
    time.sleep(0.3)
    for victim in readers[:2]:
        os.kill(victim.pid, signal.SIGKILL)
    for number in range(200):
        queue.put(number)
    assert [results.get() for _ in range(200)] == list(range(200))
    queue.put("STOP")
    readers[2].join(5)
    assert readers[2].exitcode == 0


def test_many_readers_share_the_messages() -> None:
    queue, results = MessageQueue(), MessageQueue()

    def read() -> None:
        while (message := queue.get()) != "STOP":
            results.put(message)

    readers = [started(read) for _ in range(4)]
    # A queue holds only what a socket's buffer holds: somebody must read while somebody writes.
    writer = threading.Thread(target=lambda: [queue.put(number) for number in range(400)])
    writer.start()
    assert sorted(results.get() for _ in range(400)) == list(range(400))
    writer.join()
    for _ in readers:
        queue.put("STOP")
    for reader in readers:
        reader.join(5)
        assert reader.exitcode == 0


def test_a_lock_is_free_when_its_holder_is_killed() -> None:
    lock, held = DeathProofLock(), SharedFlag()

    def hold() -> None:
        with lock:
            held.set()
            time.sleep(60)

    holder = started(hold)
    assert held.wait(10)
    assert not lock.acquire(timeout=0.2)
    os.kill(holder.pid, signal.SIGKILL)
    assert lock.acquire(timeout=5)
    lock.release()


def test_a_lock_excludes_other_processes_and_is_reentrant() -> None:
    lock, counter = DeathProofLock(), fork.RawValue("i", 0)

    def count() -> None:
        for _ in range(300):
            with lock, lock:
                seen = counter.value
                time.sleep(0)
                counter.value = seen + 1

    processes = [started(count) for _ in range(4)]
    for process in processes:
        process.join(30)
    assert counter.value == 1200


def test_a_flag_is_seen_by_children_and_parents() -> None:
    flag = SharedFlag()
    assert not flag.wait(0.1)
    started(flag.set)
    assert flag.wait(10)
    flag.clear()
    assert not flag.is_set()
