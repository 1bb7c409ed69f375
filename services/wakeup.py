"""Loops that run until they are cancelled: going on, and being woken."""

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


def going_on() -> bool:
    """False once the running task was cancelled, even if a library swallowed that.

    `asyncio.wait_for` does before Python 3.12, when its answer comes at the same moment, and
    nats-py waits so. A loop that only hoped for CancelledError would then run for ever.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()
