"""The relay: publishes the committed log on the bus, in order, while it holds the lease."""

import time
from collections.abc import Callable

import structlog

from adapters.bus.port import Bus, Message, OutOfOrder
from adapters.event_store.port import EventStore
from domain import codec
from domain.errors import Unavailable
from domain.event import Event, Recorded
from services.metrics import RELAYED
from services.subjects import subject_of
from services.wakeup import Wakeup

log = structlog.get_logger()

LEASE = "relay"
POLL_S = 0.5
"""How long a commit that nobody signalled may stay unpublished."""


class Relay:
    """One of possibly several; the one that holds the lease is active.

    It keeps no state: where it is, the stream's last message tells. Should two believe to hold the
    lease at the same time, the bus refuses the one that is out of order, so that the stream stays
    a copy of the log whatever happens to clocks and leases. `seen` is shown every event on its
    way: what the relay has read, its neighbours in the process need not read again.
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
        seen: Callable[[Recorded[Event]], None] = lambda recorded: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bus = bus
        self._holder = holder
        self._lease_s = lease_s
        self._batch = batch
        self._monotonic = monotonic
        self._lease_until = 0.0
        self._wakeup = wakeup
        self._seen = seen
        self.position = 0
        """The last position known to be on the bus."""
        self.active = False

    async def run(self) -> None:
        """Runs until cancelled; store and bus may come and go."""
        try:
            while True:
                try:
                    await self._turn()
                except OutOfOrder as lost:
                    log.info("relay lost its place", expected=lost.expected, found=lost.found)
                    self.active = False
                except Unavailable as error:
                    log.warning("relay waits", reason=str(error))
                    self.active = False
                    await self._wakeup.wait(POLL_S)
        finally:
            if self.active:
                await self._bus.release(LEASE, self._holder)

    async def _turn(self) -> None:
        if not await self._leads():
            self.active = False
            await self._wakeup.wait(self._lease_s / 3)
            return
        if not self.active:
            self.position = await self._bus.last_position()
            self.active = True
            log.info("relay leads", holder=self._holder, position=self.position)
        events = await self._store.log(self.position, self._batch)
        if not events:
            await self._wakeup.wait(min(POLL_S, self._lease_s / 3))
            return
        for recorded in events:
            self._seen(recorded)
        await self._bus.publish([_message(recorded) for recorded in events], after=self.position)
        self.position = events[-1].position
        RELAYED.inc(len(events))

    async def _leads(self) -> bool:
        """Takes the lease, or renews it when a third of it has passed."""
        now = self._monotonic()
        if self.active and now < self._lease_until - self._lease_s * 2 / 3:
            return True
        held = await self._bus.lease(LEASE, self._holder, self._lease_s)
        self._lease_until = now + self._lease_s if held else 0.0
        return held


def _message(recorded: Recorded[Event]) -> Message:
    return Message(
        position=recorded.position,
        subject=subject_of(recorded),
        payload=codec.to_cloud_event(recorded),
    )
