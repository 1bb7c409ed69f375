"""The bytes of images on their way to a volume: counted, told of, and gone on with."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TypeVar

from adapters.drivers.content import Block, Blocks
from adapters.image_service.port import CHUNK_BYTES, Stream, zeros
from domain.image import ChosenImage

T = TypeVar("T")

BESIDE_S = 0.5
"""How often work that does not say how far it is is asked."""

TELL_PARTS = 100
"""At most so many times it is told."""

Tell = Callable[[int | None], Awaitable[None]]
"""Is told how many bytes have come, or only that it goes on; raises what ends it."""


class Progress:
    """Tells how far it is, now and then."""

    def __init__(
        self,
        image: ChosenImage,
        tell: Tell,
        clock: Callable[[], datetime],
        look: timedelta,
    ) -> None:
        self._step = max(1, (image.size or 0) // TELL_PARTS)
        self._tell, self._clock, self._look = tell, clock, look
        self._looked: datetime | None = None
        self._told: int | None = None
        self.done = 0
        """How many bytes of it have come."""

    async def counted(self, stream: Stream, start: int) -> Stream:
        """The same bytes; what is before `start` had come already."""
        position = 0
        async with aclosing(stream):
            async for chunk in stream:
                await self._at(max(start, position))
                position += len(chunk)
                yield chunk
        await self._at(position)

    async def beside(self, work: Awaitable[T], done: Callable[[], int]) -> T:
        """What the work comes to, of which `done` says how far it is."""
        working = asyncio.ensure_future(work)
        try:
            while not working.done():
                await self._at(done())
                await asyncio.wait({working}, timeout=BESIDE_S)
            return working.result()
        finally:
            working.cancel()
            await asyncio.wait({working})

    async def _at(self, done: int) -> None:
        self.done = done
        if self._looked is not None and self._clock() - self._looked < self._look:
            return
        self._looked = self._clock()
        news = self._told is None or done - self._told >= self._step
        await self._tell(done if news else None)
        if news:
            self._told = done


class Left:
    """The blocks from `start` on, the first of them read ahead."""

    def __init__(self, content: AsyncGenerator[Block, None], start: int) -> None:
        self._content, self._start = content, start
        self._first: Block | None = None
        self.complete = False
        """Whether all have been seen."""

    async def begin(self) -> None:
        """Goes to where the blocks are that are not there yet."""
        async for block in self._content:
            if block.offset >= self._start:
                self._first = block
                return

    async def close(self) -> None:
        """Nobody wants them."""
        await self._content.aclose()

    async def blocks(self) -> Blocks:
        """Those."""
        if self._first is not None:
            yield self._first
            async for block in self._content:
                yield block
        self.complete = True


async def after(first: Stream, second: Stream) -> Stream:
    """Both, one after the other."""
    for stream in (first, second):
        async with aclosing(stream):
            async for chunk in stream:
                yield chunk


async def dense(content: Blocks, length: int) -> Stream:
    """The first so many bytes of a volume, zeros and all."""
    position = 0
    if length:
        async for block in content:
            if block.offset >= length:
                break
            for each in zeros(block.offset - position):
                yield each
            yield block.data[: length - block.offset]
            position = block.offset + len(block.data)
    for each in zeros(length - position):
        yield each


async def content_of(file: int, length: int) -> Stream:
    """The first so many bytes of an open file. Raises OSError."""
    for at in range(0, length, CHUNK_BYTES):
        yield await asyncio.to_thread(os.pread, file, min(CHUNK_BYTES, length - at), at)


def write_all(file: int, chunk: bytes, position: int) -> None:
    """Raises OSError."""
    view = memoryview(chunk)
    while view:
        written = os.pwrite(file, view, position)
        view, position = view[written:], position + written
