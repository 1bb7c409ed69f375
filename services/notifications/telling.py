"""Telling the notifications of the log, in its order, and keeping aside those that cannot be."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import structlog

from adapters.bus.port import Bus, Message
from adapters.event_store.port import EventStore
from domain import codec
from domain.errors import Unavailable
from domain.event import Event, Recorded
from projections.projection import Drop, Put
from services.notifications.catalogue import FOLLOWED, told_of
from services.notifications.envelope import STREAM, message
from services.notifications.payloads import Row, Seen
from services.subjects import subject_of

log = structlog.get_logger()


class Notifications:
    """What is told of the log to other programs: a function of the log, and nothing else.

    The relay publishes it as it does the log, so that the notifications of a volume are in the
    order of its events, none is missing, and one that comes twice has the id that it had. What
    cannot be told, which is a mistake in the catalogue, is parked; the rest goes on.
    """

    name = lease = STREAM

    def __init__(
        self, *, store: EventStore, bus: Bus, clock: Callable[[], datetime], keep_s: float
    ) -> None:
        self.stream = bus.stream(STREAM, keep_s)
        self._store = store
        self._bus = bus
        self._clock = clock
        self._keep = timedelta(seconds=keep_s)
        self._views = Views(store)

    async def messages(self, events: Sequence[Recorded[Event]]) -> Sequence[Message]:
        """Raises Unavailable."""
        found: list[Message] = []
        for recorded in events:
            if recorded.event.kind in FOLLOWED or told_of(recorded.event):
                found += await self._told(recorded)
        return found

    async def of(self, recorded: Recorded[Event]) -> list[Message]:
        """What is told because of one event. Raises Unavailable, and what the catalogue raises."""
        seen = await self._views.seen(recorded)
        return [
            message(recorded, notice, notice.says(seen), part=part)
            for part, notice in enumerate(told_of(recorded.event))
        ]

    async def start(self, end: int) -> int:
        """Before the stream's last position, of which only some may be told; or, where there is
        nothing, before whatever would still be kept."""
        return end - 1 if end else await self._oldest_kept()

    async def retry(self, recorded: Recorded[Event]) -> None:
        """Tells out of turn what could not be told before. Raises as `of`."""
        for each in await self.of(recorded):
            await self.stream.insert(each)

    async def _told(self, recorded: Recorded[Event]) -> list[Message]:
        try:
            return await self.of(recorded)
        except Unavailable:
            raise
        except Exception as failure:  # of this event alone: the others must not wait for it
            if told_of(recorded.event):
                await self._park(recorded, f"{type(failure).__name__}: {failure}")
            return []

    async def _park(self, recorded: Recorded[Event], reason: str) -> None:
        given = _Given(subject_of(recorded), codec.to_cloud_event(recorded))
        if any(
            (p.consumer, p.payload) == (STREAM, given.payload) for p in await self._bus.parked()
        ):
            return  # when the relay came by here the last time
        log.error("notification parked", subject=given.subject, reason=reason)
        await self._bus.park(STREAM, given, reason, self._clock())

    async def _oldest_kept(self) -> int:
        """The position before the first event that is younger than what the stream forgets."""
        horizon = self._clock() - self._keep
        low, high = 0, await self._store.last_position()
        while low < high:
            middle = (low + high) // 2
            [recorded] = await self._store.log(middle, 1)
            if recorded.moment.at < horizon:
                low = middle + 1
            else:
                high = middle
        return low


class _Given(msgspec.Struct, frozen=True):
    """An event read from the log, as if it had been delivered once; nobody waits for the ack."""

    subject: str
    payload: bytes
    deliveries: int = 1

    async def ack(self) -> None:
        pass

    async def retry(self, delay_s: float) -> None:
        pass

    async def working(self) -> None:
        pass


class Views:
    """What could be seen of things just before and after each of their events, from the log alone.

    Those of which events came lately are kept, at most `capacity`.
    """

    def __init__(self, store: EventStore, *, capacity: int = 5_000) -> None:
        self._store = store
        self._capacity = capacity
        self._rows: OrderedDict[UUID, Row] = OrderedDict()

    async def seen(self, recorded: Recorded[Event]) -> Seen:
        """Raises Unavailable, and Poisonous where it cannot be seen."""
        if recorded.event.kind not in FOLLOWED:
            return Seen(recorded, {}, {})
        before = await self._before(recorded)
        after = evolved(before, recorded)
        self._rows[recorded.aggregate_id] = after
        self._rows.move_to_end(recorded.aggregate_id)
        if len(self._rows) > self._capacity:
            self._rows.popitem(last=False)
        return Seen(recorded, before, after)

    async def _before(self, recorded: Recorded[Event]) -> Row:
        known = self._rows.get(recorded.aggregate_id, {})
        if known.get("version", 0) == recorded.version - 1:
            return known
        row: Row = {}
        for earlier in await self._store.events(recorded.aggregate_id, limit=recorded.version - 1):
            row = evolved(row, earlier)
        return row


def evolved(row: Row, recorded: Recorded[Event]) -> Row:
    """What can be seen after an event; of what is gone, how it was, and that it is gone."""
    for change in FOLLOWED[recorded.event.kind].changes(recorded):
        match change:
            case Put():
                row = dict(change.row)
            case Drop():
                row = {**row, "state": "deleted", "version": recorded.version}
            case _:
                row = {**row, **change.values}
    return row
