"""A store that kills its process."""

from collections.abc import Sequence
from typing import Any

from adapters.event_store.memory import MemoryEventStore
from domain.event import Event, Recorded
from tests.services.commands.world import LIMITS


class Crash(Exception):
    """The process is gone."""


class CrashingStore(MemoryEventStore):
    """Kills its process before or after the n-th append."""

    def __init__(self, *, at: int, before: bool) -> None:
        super().__init__(default_limits=LIMITS)
        self._left, self._before = at, before

    async def append(self, events: Sequence[Recorded[Event]], **more: Any) -> int:
        self._left -= 1
        if self._left == 0 and self._before:
            raise Crash
        position = await super().append(events, **more)
        if self._left == 0:
            raise Crash
        return position
