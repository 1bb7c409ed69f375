"""Blocks that tasks provide, for a thread that writes them."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError

from adapters.drivers.content import Block, Blocks


class Feed:
    """Made in the task; iterated over in the thread, which waits for each block in turn.

    Iterating raises what `content` raises, and CancelledError once it has ended: whoever waits for
    the thread ends it, so that the thread does not outlive the task by more than a block.
    """

    def __init__(self, content: Blocks) -> None:
        self._content = content
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self._pulling: asyncio.Task[Block | None] | None = None

    def __iter__(self) -> Iterator[Block]:
        while not self._ended:
            pulling = asyncio.run_coroutine_threadsafe(self._pull(), self._loop)
            block = pulling.result()
            if block is None:
                return
            yield block
        raise CancelledError

    def end(self) -> None:
        """Nothing more is wanted, or will come."""
        self._ended = True
        if self._pulling is not None:
            self._pulling.cancel()

    async def _pull(self) -> Block | None:
        if self._ended:
            raise asyncio.CancelledError
        self._pulling = asyncio.current_task()
        try:
            return await anext(self._content, None)
        finally:
            self._pulling = None
