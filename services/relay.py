"""The relay: publishes the committed log, or what is told because of it, on the bus, in order,
while it holds the lease."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from adapters.bus.port import Bus, Message, OutOfOrder, Stream
from adapters.event_store.port import EventStore
from domain import codec
from domain.errors import Unavailable
from domain.event import Event, Recorded
from services.metrics import RELAY_POSITION, RELAYED
from services.subjects import subject_of
from services.wakeup import Wakeup, going_on

log = structlog.get_logger()

LEASE = "relay"
POLL_S = 0.5
"""How long a commit that nobody signalled may stay unpublished."""


class Telling(Protocol):
    """What a stream tells of the log. Raises Unavailable."""

    name: str
    lease: str

    @property
    def stream(self) -> Stream:
        """Where it is told."""
        ...

    async def messages(self, events: Sequence[Recorded[Event]]) -> Sequence[Message]:
        """What is told because of these events, in order."""
        ...

    async def start(self, end: int) -> int:
        """The log position to go on after, when the stream ends at position `end`."""
        ...


class EveryEvent:
    """The log stream is a copy of the log."""

    name, lease = "log", LEASE

    def __init__(self, bus: Bus) -> None:
        self.stream: Stream = bus

    async def messages(self, events: Sequence[Recorded[Event]]) -> Sequence[Message]:
        """One message an event."""
        return [_message(recorded) for recorded in events]

    async def start(self, end: int) -> int:
        """Every event up to `end` is there."""
        return end


class Relay:
    """One of possibly several; the one that holds the lease is active.

    It keeps no state: where it is, the stream's last message tells. Should two believe to hold the
    lease at the same time, the bus refuses the one that is out of order, so that the stream stays
    a copy of the log whatever happens to clocks and leases. `seen` is shown every event on its
    way: what the relay has read, its neighbours in the process need not read again.

    A stream that is ahead of the log tells of events that never happened: the database was
    restored from a backup. Nothing is published then, until an operator has deleted the stream,
    which is fed again from the log.
    """

    def __init__(
        self,
        *,
        store: EventStore,
        bus: Bus,
        holder: str,
        lease_s: float,
        batch: int,
        wakeup: Wakeup,
        telling: Telling | None = None,
        seen: Callable[[Recorded[Event]], None] = lambda recorded: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bus = bus
        self._telling: Telling = telling or EveryEvent(bus)
        self._log = log.bind(stream=self._telling.name)
        self._holder = holder
        self._lease_s = lease_s
        self._batch = batch
        self._monotonic = monotonic
        self._lease_until = 0.0
        self._wakeup = wakeup
        self._seen = seen
        self.position = 0
        """The last position of which all is known to be told."""
        self.active = False
        self._end = 0
        """Position of the stream's last message."""
        self._ahead: int | None = None
        """Where the stream ended when it was found to be ahead of the log."""

    async def run(self) -> None:
        """Runs until cancelled; store and bus may come and go."""
        try:
            while going_on():
                try:
                    await self._turn()
                except OutOfOrder as lost:
                    self._log.info("relay lost its place", expected=lost.expected, found=lost.found)
                    self.active = False
                except Unavailable as error:
                    self._log.warning("relay waits", reason=str(error))
                    self.active = False
                    await self._wakeup.wait(POLL_S)
        finally:
            with suppress(Unavailable):  # it runs out by itself
                await self._bus.release(self._telling.lease, self._holder)

    def problem(self) -> str | None:
        """What an operator has to see to before anything is published, if there is such a thing."""
        if self._ahead is None:
            return None
        return (
            f"the stream ends at {self._ahead}, ahead of the log, as after restoring the database"
            " from a backup; delete the stream, and it is fed again from the log"
        )

    async def _turn(self) -> None:
        if not await self._leads():
            self.active = False
            await self._wakeup.wait(self._lease_s / 3)
            return
        events = await self._store.log(self.position, self._batch)
        if not events:
            await self._wakeup.wait(min(POLL_S, self._lease_s / 3))
            return
        for recorded in events:
            self._seen(recorded)
        messages = await self._telling.messages(events)
        if messages:
            await self._telling.stream.publish(messages, after=self._end)
            self._end = messages[-1].position
        self.position = events[-1].position
        RELAYED.labels(self._telling.name).inc(len(messages))
        RELAY_POSITION.labels(self._telling.name).set(self.position)

    async def _leads(self) -> bool:
        """Takes the lease, or renews it when a third of it has passed; finds its place then.

        Also when it renews: a stream that was lost while nothing happened is noticed, too.
        """
        now = self._monotonic()
        if self.active and now < self._lease_until - self._lease_s * 2 / 3:
            return True
        if not await self._bus.lease(self._telling.lease, self._holder, self._lease_s):
            return False
        self._lease_until = now + self._lease_s
        end = await self._telling.stream.last_position()
        if await self._is_ahead(end):
            return False
        if not self.active or end != self._end:
            self.position, self._end = await self._telling.start(end), end
        if not self.active:
            self._log.info("relay leads", holder=self._holder, position=end)
        self.active = True
        return True

    async def _is_ahead(self, position: int) -> bool:
        """Whether the stream tells of more than ever happened, or did and was not replaced."""
        if self._ahead is None or position < self._ahead:
            end = await self._store.last_position()
            self._ahead = position if position > end else None
        if self._ahead is not None:
            self._log.error("relay stands still", reason=self.problem())
        return self._ahead is not None


def _message(recorded: Recorded[Event]) -> Message:
    return Message(
        position=recorded.position,
        subject=subject_of(recorded),
        payload=codec.to_cloud_event(recorded),
    )
