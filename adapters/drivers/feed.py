"""Blocks, or other pieces, that tasks provide, for a thread that writes them."""

import asyncio
from collections.abc import AsyncIterator, Generator
from concurrent.futures import Future
from typing import Generic, TypeVar

from adapters.drivers.content import BATCH, InThread

T = TypeVar("T")


class BrokenOff(Exception):
    """The content did not come to its end: `cause` is what it raised, or that it was ended."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


class Feed(Generic[T]):
    """Made in the task; iterated over in the thread, which writes one batch of blocks while the
    next is made ready.

    Iterating raises BrokenOff where `content` raises something, and once this has ended: whoever
    waits for the thread ends it, so that the thread does not outlive the task by more than a batch.
    """

    def __init__(self, content: AsyncIterator[T]) -> None:
        self._content = content
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self._raised: BaseException | None = None
        self._pulling: asyncio.Task[list[T]] | None = None

    def __iter__(self) -> Generator[T, None, None]:
        """To be closed by whoever does not come to its end."""
        if isinstance(self._content, InThread):
            return self._made_here(self._content.rest())
        return self._pulled()

    def _made_here(self, made: Generator[T, None, None]) -> Generator[T, None, None]:
        try:
            while not self._ended:
                try:
                    block = next(made, None)
                except Exception as error:
                    raise BrokenOff(error) from error
                if block is None:
                    return
                yield block
            raise BrokenOff(asyncio.CancelledError())
        finally:
            made.close()

    def _pulled(self) -> Generator[T, None, None]:
        pulling = self._pull()
        while True:
            try:
                batch = pulling.result()
            except BaseException as error:
                raise BrokenOff(error) from error
            if not batch:
                return
            pulling = self._pull()
            yield from batch

    def end(self) -> None:
        """Nothing more is wanted, or will come."""
        self._ended = True
        if self._pulling is not None:
            self._pulling.cancel()

    def _pull(self) -> "Future[list[T]]":
        return asyncio.run_coroutine_threadsafe(self._batch(), self._loop)

    async def _batch(self) -> list[T]:
        """None are left if there is none. What came before the content broke off comes first."""
        if self._ended:
            raise asyncio.CancelledError
        if self._raised:
            raise self._raised
        self._pulling = asyncio.current_task()
        batch: list[T] = []
        try:
            async for block in self._content:
                batch.append(block)
                if len(batch) == BATCH:
                    break
        except Exception as error:
            if not batch:
                raise
            self._raised = error
        finally:
            self._pulling = None
        return batch
