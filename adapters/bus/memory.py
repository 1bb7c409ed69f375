"""A bus within one process: deterministic, for tests, simulation and nothing durable."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.bus.memory_stream import MemoryStream, Published
from adapters.bus.port import (
    ERROR_LIMIT,
    Delivery,
    Message,
    NotFound,
    Parked,
    Unavailable,
)
from adapters.bus.subjects import check_filters, check_key, check_name, matches


class _Entry:
    """One message on its way to one consumer, over all its deliveries."""

    def __init__(self, subject: str, payload: bytes, of_log: bool) -> None:
        self.subject = subject
        self.payload = payload
        self.of_log = of_log
        self.deliveries = 0
        self.due = 0.0


class _Consumer:
    """What all inboxes of one name share."""

    def __init__(self) -> None:
        self.subjects: Sequence[str] = ()
        self.ack_wait_s = 0.0
        self.max_pending = 0
        self.place = 0
        self.retries: deque[_Entry] = deque()
        self.unsettled: dict[_Entry, None] = {}
        self.changed: dict[asyncio.Event, None] = {}

    def wake(self) -> None:
        for event in self.changed:
            event.set()

    def take(self, log: Sequence[Message], limit: int, now: float) -> list[_Entry]:
        """Due again first, then retries, then the log; each starts its `ack_wait_s`."""
        taken = sorted((e for e in self.unsettled if e.due <= now), key=lambda e: e.due)[:limit]
        while self.retries and len(taken) < limit:
            taken.append(self.retries.popleft())
        pending = sum(entry.of_log for entry in self.unsettled)
        while self.place < len(log) and len(taken) < limit and pending < self.max_pending:
            message = log[self.place]
            self.place += 1
            if any(matches(pattern, message.subject) for pattern in self.subjects):
                taken.append(_Entry(message.subject, message.payload, of_log=True))
                pending += 1
        for entry in taken:
            entry.deliveries += 1
            entry.due = now + self.ack_wait_s
            self.unsettled[entry] = None
        return taken


class _Broker:
    """What the connections to one bus share."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.log = Published()
        self.streams: dict[str, Published] = {}
        self.consumers: dict[str, _Consumer] = {}
        self.parked: dict[int, Parked] = {}
        self.ever_parked = 0
        self.listeners: dict[str, list[MemorySubscription]] = {}
        self.leases: dict[str, tuple[str, float]] = {}
        self.boards: dict[str, dict[str, tuple[bytes, float]]] = {}

    def wake(self) -> None:
        for consumer in self.consumers.values():
            consumer.wake()


class MemoryDelivery:
    def __init__(self, entry: _Entry, consumer: _Consumer, clock: Callable[[], float]) -> None:
        self.subject = entry.subject
        self.payload = entry.payload
        self.deliveries = entry.deliveries
        self._entry = entry
        self._consumer = consumer
        self._clock = clock

    async def ack(self) -> None:
        self._consumer.unsettled.pop(self._entry, None)
        self._consumer.wake()

    async def retry(self, delay_s: float) -> None:
        self._due_in(delay_s)

    async def working(self) -> None:
        self._due_in(self._consumer.ack_wait_s)

    def _due_in(self, seconds: float) -> None:
        if self._entry in self._consumer.unsettled:
            self._entry.due = self._clock() + seconds
            self._consumer.wake()


class MemoryInbox:
    def __init__(self, broker: _Broker, consumer: _Consumer) -> None:
        self._broker = broker
        self._consumer = consumer
        self._changed = asyncio.Event()
        self._closed = False
        consumer.changed[self._changed] = None

    async def next(self, limit: int) -> Sequence[MemoryDelivery]:
        while not self._closed:
            self._changed.clear()
            if here := self.here(limit):
                return here
            await self._change()
        return ()

    def here(self, limit: int) -> list[MemoryDelivery]:
        """What `next` would give without waiting."""
        clock = self._broker.clock
        entries = self._consumer.take(self._broker.log.messages, limit, clock())
        return [MemoryDelivery(entry, self._consumer, clock) for entry in entries]

    async def close(self) -> None:
        self._closed = True
        self._consumer.changed.pop(self._changed, None)
        self._changed.set()

    async def _change(self) -> None:
        due = min((entry.due for entry in self._consumer.unsettled), default=None)
        if due is None:
            await self._changed.wait()
            return
        delay_s = max(0.0, due - self._broker.clock())
        timer = asyncio.get_running_loop().call_later(delay_s, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()


class MemorySubscription:
    def __init__(
        self, fellows: "list[MemorySubscription]", callback: Callable[[bytes], None]
    ) -> None:
        self._fellows = fellows
        self._callback = callback
        fellows.append(self)

    def hear(self, payload: bytes) -> None:
        if self in self._fellows:
            self._callback(payload)

    async def close(self) -> None:
        if self in self._fellows:
            self._fellows.remove(self)


class MemoryBoard:
    def __init__(
        self, entries: dict[str, tuple[bytes, float]], ttl_s: float, clock: Callable[[], float]
    ) -> None:
        self._entries = entries
        self._ttl_s = ttl_s
        self._clock = clock

    async def put(self, key: str, value: bytes) -> None:
        check_key(key)
        self._entries[key] = (value, self._clock() + self._ttl_s)

    async def all(self) -> dict[str, bytes]:
        now = self._clock()
        for key in [key for key, (_, until) in self._entries.items() if until <= now]:
            del self._entries[key]
        return {key: value for key, (value, _) in sorted(self._entries.items())}

    async def remove(self, key: str) -> None:
        self._entries.pop(key, None)


class MemoryBus:
    """One connection; `another` makes more to the same bus.

    Time is what `clock` says, in seconds. A waiting inbox looks at it again when the event loop's
    timer rings: a clock moved by hand needs `wake` after the move.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._share(_Broker(clock))
        self._open = True
        self._inboxes: list[MemoryInbox] = []
        self._subscriptions: list[MemorySubscription] = []

    def another(self) -> "MemoryBus":
        """One more connection to the same bus, as another process would have."""
        bus = MemoryBus(self._broker.clock)
        bus._share(self._broker)
        return bus

    def _share(self, broker: _Broker) -> None:
        self._broker = broker
        self._log = MemoryStream(broker.log, self._check_open, broker.wake)

    def wake(self) -> None:
        """Have all waiting inboxes look at the clock again."""
        self._broker.wake()

    def lose_log(self) -> None:
        """A disaster to simulate: the log stream is gone, with the places of its consumers."""
        self._broker.log.lose()
        for consumer in self._broker.consumers.values():
            consumer.place = 0
            consumer.unsettled = {e: None for e in consumer.unsettled if not e.of_log}

    def lose_told(self, name: str) -> None:
        """As `lose_log`, of a derived stream; also what becomes of one that forgets everything."""
        self._broker.streams.setdefault(name, Published()).lose()

    async def last_position(self) -> int:
        return await self._log.last_position()

    async def publish(self, messages: Sequence[Message], after: int) -> None:
        await self._log.publish(messages, after)

    def stream(self, name: str, keep_s: float) -> MemoryStream:
        """As the port says, except that what is told here is kept for as long as the bus."""
        check_name(name)
        return MemoryStream(self._broker.streams.setdefault(name, Published()), self._check_open)

    def told(self, name: str) -> Sequence[Message]:
        """All that is in a stream, for tests to look at."""
        return self._broker.streams.setdefault(name, Published()).messages

    async def inbox(
        self, name: str, subjects: Sequence[str], ack_wait_s: float, max_pending: int
    ) -> MemoryInbox:
        check_name(name)
        check_filters(subjects)
        self._check_open()
        consumer = self._consumer(name)
        consumer.subjects = tuple(subjects)
        consumer.ack_wait_s = ack_wait_s
        consumer.max_pending = max_pending
        inbox = MemoryInbox(self._broker, consumer)
        self._inboxes.append(inbox)
        return inbox

    async def park(self, consumer: str, delivery: Delivery, error: str, at: datetime) -> None:
        check_name(consumer)
        self._check_open()
        self._broker.ever_parked += 1
        parked = Parked(
            id=self._broker.ever_parked,
            consumer=consumer,
            subject=delivery.subject,
            payload=delivery.payload,
            error=error[:ERROR_LIMIT],
            parked_at=at,
            deliveries=delivery.deliveries,
        )
        self._broker.parked[parked.id] = parked
        await delivery.ack()

    async def parked(self) -> list[Parked]:
        self._check_open()
        return list(self._broker.parked.values())

    async def retry_parked(self, id: int) -> None:
        self._check_open()
        parked = self._broker.parked.pop(id, None)
        if parked is None:
            raise NotFound(id)
        consumer = self._consumer(parked.consumer)
        consumer.retries.append(_Entry(parked.subject, parked.payload, of_log=False))
        consumer.wake()

    async def signal(self, name: str, payload: bytes = b"") -> None:
        check_name(name)
        if self._open:
            for subscription in self._broker.listeners.get(name, ()):
                asyncio.get_running_loop().call_soon(subscription.hear, payload)

    async def on_signal(self, name: str, callback: Callable[[bytes], None]) -> MemorySubscription:
        check_name(name)
        self._check_open()
        fellows = self._broker.listeners.setdefault(name, [])
        subscription = MemorySubscription(fellows, callback)
        self._subscriptions.append(subscription)
        return subscription

    async def lease(self, name: str, holder: str, ttl_s: float) -> bool:
        check_name(name)
        self._check_open()
        now = self._broker.clock()
        owner, until = self._broker.leases.get(name, (holder, now))
        if owner != holder and until > now:
            return False
        self._broker.leases[name] = (holder, now + ttl_s)
        return True

    async def release(self, name: str, holder: str) -> None:
        self._check_open()
        owner, _ = self._broker.leases.get(name, ("", 0.0))
        if owner == holder:
            del self._broker.leases[name]

    async def board(self, name: str, ttl_s: float) -> MemoryBoard:
        check_name(name)
        self._check_open()
        return MemoryBoard(self._broker.boards.setdefault(name, {}), ttl_s, self._broker.clock)

    def connected(self) -> bool:
        return self._open

    async def close(self) -> None:
        self._open = False
        for inbox in self._inboxes:
            await inbox.close()
        for subscription in self._subscriptions:
            await subscription.close()

    def _consumer(self, name: str) -> _Consumer:
        return self._broker.consumers.setdefault(name, _Consumer())

    def _check_open(self) -> None:
        if not self._open:
            raise Unavailable("closed")
