"""What volumes hold, on its way from one driver to another: blocks, and what tells two apart."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from itertools import islice
from typing import NamedTuple, TypeVar

T = TypeVar("T")

BLOCK_BYTES = 2**20
_ZEROS = bytes(BLOCK_BYTES)

BATCH = 2
"""Blocks that change hands at once: each time costs something, and so do many that are in memory
and in no processor's cache any more."""


class Block(NamedTuple):
    """What is in a volume from `offset` on, a multiple of BLOCK_BYTES: as many bytes, or as many
    as are left. What is zero throughout is not told."""

    offset: int
    data: bytes


Blocks = AsyncIterator[Block]
"""In the order of their offsets."""


class InThread(AsyncIterator[T]):
    """What an iterator gives that blocks its thread, for tasks. A driver that has a thread of its
    own iterates over `rest` there (see Feed): handing over each block costs more than most do."""

    def __init__(self, made: Generator[T, None, None], threads: Executor | None = None) -> None:
        """Without any `threads`, in those of the event loop."""
        self._made = made
        self._threads = threads
        self._ready: deque[T] = deque()

    async def __anext__(self) -> T:
        if not self._ready:
            loop = asyncio.get_running_loop()
            self._ready += await loop.run_in_executor(self._threads, self._batch)
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    def rest(self) -> Generator[T, None, None]:
        """What nobody has had yet; who closes this, ends all."""
        with closing(self._made):
            yield from self._ready
            yield from self._made

    def _batch(self) -> list[T]:
        return list(islice(self._made, BATCH))


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
