"""Work that is done several pieces at a time, in threads, and told in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """Where blocking calls are made. Without any threads (`number` 0) they are made at once, which
    a simulation wants."""

    def __init__(self, number: int, name: str) -> None:
        self._at_a_time = number + 1  # so that none of them waits for the next piece
        self._pool = ThreadPoolExecutor(number, thread_name_prefix=name) if number else None

    async def run(self, work: Callable[[], T]) -> T:
        """The result of one call, which has ended when this has, however that comes about."""
        running = self._start(work)
        try:
            return await asyncio.shield(running)
        finally:
            await _ended(running)

    @asynccontextmanager
    async def in_order(
        self, pieces: AsyncIterator[Callable[[], T]]
    ) -> AsyncIterator[AsyncIterator[T]]:
        """The results of all pieces. No thread works on any of them any more at the end, however
        that comes about."""
        running: deque[asyncio.Future[T]] = deque()
        try:
            async with aclosing(self._results(pieces, running)) as results:
                yield results
        finally:
            for each in running:
                await _ended(each)

    async def _results(
        self, pieces: AsyncIterator[Callable[[], T]], running: deque[asyncio.Future[T]]
    ) -> AsyncGenerator[T, None]:
        async for piece in pieces:
            running.append(self._start(piece))
            if len(running) > self._at_a_time:
                yield await self._first(running)
        while running:
            yield await self._first(running)

    async def _first(self, running: deque[asyncio.Future[T]]) -> T:
        result = await asyncio.shield(running[0])  # if we are cancelled, its thread goes on
        running.popleft()
        return result

    def _start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        if self._pool is not None:
            return loop.run_in_executor(self._pool, work)
        done: asyncio.Future[T] = loop.create_future()
        try:
            done.set_result(work())
        except Exception as failure:
            done.set_exception(failure)
        return done

    async def close(self) -> None:
        """Waits for what is being done."""
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)


async def _ended(running: asyncio.Future[T]) -> None:
    """Waits without ending it; its failure is told elsewhere, or an earlier one is."""
    await asyncio.wait([running])
    running.exception()
