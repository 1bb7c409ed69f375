"""Locks on objects: between tasks of a process, and between processes."""

import asyncio
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

LOCK_FILE = ".lock"


class ObjectLocks:
    """One asyncio lock per name, for as long as somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: str) -> asyncio.Lock:
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock


class Claim(NamedTuple):
    """An object to be held in a directory; `shared`, only those are kept away who would have it
    alone."""

    directory: Path
    object_id: UUID
    shared: bool = False


@contextmanager
def exclusive(directory: Path, object_id: UUID, *, wait: bool = True) -> Iterator[None]:
    """Hold the object in this directory against all other threads and processes of the machine.

    Raises BlockingIOError if it is held and `wait` is false. The kernel drops the lock with its
    holder, however that one ends.
    """
    with _held(directory, _byte_of(object_id), fcntl.F_WRLCK, wait=wait):
        yield


@contextmanager
def holding(*claims: Claim) -> Iterator[None]:
    """Hold all of these objects, as `exclusive` does one."""
    # Everybody takes them in the same order, so that nobody waits for each other in a ring; and
    # each byte once, since a second lock of ours on it would wait for the first.
    locks: dict[tuple[Path, int], int] = {}
    for each in sorted(claims, key=lambda claim: not claim.shared):
        mode = fcntl.F_RDLCK if each.shared else fcntl.F_WRLCK
        locks[each.directory, _byte_of(each.object_id)] = mode
    with ExitStack() as held:
        for (directory, byte), mode in sorted(locks.items()):
            held.enter_context(_held(directory, byte, mode))
        yield


@contextmanager
def _held(directory: Path, byte: int, mode: int, *, wait: bool = True) -> Iterator[None]:
    # One byte per object in one file that stays: a lock file of its own per object would either
    # pile up or be raced when removed, and could not be made on a full disk to delete a volume.
    # Open-file-description locks, since plain POSIX locks do not exclude threads of one process.
    file = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        # A `struct flock`, fcntl(2).
        fcntl.fcntl(file, command, struct.pack("hhqqi4x", mode, os.SEEK_SET, byte, 1, 0))
        yield
    finally:
        os.close(file)


def _byte_of(object_id: UUID) -> int:
    # The low 62 bits are random in every kind of UUID in use, and stay within a file offset. Two
    # objects on one byte would only wait for each other.
    return object_id.int & ((1 << 62) - 1)
