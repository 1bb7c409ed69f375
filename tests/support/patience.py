"""How long tests wait for what was promised."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""Waited out only when a promise is broken, so it is far above what the slowest machine needs."""


async def soon(promise: Awaitable[T]) -> T:
    """Fails instead of waiting for ever."""
    return await asyncio.wait_for(promise, PATIENCE_S)


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what others bring about without telling."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)
