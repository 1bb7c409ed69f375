"""Waking a loop that otherwise polls."""

import asyncio


class Wakeup:
    """Set from anywhere in the event loop; waited for by one loop, with a poll as the fallback.

    What was set before `wait` is not lost, and several settings wake once.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """There is something to look at."""
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Returns when set, or after `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()
