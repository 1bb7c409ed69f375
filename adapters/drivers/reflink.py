"""Copies of files that share their blocks where the filesystem can, and their holes where not."""

import errno
import fcntl
import os
import tempfile
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
        return _clone(source.fileno(), destination.fileno())


def copy_file(source: Path, destination: Path) -> Copied:
    """Copy by reflink, else sparsely; an old `destination` is replaced at once, at the end.

    The copy is on disk when this returns. The caller sees to it that nobody writes to `source`
    meanwhile. Raises OSError, leaving nothing; FileExistsError as `durable.appearing` says.
    """
    original = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with appearing(destination) as copy:
            if _clone(original, copy):
                return Copied(CopyMethod.REFLINK, 0)
            return Copied(CopyMethod.SPARSE, _copy_data(original, copy))
    finally:
        os.close(original)


def _clone(source: int, destination: int) -> bool:
    try:
        fcntl.ioctl(destination, FICLONE, source)
    except OSError as error:
        if error.errno in CANNOT:
            return False
        raise
    return True


def _copy_data(source: int, destination: int) -> int:
    """Copy all that is not a hole; returns the bytes written."""
    size = os.fstat(source).st_size
    os.ftruncate(destination, size)
    written = position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole from here to the end
                break
            raise
        position = min(os.lseek(source, start, os.SEEK_HOLE), size)
        _copy_range(source, destination, start=start, end=position)
        written += position - start
    return written


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
