"""From the bytes of a disk to the blocks that drivers write."""

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing, closing

from adapters.drivers.content import BLOCK_BYTES, Block, is_zero
from adapters.image_service.port import Stream
from adapters.images import formats
from adapters.images.unacceptable import refuse_if

Piece = tuple[int, bytes | memoryview]
"""What is on the disk from an offset on, whatever its length."""

Pieces = AsyncGenerator[Piece, None]
"""In the order of their offsets, not overlapping; what is zero may be left out."""


async def blocks(pieces: Pieces, *, volume_bytes: int) -> AsyncGenerator[Block, None]:
    """The same, cut as blocks are. Raises ImageUnacceptable for what a volume has no room for."""
    cut = _Cut(volume_bytes)
    async with aclosing(pieces):
        async for offset, data in pieces:
            for block in cut.by(offset, data):
                yield block
    for block in cut.rest():
        yield block


def blocks_made(
    pieces: Generator[Piece, None, None], *, volume_bytes: int
) -> Generator[Block, None, None]:
    """As `blocks`, of pieces that are there until the next is asked for."""
    cut = _Cut(volume_bytes)
    with closing(pieces):
        for offset, data in pieces:
            yield from cut.by(offset, data)
    yield from cut.rest()


class _Cut:
    """Where one block ends and the next begins."""

    def __init__(self, volume_bytes: int) -> None:
        self._volume_bytes = volume_bytes
        self._started: bytearray | None = None
        """The block that the pieces so far do not fill."""
        self._base = 0

    def by(self, offset: int, data: bytes | memoryview) -> Iterator[Block]:
        """Those that are complete with this piece."""
        end = offset + len(data)
        refuse_if(end > self._volume_bytes, f"its disk is larger than {self._volume_bytes} bytes")
        view, at = memoryview(data), offset
        while at < end:
            start = at - at % BLOCK_BYTES
            length = min(BLOCK_BYTES, self._volume_bytes - start)
            if start != self._base:
                yield from self.rest()
            part = view[at - offset : min(end, start + length) - offset]
            if self._started is None and len(part) == length:
                yield from _told(start, bytes(part))
            else:
                if self._started is None:
                    self._started, self._base = bytearray(length), start
                self._started[at - start : at - start + len(part)] = part
            at += len(part)

    def rest(self) -> Iterator[Block]:
        """The one that was begun."""
        if self._started is not None:
            yield from _told(self._base, bytes(self._started))
        self._started = None


async def raw_pieces(stream: Stream, *, declared: str) -> Pieces:
    """The bytes of a raw image. Raises ImageUnacceptable if they are those of another format."""
    position, head = 0, b""
    async with aclosing(stream):
        async for chunk in stream:
            if len(head) < formats.HEAD_BYTES:
                head += chunk[: formats.HEAD_BYTES - len(head)]
                formats.refuse_other_than(declared, head)
            yield position, chunk
            position += len(chunk)


def _told(offset: int, data: bytes) -> list[Block]:
    return [] if is_zero(data) else [Block(offset, data)]
