"""Group read: aggregates that are wanted at the same time are read by one query."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.persistence import Notification
from sqlalchemy import Connection

from adapters.event_store.recorder import EventRecorder

T = TypeVar("T")
Read = Callable[[Callable[[Connection], T]], Coroutine[Any, Any, T]]

FIRST = 100
"""How many events of an aggregate a shared query reads; most never have more."""

MAX_GROUP = 200


class GroupReader:
    """While one query runs, what is wanted meanwhile gathers for the next.

    A lonely reader waits for nobody.
    """

    def __init__(self, recorder: EventRecorder, read: Read[Any]) -> None:
        self._recorder = recorder
        self._read = read
        self._wanted: dict[UUID, asyncio.Future[list[Notification]]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def first(self, id: UUID) -> list[Notification]:
        """An aggregate's first events, FIRST at most."""
        waiter = self._wanted.get(id)
        if waiter is None:
            waiter = self._wanted[id] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_groups())
        return await asyncio.shield(waiter)

    async def _read_groups(self) -> None:
        try:
            while self._wanted:
                ids = list(self._wanted)[:MAX_GROUP]
                group = {id: self._wanted.pop(id) for id in ids}
                try:
                    streams = await self._streams(ids)
                except Exception as error:  # whoever waits shall know
                    for waiter in group.values():
                        if not waiter.cancelled():
                            waiter.set_exception(error)
                            waiter.exception()  # they may all have gone; that is no loss
                    continue
                for id, waiter in group.items():
                    waiter.set_result(streams.get(id, []))
        finally:
            self._reading = None

    async def _streams(self, ids: Sequence[UUID]) -> dict[UUID, list[Notification]]:
        streams: dict[UUID, list[Notification]] = {}
        for row in await self._read(lambda c: self._recorder.beginnings(c, ids, limit=FIRST)):
            streams.setdefault(row.originator_id, []).append(row)
        return streams
