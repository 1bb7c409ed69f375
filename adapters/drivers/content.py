"""What volumes hold, on its way from one driver to another: blocks, and what tells two apart."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")

BLOCK_BYTES = 2**20
_ZEROS = bytes(BLOCK_BYTES)


class Block(NamedTuple):
    """What is in a volume from `offset` on, a multiple of BLOCK_BYTES: as many bytes, or as many
    as are left. What is zero throughout is not told."""

    offset: int
    data: bytes


Blocks = AsyncIterator[Block]
"""In the order of their offsets."""


class InThread(AsyncIterator[T]):
    """What an iterator gives that blocks its thread, for tasks. A driver that has a thread of its
    own iterates over `made` there (see Feed): handing over each block costs more than most do."""

    def __init__(self, made: Iterator[T]) -> None:
        self.made = made

    async def __anext__(self) -> T:
        each = await asyncio.to_thread(next, self.made, None)
        if each is None:
            raise StopAsyncIteration
        return each


def is_zero(data: bytes) -> bool:
    """Whether there is nothing in it. At most BLOCK_BYTES."""
    return data == _ZEROS[: len(data)]


def padded(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same as they are in a volume that holds them, the last one included."""
    for offset, data in blocks:
        yield Block(offset, data.ljust(BLOCK_BYTES, b"\0"))


class Fingerprint:
    """Tells contents apart; the same for the same content, however it is stored."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.complete = False
        """Whether all of the blocks have been seen."""

    def add(self, block: Block) -> None:
        """The next one."""
        self._hash.update(block.offset.to_bytes(8, "big"))
        self._hash.update(block.data)

    async def of(self, blocks: Blocks) -> Blocks:
        """The blocks as they come, taken in on their way."""
        async for block in blocks:
            self.add(block)
            yield block
        self.complete = True

    @property
    def value(self) -> str:
        """Of what was seen."""
        return self._hash.hexdigest()


async def fingerprint(blocks: Blocks) -> str:
    """Of all these blocks."""
    seen = Fingerprint()
    async for _ in seen.of(blocks):
        pass
    return seen.value
