"""Copies that go on only as long as somebody wants what comes of them."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from adapters.drivers.content import Blocks

LOOK_S = 5.0
"""How long one goes on that nobody wants any more."""

StillWanted = Callable[[], Awaitable[None]]
"""Raises what ends a copy that is not wanted any more."""


async def while_wanted(
    blocks: Blocks, still_wanted: StillWanted, *, clock: Callable[[], datetime], look: timedelta
) -> Blocks:
    """The blocks, asking before the first and then that often. Raises what `still_wanted` does."""
    looked: datetime | None = None
    async for block in blocks:
        if looked is None or clock() - looked >= look:
            looked = clock()
            await still_wanted()
        yield block
