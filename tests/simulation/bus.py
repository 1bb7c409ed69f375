"""The message bus as one process reaches it: what it loses, repeats, delays and reorders."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

from adapters.bus.memory import MemoryBoard, MemoryBus, MemoryDelivery, MemoryInbox
from adapters.bus.memory_stream import MemoryStream
from adapters.bus.port import Delivery, Message, Parked, Subscription
from tests.simulation.chance import Chances
from tests.simulation.loop import SimulatedLoop
from tests.simulation.wire import Line, at_once, for_ever


class SimulatedBus:
    """Keeps `Bus`, over a connection to a real one that all processes share."""

    def __init__(
        self,
        real: MemoryBus,
        line: Line,
        *,
        loop: SimulatedLoop,
        chances: Chances,
        down: Callable[[], bool],
        alive: Callable[[], bool],
    ) -> None:
        self.real, self.line = real, line
        self.loop, self.chances, self.down, self.alive = loop, chances, down, alive

    def later(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """What nobody waits for: it arrives if the bus is up then, and somebody lives to send."""

        def arrive() -> None:
            if not self.down():
                at_once(work())

        if self.alive():
            self.loop.later(self.chances.latency_s(), arrive)

    async def last_position(self) -> int:
        return await self.line.ask("last_position", self.real.last_position)  # type: ignore[no-any-return]

    async def publish(self, messages: Sequence[Message], after: int) -> None:
        what = f"publish {len(messages)} messages"
        await self.line.ask(what, lambda: self.real.publish(messages, after))

    def stream(self, name: str, keep_s: float) -> "SimulatedStream":
        return SimulatedStream(self.real.stream(name, keep_s), self.line, name)

    async def inbox(
        self, name: str, subjects: Sequence[str], ack_wait_s: float, max_pending: int
    ) -> "SimulatedInbox":
        real = await self.line.ask(
            f"inbox {name}", lambda: self.real.inbox(name, subjects, ack_wait_s, max_pending)
        )
        return SimulatedInbox(real, self, name)

    async def park(self, consumer: str, delivery: Delivery, error: str, at: datetime) -> None:
        given = delivery.real if isinstance(delivery, SimulatedDelivery) else delivery
        what = f"park {given.subject}: {error}"
        await self.line.ask(what, lambda: self.real.park(consumer, given, error, at))

    async def parked(self) -> list[Parked]:
        return await self.line.ask("parked", self.real.parked)  # type: ignore[no-any-return]

    async def retry_parked(self, id: int) -> None:
        await self.line.ask(f"retry parked {id}", lambda: self.real.retry_parked(id))

    async def signal(self, name: str, payload: bytes = b"") -> None:
        if not self.chances.strikes("signal is lost", f"{name} {payload!r}"):
            self.later(lambda: self.real.signal(name, payload))

    async def on_signal(self, name: str, callback: Callable[[bytes], None]) -> Subscription:
        return await self.line.ask(  # type: ignore[no-any-return]
            f"listen to {name}", lambda: self.real.on_signal(name, callback)
        )

    async def lease(self, name: str, holder: str, ttl_s: float) -> bool:
        return await self.line.ask(  # type: ignore[no-any-return]
            f"lease {name}", lambda: self.real.lease(name, holder, ttl_s)
        )

    async def release(self, name: str, holder: str) -> None:
        await self.line.ask(f"release {name}", lambda: self.real.release(name, holder))

    async def board(self, name: str, ttl_s: float) -> "SimulatedBoard":
        real = await self.line.ask(f"board {name}", lambda: self.real.board(name, ttl_s))
        return SimulatedBoard(real, self.line)

    def connected(self) -> bool:
        return not self.down()

    async def close(self) -> None:
        await self.real.close()


class SimulatedStream:
    """Keeps `DerivedStream`."""

    def __init__(self, real: MemoryStream, line: Line, name: str) -> None:
        self._real, self._line, self._name = real, line, name

    async def last_position(self) -> int:
        return await self._line.ask(  # type: ignore[no-any-return]
            f"last position of {self._name}", self._real.last_position
        )

    async def publish(self, messages: Sequence[Message], after: int) -> None:
        what = f"publish {len(messages)} {self._name}"
        await self._line.ask(what, lambda: self._real.publish(messages, after))

    async def insert(self, message: Message) -> None:
        await self._line.ask(f"insert {message.subject}", lambda: self._real.insert(message))


class SimulatedBoard:
    """Keeps `Board`."""

    def __init__(self, real: MemoryBoard, line: Line) -> None:
        self._real, self._line = real, line

    async def put(self, key: str, value: bytes) -> None:
        await self._line.ask(f"put {key}", lambda: self._real.put(key, value))

    async def all(self) -> dict[str, bytes]:
        return await self._line.ask("all of the board", self._real.all)  # type: ignore[no-any-return]

    async def remove(self, key: str) -> None:
        await self._line.ask(f"remove {key}", lambda: self._real.remove(key))


class SimulatedInbox:
    """Keeps `Inbox`."""

    def __init__(self, real: MemoryInbox, bus: SimulatedBus, name: str) -> None:
        self._real, self._bus, self._name = real, bus, name

    async def next(self, limit: int) -> Sequence["SimulatedDelivery"]:
        chances = self._bus.chances
        while True:
            while self._bus.down():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.5)
            found = list(await self._real.next(limit))
            if not self._bus.alive():
                await for_ever()
            if not found:
                return ()
            if len(found) > 1 and chances.strikes("messages are reordered", self._name):
                chances.times.shuffle(found)
            handed = [each for each in found if self._hands(each)]
            if handed:
                await asyncio.sleep(chances.latency_s())
                return [SimulatedDelivery(each, self._bus) for each in handed]

    def _hands(self, delivery: MemoryDelivery) -> bool:
        """Whether it comes now; it may come again, too, while it is being worked on."""
        chances = self._bus.chances
        if chances.strikes("message is delayed", delivery.subject):
            at_once(delivery.retry(chances.between(0.01, 8.0)))
            return False
        twice = "message is delivered to another at the same time"
        if chances.strikes(twice, delivery.subject):
            at_once(delivery.retry(chances.between(0.0, 0.1)))
        return True

    async def close(self) -> None:
        await self._real.close()


class SimulatedDelivery:
    """Keeps `Delivery`. Settling is best effort."""

    def __init__(self, real: MemoryDelivery, bus: SimulatedBus) -> None:
        self.real, self._bus = real, bus
        self.subject, self.payload, self.deliveries = real.subject, real.payload, real.deliveries

    async def ack(self) -> None:
        if not self._bus.chances.strikes("ack is lost", self.subject):
            self._bus.later(self.real.ack)

    async def retry(self, delay_s: float) -> None:
        self._bus.later(lambda: self.real.retry(delay_s))

    async def working(self) -> None:
        self._bus.later(self.real.working)
