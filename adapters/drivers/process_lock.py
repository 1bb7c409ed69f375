"""Processes that outlive us, each known by its lock on a file that has its number in it.

The kernel drops the lock with its holder, so that a number which has gone to another process since
is never taken for the one that was meant. All functions raise OSError besides what they say.
"""

import fcntl
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.drivers.contract import DriverFailure

START_S = 30.0
"""How long a process may take until it has written its number."""

POLL_S = 0.01


def runs(path: Path) -> bool:
    """Whether a process holds the file."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _taken(lock)
    finally:
        os.close(lock)


@contextmanager
def for_a_new_one(path: Path) -> Iterator[int]:
    """The file, empty and locked, for a process to inherit, which writes its number and a newline.

    Nobody may hold it. It is the process's once we let go.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.ftruncate(lock, 0)
        yield lock
    finally:
        os.close(lock)


def kill(path: Path) -> None:
    """Kill the process that holds the file and wait for its end; none is success.

    Raises DriverFailure for one that holds the file and does not write its number.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not _taken(lock):
            _kill_holder(lock, path)
    finally:
        os.close(lock)


def _kill_holder(lock: int, path: Path) -> None:
    deadline = time.monotonic() + START_S
    while not (number := os.pread(lock, 32, 0)).endswith(b"\n"):  # it is only starting
        if _taken(lock):
            return
        if time.monotonic() > deadline:
            raise DriverFailure(f"a process holds {path} and does not say its number", True)
        time.sleep(POLL_S)
    try:
        process = os.pidfd_open(int(number))
    except ProcessLookupError:  # it has ended since
        return
    try:
        if not _taken(lock):  # so it lives still, and is the one we have hold of
            signal.pidfd_send_signal(process, signal.SIGKILL)
            ended = select.poll()  # a dying process may drop its lock before its sockets
            ended.register(process, select.POLLIN)
            ended.poll()
    finally:
        os.close(process)


def _taken(lock: int) -> bool:
    """Whether the lock is ours, now if not before."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
