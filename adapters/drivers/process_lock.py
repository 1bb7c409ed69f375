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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

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
    with _holder(path) as found:
        if found:
            signal.pidfd_send_signal(found.process, signal.SIGKILL)
            ended = select.poll()  # a dying process may drop its lock before its sockets
            ended.register(found.process, select.POLLIN)
            ended.poll()


@contextmanager
def standing_still(path: Path) -> Iterator[None]:
    """Let the process that holds the file do nothing meanwhile; none is fine.

    One of us at a time. If we die it stands still until `go_on`. Raises DriverFailure as `kill`
    does, and for one that cannot be stopped.
    """
    with _holder(path) as found:
        if found is None:
            yield
            return
        signal.pidfd_send_signal(found.process, signal.SIGSTOP)
        try:
            _await_standstill(found.number)
            yield
        finally:
            with suppress(ProcessLookupError):  # killed meanwhile
                signal.pidfd_send_signal(found.process, signal.SIGCONT)


def go_on(path: Path) -> None:
    """Let the process that holds the file work if it stands still; none is success.

    Raises DriverFailure as `kill` does.
    """
    with _holder(path) as found:
        if found:
            signal.pidfd_send_signal(found.process, signal.SIGCONT)


class _Holder(NamedTuple):
    number: int
    process: int
    """A descriptor of it, so that it is no other however long this takes."""


@contextmanager
def _holder(path: Path) -> Iterator[_Holder | None]:
    """Who holds the file; None if nobody does, and then nobody will meanwhile."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        if _taken(lock) or (number := _number(lock, path)) is None:
            yield None
            return
        try:
            process = os.pidfd_open(number)
        except ProcessLookupError:  # it has ended since
            yield None
            return
        try:
            # Not taken, it lives still, and is the one we have hold of.
            yield None if _taken(lock) else _Holder(number, process)
        finally:
            os.close(process)
    finally:
        os.close(lock)


def _number(lock: int, path: Path) -> int | None:
    """What the holder has written; None if it ended before it did."""
    deadline = time.monotonic() + START_S
    while not (number := os.pread(lock, 32, 0)).endswith(b"\n"):  # it is only starting
        if _taken(lock):
            return None
        if time.monotonic() > deadline:
            raise DriverFailure(f"a process holds {path} and does not say its number", True)
        time.sleep(POLL_S)
    return int(number)


def _await_standstill(number: int) -> None:
    """A write that is under way comes to its end first."""
    deadline = time.monotonic() + START_S
    while not _stands_still(number):
        if time.monotonic() > deadline:
            raise DriverFailure(f"process {number} cannot be stopped", True)
        time.sleep(POLL_S)


def _stands_still(number: int) -> bool:
    """Whether all threads do, by proc_pid_stat(5); those of a process that is gone do."""
    for stat in Path(f"/proc/{number}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if stat.read_bytes().rpartition(b")")[2].split()[0] not in b"TtZXx":
                return False
    return True


def _taken(lock: int) -> bool:
    """Whether the lock is ours, now if not before."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
