"""What is promised on pools, as placement needs it: fresh, shared and cheap to ask for."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from adapters.event_store.port import EventStore
from domain.placement import Promise
from domain.placement.capacity import NOTHING


class Promised:
    """The store's pool ledger, read as far as it changed since the last time.

    Who asks while a read is under way waits for the next one, which serves all who wait: an
    answer is never older than its question. What this process is about to promise is known here
    until the store has said yes or no, so that its own placements seldom choose the same room.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._position = 0
        self._stored: dict[str, Promise] = {}
        self._held: Counter[str] = Counter()
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def now(self) -> Mapping[str, Promise]:
        """What the log promises, by pool. Raises Unavailable."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._running))
        await asyncio.shield(self._next)
        return self._stored

    def with_held(self) -> Mapping[str, Promise]:
        """The same with what is about to be promised by this process."""
        if not self._held:
            return self._stored
        known = dict(self._stored)
        for pool, gib in self._held.items():
            before = known.get(pool, NOTHING)
            known[pool] = Promise(before.gib + gib, before.volumes + 1)
        return known

    @contextmanager
    def holding(self, pool: str, gib: int) -> Iterator[None]:
        """While the store is asked."""
        self._held[pool] += gib
        try:
            yield
        finally:
            self._held[pool] -= gib
            if not self._held[pool]:
                del self._held[pool]

    async def _read_after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        position, changed = await self._store.promises(after=self._position)
        self._stored = {**self._stored, **changed}
        self._position = position
