"""Copies of files that share their blocks where the filesystem can, and their holes where not."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path

import msgspec

from adapters.drivers.durable import appearing

FICLONE = 0x40049409  # _IOW(0x94, 9, int), linux/fs.h; ioctl_ficlone(2)
CHUNK_BYTES = 64 * 2**20
BUFFER_BYTES = 2**20

# What a filesystem (or two different ones) says when it cannot, rather than when it failed.
CANNOT = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS})


class CopyMethod(StrEnum):
    REFLINK = "reflink"
    SPARSE = "sparse"


class Copied(msgspec.Struct, frozen=True):
    """How a copy was made, and the bytes written for it: none by reflink, no holes otherwise."""

    method: CopyMethod
    written_bytes: int


def supported(directory: Path) -> bool:
    """Whether files in this directory can share blocks, found out by doing it once.

    Raises OSError if the directory cannot be written to.
    """
    with (
        tempfile.TemporaryFile(dir=directory) as source,
        tempfile.TemporaryFile(dir=directory) as destination,
    ):
        source.write(bytes(4096))
        source.flush()
        return clone(source.fileno(), destination.fileno())


def copy_file(
    source: Path,
    destination: Path,
    *,
    first_bytes: int,
    size_bytes: int,
    still: AbstractContextManager[None],
) -> Copied:
    """Copy the first bytes by reflink, else sparsely, into a file of that size, zeros beyond them.

    A reflink is of one instant, whoever writes to `source`. Nobody may while `still` is entered,
    which is for any other copy. An old `destination` is replaced at once, at the end; the copy is
    on disk when this returns. Raises OSError, leaving nothing, FileExistsError as
    `durable.appearing` says; and what `still` raises.
    """
    original = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with appearing(destination) as copy:
            if clone(original, copy):
                copied = Copied(CopyMethod.REFLINK, 0)
                os.ftruncate(copy, first_bytes)
            else:
                with still:
                    written = _copy_data(original, copy, end=first_bytes)
                copied = Copied(CopyMethod.SPARSE, written)
            os.ftruncate(copy, size_bytes)
            return copied
    finally:
        os.close(original)


def clone(source: int, destination: int) -> bool:
    """Let one open file share all blocks of another, as they are at one instant; whether the
    filesystem can. Raises OSError."""
    try:
        fcntl.ioctl(destination, FICLONE, source)
    except OSError as error:
        if error.errno in CANNOT:
            return False
        raise
    return True


def _copy_data(source: int, destination: int, *, end: int) -> int:
    """Copy all that is not a hole, up to there; returns the bytes written."""
    os.ftruncate(destination, end)  # first: XFS keeps more than is needed for a file that grows
    written = 0
    for start, stop in data_in(source, end=end):
        _copy_range(source, destination, start=start, end=stop)
        written += stop - start
    return written


def data_in(file: int, *, begin: int = 0, end: int) -> Iterator[tuple[int, int]]:
    """From where to where there is something in the file, up to `end`, that is not a hole."""
    position = begin
    while position < end:
        try:
            start = os.lseek(file, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole from here to the end
                return
            raise
        if start >= end:
            return
        position = min(os.lseek(file, start, os.SEEK_HOLE), end)
        yield start, position


def _copy_range(source: int, destination: int, *, start: int, end: int) -> None:
    while start < end:
        copied = _in_kernel(source, destination, start=start, end=end)
        if copied == 0:
            copied = _through_memory(source, destination, start=start, end=end)
        start += copied


def _in_kernel(source: int, destination: int, *, start: int, end: int) -> int:
    """Bytes copied; none where the kernel cannot copy between these two files."""
    count = min(end - start, CHUNK_BYTES)
    try:
        return os.copy_file_range(source, destination, count, start, start)
    except OSError as error:
        if error.errno in CANNOT:
            return 0
        raise


def _through_memory(source: int, destination: int, *, start: int, end: int) -> int:
    data = os.pread(source, min(end - start, BUFFER_BYTES), start)
    if not data:
        raise OSError(errno.EIO, "the source became shorter while it was copied")
    return os.pwrite(destination, data, start)
