"""Volumes that are being written, and can be gone on with when that breaks off.

Such a partial file is as long as the volume, and a trailer more: how much is there that will stay
after a power cut. All raise OSError besides what they say; who changes a file holds its lock.
"""

import errno
import os
import stat
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from adapters.drivers.content import Block
from adapters.drivers.contract import DriverFailure
from adapters.drivers.durable import partial_of, sync_directory
from adapters.drivers.feed import BrokenOff
from adapters.drivers.file_content import fill

TRAILER = struct.Struct("<8sQ")
SIGNATURE = b"unfinish"

MARK_BYTES = 256 * 2**20
"""How much a kill may undo."""


def write(path: Path, size_bytes: int, content: Iterable[Block], *, resume_at: int) -> None:
    """Make the volume, going on where a former write broke off.

    What is there stays if the content breaks off. On an error nothing does. Raises BrokenOff, and
    DriverFailure if there is not that much to go on with.
    """
    partial = partial_of(path)
    if resume_at > written(path, size_bytes):
        raise DriverFailure(f"{path} has not been written as far as {resume_at} bytes", False)
    file = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            os.ftruncate(file, resume_at)
            os.ftruncate(file, size_bytes)
            if resume_at:
                _mark(file, size_bytes, resume_at)
            _fill(file, size_bytes, content, resume_at)
            os.ftruncate(file, size_bytes)
            os.fsync(file)
        finally:
            os.close(file)
        partial.rename(path)
    except BaseException as error:
        if not isinstance(error, BrokenOff) or not written(path, size_bytes):
            with suppress(OSError):  # the first error is the one to report
                partial.unlink()
        raise
    sync_directory(path.parent)


def written(path: Path, size_bytes: int) -> int:
    """How many bytes of it a write that broke off has brought to last; 0 if there is none."""
    found = _trailer(partial_of(path))
    return found[1] if found and found[0] == size_bytes else 0


def size_of(partial: Path) -> int | None:
    """How large the volume is to be whose writing can be gone on with; None if it cannot."""
    found = _trailer(partial)
    return found[0] if found else None


def _fill(file: int, size_bytes: int, content: Iterable[Block], resume_at: int) -> None:
    position, marked, since_bytes = resume_at, resume_at, 0
    try:
        for block in content:
            fill(file, *block)
            position = block.offset + len(block.data)
            since_bytes += len(block.data)
            if since_bytes >= MARK_BYTES:
                _mark(file, size_bytes, position)
                marked, since_bytes = position, 0
    except BrokenOff:
        if position:
            _mark(file, size_bytes, position)
        raise
    if marked:  # without its trailer, and not in its place yet, it would be lost
        _mark(file, size_bytes, size_bytes)


def _mark(file: int, size_bytes: int, position: int) -> None:
    os.fdatasync(file)
    os.pwrite(file, TRAILER.pack(SIGNATURE, position), size_bytes)


def _trailer(partial: Path) -> tuple[int, int] | None:
    """The size of the volume, and how much of it is there."""
    try:
        file = os.open(partial, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise
    try:
        found = os.fstat(file)
        size_bytes = found.st_size - TRAILER.size
        if not stat.S_ISREG(found.st_mode) or size_bytes < 0:
            return None
        signature, position = TRAILER.unpack(os.pread(file, TRAILER.size, size_bytes))
    finally:
        os.close(file)
    return (size_bytes, position) if signature == SIGNATURE and 0 < position <= size_bytes else None
