"""What a command leaves for others to carry out, and waiting for what becomes of it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import structlog

from adapters.event_store.port import EventStore
from domain.errors import LapilliError, Unavailable
from domain.event import Event, Recorded
from services.wakeup import Wakeup

log = structlog.get_logger()

POLL_S = 1.0
"""How often the log is looked at while somebody waits, in case that nobody signals."""

BATCH = 1_000


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """Work that is in the log and not done yet.

    Its outcome is the first event of the aggregate after `version` that `ends` it. `give_up` is
    the command by which nobody waits for it any more, so that nothing of it stays; None where it
    is to go on by itself.
    """

    aggregate_id: UUID
    version: int
    host: str
    """The backend that is to do it."""
    ends: Callable[[Event], bool]
    failure: Callable[[Event], LapilliError | None]
    """What an end that is none of the good ones means to who wanted it."""
    give_up: Any = None


Waiter = tuple[Errand, asyncio.Future[Recorded[Event]]]


class Outcomes:
    """Follows the log while somebody waits for an errand, one reader for all who wait."""

    def __init__(self, store: EventStore, wakeup: Wakeup) -> None:
        self._store = store
        self._wakeup = wakeup
        self._waiting: dict[UUID, list[Waiter]] = defaultdict(list)
        self._place = 0
        self._started: asyncio.Future[None] | None = None
        self._following: asyncio.Task[None] | None = None

    async def of(self, errand: Errand, *, timeout_s: float) -> Recorded[Event] | None:
        """What became of it; None if nothing has after so many seconds. Raises Unavailable."""
        outcome = asyncio.get_running_loop().create_future()
        waiter = errand, outcome
        self._waiting[errand.aggregate_id].append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_following()
                # what came before the reader began, it will not tell
                found = await self.so_far(errand)
                return found if found is not None else await outcome
        except TimeoutError:
            return None
        finally:
            self._forget(waiter)

    async def so_far(self, errand: Errand) -> Recorded[Event] | None:
        """What became of it until now. Raises Unavailable."""
        later = await self._store.events(errand.aggregate_id, after=errand.version)
        return next((each for each in later if errand.ends(each.event)), None)

    async def _until_following(self) -> None:
        if self._following is None or self._following.done():
            self._started = asyncio.get_running_loop().create_future()
            self._following = asyncio.create_task(self._follow(self._started))
        assert self._started is not None
        await asyncio.shield(self._started)

    async def _follow(self, started: asyncio.Future[None]) -> None:
        """Until nobody waits."""
        try:
            self._place = await self._store.last_position()
        except Unavailable as away:
            started.set_exception(away)
            return
        started.set_result(None)
        while self._waiting:
            await self._wakeup.wait(POLL_S)
            try:
                while batch := await self._store.log(self._place, BATCH):
                    for recorded in batch:
                        self._tell(recorded)
                    self._place = batch[-1].position
            except Unavailable as away:
                log.warning("outcomes cannot be read", reason=str(away))

    def _tell(self, recorded: Recorded[Event]) -> None:
        for errand, outcome in self._waiting.get(recorded.aggregate_id, ()):
            late = recorded.version > errand.version
            if late and errand.ends(recorded.event) and not outcome.done():
                outcome.set_result(recorded)

    def _forget(self, waiter: Waiter) -> None:
        id = waiter[0].aggregate_id
        left = [each for each in self._waiting[id] if each is not waiter]
        if left:
            self._waiting[id] = left
        else:
            del self._waiting[id]
