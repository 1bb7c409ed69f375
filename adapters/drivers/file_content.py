"""What a sparse file holds: reading it block by block, filling it, giving it a second name.

All raise OSError.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from adapters.drivers.content import BLOCK_BYTES, Block, is_zero
from adapters.drivers.durable import sync_directory
from adapters.drivers.reflink import CANNOT

PIECE_BYTES = 64 * 2**10
"""What is zero over this length becomes a hole again."""

NO_LINK = CANNOT | {errno.EPERM, errno.EMLINK}
"""What a filesystem says that has no hard links, none between these two, or no more of them."""


def blocks_of(path: Path) -> Iterator[Block]:
    """All that is not zero. The file stays open until the iterator is exhausted or let go."""
    with open(path, "rb", opener=_as_it_is) as file:
        position, size = 0, os.fstat(file.fileno()).st_size
        while (start := _next_data(file.fileno(), position, size)) is not None:
            offset = start - start % BLOCK_BYTES
            position = min(offset + BLOCK_BYTES, size)
            data = _read(file.fileno(), offset, position)
            if not is_zero(data):
                yield Block(offset, data)


def fill(file: int, block: Block) -> None:
    """Write a block into a file that has only holes there."""
    whole = memoryview(block.data)
    for start in range(0, len(whole), PIECE_BYTES):
        piece = whole[start : start + PIECE_BYTES]
        if not is_zero(piece.tobytes()):
            written = 0
            while written < len(piece):
                written += os.pwrite(file, piece[written:], block.offset + start + written)


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


def _next_data(file: int, position: int, size: int) -> int | None:
    if position >= size:
        return None
    try:
        return os.lseek(file, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # only a hole from here to the end
            return None
        raise


def _read(file: int, start: int, end: int) -> bytes:
    parts: list[bytes] = []
    while start < end:
        part = os.pread(file, end - start, start)
        if not part:
            raise OSError(errno.EIO, "the volume became shorter while it was read")
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
