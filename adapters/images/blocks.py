"""From the bytes of a disk to the blocks that drivers write."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

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
    started: bytearray | None = None  # the block that the pieces so far do not fill
    base = 0
    async with aclosing(pieces):
        async for offset, data in pieces:
            end = offset + len(data)
            refuse_if(end > volume_bytes, f"its disk is larger than {volume_bytes} bytes")
            view, at = memoryview(data), offset
            while at < end:
                start = at - at % BLOCK_BYTES
                length = min(BLOCK_BYTES, volume_bytes - start)
                if started is not None and start != base:
                    for block in _told(base, bytes(started)):
                        yield block
                    started = None
                part = view[at - offset : min(end, start + length) - offset]
                if started is None and len(part) == length:
                    for block in _told(start, bytes(part)):
                        yield block
                else:
                    if started is None:
                        started, base = bytearray(length), start
                    started[at - start : at - start + len(part)] = part
                at += len(part)
    if started is not None:
        for block in _told(base, bytes(started)):
            yield block


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
