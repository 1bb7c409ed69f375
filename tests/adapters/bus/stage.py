"""The two buses under the one contract, and what the tests say about time and events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from adapters.bus.memory import MemoryBus
from adapters.bus.nats import NatsBus
from adapters.bus.nats_server import NatsServer
from adapters.bus.port import Bus, Delivery, Inbox, Message
from tests.support.patience import PATIENCE_S, soon


class Stage(Protocol):
    async def connect(self) -> Bus:
        """One more process on the same bus."""
        ...

    async def lose_log(self) -> None: ...

    async def told(self, name: str) -> list[Message]:
        """All that a derived stream holds, by subject, payload and id, in order."""
        ...

    async def expire(self, name: str) -> None:
        """Have a derived stream forget all that it holds."""
        ...

    async def elapse(self, seconds: float) -> None:
        """Let it get later, if this bus does not live in real time anyway."""
        ...


class MemoryStage:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self._bus = MemoryBus(lambda: self.now_s)

    async def connect(self) -> Bus:
        return self._bus.another()

    async def lose_log(self) -> None:
        self._bus.lose_log()

    async def told(self, name: str) -> list[Message]:
        return [Message(0, m.subject, m.payload, own_id=m.id) for m in self._bus.told(name)]

    async def expire(self, name: str) -> None:
        self._bus.lose_told(name)

    async def elapse(self, seconds: float) -> None:
        self.now_s += seconds
        self._bus.wake()

    async def close(self) -> None:
        await self._bus.close()


class NatsStage:
    """A server for each test: it starts as fast as one that is shared could be swept.

    And safely: of a stream deleted twice in a row nats-server may leave the files, for the next
    of its name to find, because what the first deletion renamed is still being removed.
    """

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._buses: list[NatsBus] = []

    async def connect(self) -> Bus:
        bus = await a_bus(self._server)
        self._buses.append(bus)
        return bus

    async def lose_log(self) -> None:
        await self._buses[0]._jetstream.ask("STREAM.DELETE.LAPILLI")

    async def told(self, name: str) -> list[Message]:
        jetstream, found, sequence = self._buses[0]._jetstream, [], 1
        stream = f"LAPILLI_{name.upper()}"
        while stored := await jetstream.message(
            stream, seq=sequence, next_by_subj=f"lapilli_{name}.>"
        ):
            found.append(
                Message(0, stored.subject, stored.payload, own_id=stored.headers["Nats-Msg-Id"])
            )
            sequence = stored.sequence + 1
        return found

    async def expire(self, name: str) -> None:
        await self._buses[0]._jetstream.ask(f"STREAM.PURGE.LAPILLI_{name.upper()}")

    async def elapse(self, seconds: float) -> None:
        pass

    async def close(self) -> None:
        for bus in self._buses:
            await bus.close()
        await self._server.stop()


async def a_bus(server: NatsServer) -> NatsBus:
    """Takes no slow machine for an outage."""
    return await NatsBus.connect([server.url], name="test", timeout_s=PATIENCE_S)


def expect_outage(bus: NatsBus, timeout_s: float) -> None:
    """From now on it takes a silent server for one that is away."""
    bus._jetstream.timeout_s = timeout_s


@asynccontextmanager
async def a_stage(kind: str, directory: Path) -> AsyncIterator[Stage]:
    """Memory, or a real nats-server that keeps everything in the directory."""
    stage: MemoryStage | NatsStage
    if kind == "memory":
        stage = MemoryStage()
    else:
        server = NatsServer(directory)
        await server.start()
        stage = NatsStage(server)
    yield stage
    await stage.close()


def a_message(position: int, *, event: str = "requested", backend: str = "_") -> Message:
    return Message(position, f"lapilli.volume.{event}.{backend}.v{position}", b"%d" % position)


def messages(first: int, last: int) -> list[Message]:
    return [a_message(position) for position in range(first, last + 1)]


def a_notice(position: int, part: int = 0) -> Message:
    name = f"{position}.{part}"
    return Message(
        position, f"lapilli_notices.{name}", name.encode(), part=part, own_id=f"id-{name}"
    )


async def an_inbox(
    bus: Bus,
    name: str = "provisioning",
    subjects: Sequence[str] = ("lapilli.>",),
    *,
    ack_wait_s: float = 60.0,
    max_pending: int = 2000,
) -> Inbox:
    return await bus.inbox(name, subjects, ack_wait_s, max_pending)


async def eventually(stage: Stage, condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await stage.elapse(0.1)
            await asyncio.sleep(0.02)


async def receive(inbox: Inbox, count: int) -> list[Delivery]:
    """The next `count` deliveries, unsettled."""
    found: list[Delivery] = []
    while len(found) < count:
        found += await soon(inbox.next(count - len(found)))
    return found


async def consume(inbox: Inbox, count: int) -> list[int]:
    """The positions of the next `count` deliveries, which are acked."""
    found = await receive(inbox, count)
    for delivery in found:
        await delivery.ack()
    return [int(delivery.payload) for delivery in found]
