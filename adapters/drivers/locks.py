"""Exclusive locks on one object: between tasks of a process, and between processes."""

import asyncio
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


@contextmanager
def exclusive(directory: Path, object_id: UUID, *, wait: bool = True) -> Iterator[None]:
    """Hold the object in this directory against all other threads and processes of the machine.

    Raises BlockingIOError if it is held and `wait` is false. The kernel drops the lock with its
    holder, however that one ends.
    """
    # One byte per object in one file that stays: a lock file of its own per object would either
    # pile up or be raced when removed, and could not be made on a full disk to delete a volume.
    # Open-file-description locks, since plain POSIX locks do not exclude threads of one process.
    file = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        fcntl.fcntl(file, command, _write_lock(object_id))
        yield
    finally:
        os.close(file)


def _write_lock(object_id: UUID) -> bytes:
    """A `struct flock` (fcntl(2)) over the object's byte."""
    # The low 62 bits are random in every kind of UUID in use, and stay within a file offset. Two
    # objects on one byte would only wait for each other: nobody holds two locks at once.
    offset = object_id.int & ((1 << 62) - 1)
    return struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
