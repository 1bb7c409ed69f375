"""What a sparse file holds: reading it block by block, filling it, giving it a second name.

All raise OSError.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from adapters.drivers.content import BLOCK_BYTES, Block, is_zero
from adapters.drivers.durable import sync_directory
from adapters.drivers.reflink import CANNOT, data_in

PIECE_BYTES = 64 * 2**10
"""What is zero over this length becomes a hole again."""

_ZEROS = bytes(PIECE_BYTES)

# glibc learns from the largest piece that was freed how much it had better keep for the next one
# (mallopt(3), M_MMAP_THRESHOLD). Without this it gives back every block, and having the kernel
# clear the next one again takes as long as all the rest of a copy. This touches no memory.
bytes(16 * 2**20)

NO_LINK = CANNOT | {errno.EPERM, errno.EMLINK}
"""What a filesystem says that has no hard links, none between these two, or no more of them."""


def blocks_of(path: Path, *, first_bytes: int) -> Iterator[Block]:
    """What is not zero of the first bytes; less if the file has not as many.

    The file stays open until the iterator is exhausted or let go.
    """
    with open(path, "rb", opener=_as_it_is) as opened:
        file = opened.fileno()
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        yield from blocks_in(file, begin=0, end=min(first_bytes, os.fstat(file).st_size))


def blocks_in(file: int, *, begin: int, end: int) -> Iterator[Block]:
    """What is not zero of an open file, from a multiple of BLOCK_BYTES on; it has so many bytes."""
    position = begin
    for start, stop in data_in(file, begin=begin, end=end):
        position = max(position, start - start % BLOCK_BYTES)
        while position < stop:
            upto = min(position + BLOCK_BYTES, end)
            data = _read(file, position, upto)
            if not is_zero(data):
                yield Block(position, data)
            position = upto


def fill(file: int, offset: int, data: bytes | bytearray) -> None:
    """Write that into a file that has only holes there; what is zero stays one."""
    whole, stop = memoryview(data), 0
    while stop < len(whole):
        start = stop
        while start < len(whole) and _is_zero(data, start):
            start += PIECE_BYTES
        stop = start
        while stop < len(whole) and not _is_zero(data, stop):
            stop += PIECE_BYTES
        while start < min(stop, len(whole)):
            start += os.pwrite(file, whole[start:stop], offset + start)


def _is_zero(data: bytes | bytearray, start: int) -> bool:
    """Whether the piece that starts there is."""
    return data.startswith(_ZEROS[: len(data) - start], start)


def link(original: Path, path: Path) -> bool:
    """Give the file a second name; whether it has it. One that is another file's stays so."""
    try:
        os.link(original, path, follow_symlinks=False)
    except FileExistsError:
        return path.samefile(original)
    except OSError as error:
        if error.errno in NO_LINK:
            return False
        raise
    sync_directory(path.parent)
    return True


def _as_it_is(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _read(file: int, start: int, end: int) -> bytes:
    parts: list[bytes] = []
    while start < end:
        part = os.pread(file, end - start, start)
        if not part:
            raise OSError(errno.EIO, "the volume became shorter while it was read")
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
