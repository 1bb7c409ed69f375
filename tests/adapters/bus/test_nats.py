"""What only a real server can go through: death, restart, other settings."""

import asyncio
import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import uvloop
from nats.aio.msg import Msg

from adapters.bus.nats import NatsBus
from adapters.bus.nats_server import NatsServer
from adapters.bus.port import Bus, Inbox, OutOfOrder, Unavailable
from tests.adapters.bus.stage import a_bus, an_inbox, consume, expect_outage, messages, receive
from tests.support.patience import PATIENCE_S, soon, until

pytestmark = pytest.mark.nats


async def kill(server: NatsServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()


async def relay(bus: Bus, last: int, acknowledged: list[int]) -> None:
    """Publish the log up to `last`, whatever happens; note what the bus said it has."""
    while True:
        try:
            place = await bus.last_position()
            assert place >= acknowledged[-1]
            while place < last:
                lot = messages(place + 1, min(place + 100, last))
                await bus.publish(lot, after=place)
                place = lot[-1].position
                acknowledged.append(place)
            return
        except (Unavailable, OutOfOrder):
            await asyncio.sleep(0.01)


async def consume_all(inbox: Inbox, last: int, seen: list[int]) -> None:
    while len(set(seen)) < last:
        for delivery in await inbox.next(64):
            seen.append(int(delivery.payload))
            await delivery.ack()


async def test_killed_under_load_it_loses_nothing_acknowledged(nats_server: NatsServer) -> None:
    last = 20_000
    publisher, consumer = await a_bus(nats_server), await a_bus(nats_server)
    inbox = await an_inbox(consumer, ack_wait_s=1)
    for bus in (publisher, consumer):
        expect_outage(bus, 2)
    acknowledged, seen = [0], list[int]()

    def reached(share: float) -> bool:
        return acknowledged[-1] >= last * share

    work = asyncio.gather(
        relay(publisher, last, acknowledged),
        consume_all(inbox, last, seen),
    )
    for share in (0.1, 0.3, 0.6):
        await until(partial(reached, share))
        await kill(nats_server)
        await nats_server.start()
    async with asyncio.timeout(3 * PATIENCE_S):
        await work
    expect_outage(publisher, PATIENCE_S)
    assert await publisher.last_position() == last
    assert sorted(set(seen)) == list(range(1, last + 1))
    await publisher.close()
    await consumer.close()


async def test_while_it_is_away_calls_fail_soon_and_inboxes_wait(nats_server: NatsServer) -> None:
    bus = await a_bus(nats_server)
    inbox = await an_inbox(bus)
    waiting = asyncio.create_task(inbox.next(10))
    await bus.publish(messages(1, 1), after=0)
    [delivery] = await soon(waiting)
    waiting = asyncio.create_task(inbox.next(10))
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    await bus.on_signal("log-grew", heard.put_nowait)

    expect_outage(bus, 0.5)
    await kill(nats_server)
    for attempt in (
        bus.publish(messages(2, 2), after=1),
        bus.last_position(),
        bus.parked(),
        bus.lease("relay", "a", 5),
        bus.inbox("other", ["lapilli.>"], 1, 1),
        bus.board("backends", 5),
    ):
        with pytest.raises(Unavailable):
            await soon(attempt)
    assert not bus.connected()
    await bus.signal("log-grew", b"lost")
    await delivery.ack()  # kept until the connection is back
    await nats_server.start()

    expect_outage(bus, PATIENCE_S)
    await until(bus.connected)
    await bus.publish(messages(2, 2), after=1)
    seen = [d.payload for d in await soon(waiting)]
    if b"2" not in seen:  # 1 comes again if the server had not yet written that it delivered it
        seen += [d.payload for d in await receive(inbox, 1)]
    assert seen in ([b"2"], [b"1", b"2"])
    await bus.signal("log-grew", b"again")
    assert await soon(heard.get()) == b"again"
    await bus.close()


async def test_a_server_that_lost_everything_is_fed_again(nats_server: NatsServer) -> None:
    bus = await a_bus(nats_server)
    inbox = await an_inbox(bus)
    await bus.publish(messages(1, 3), after=0)
    assert await consume(inbox, 3) == [1, 2, 3]
    waiting = asyncio.create_task(inbox.next(10))

    expect_outage(bus, 2)
    await kill(nats_server)
    (nats_server.directory / "jetstream").rename(nats_server.directory / "lost")
    await nats_server.start()

    await soon(relay(bus, 4, [0]))
    assert len(await soon(waiting)) >= 1
    await bus.close()


async def test_an_inbox_leaves_a_lost_log_stream_to_the_relay(nats_server: NatsServer) -> None:
    """It hears of a deletion while that is going on, too early to make the stream anew."""
    bus = await a_bus(nats_server)
    watcher = await a_bus(nats_server)
    asked: list[str] = []

    async def watch(message: Msg) -> None:
        asked.append(message.subject.removeprefix("$JS.API."))

    await watcher._client.subscribe("$JS.API.*.CREATE.>", cb=watch)
    await watcher._client.flush()
    inbox = await an_inbox(bus)
    waiting = asyncio.create_task(inbox.next(10))
    await watcher._jetstream.ask("STREAM.DELETE.LAPILLI")
    del asked[:]

    consumer = "CONSUMER.CREATE.LAPILLI.provisioning"
    await until(lambda: asked.count(consumer) >= 3)
    assert set(asked) == {consumer}

    await watcher.publish(messages(1, 1), after=0)
    assert asked.count("STREAM.CREATE.LAPILLI") == 1
    assert [d.payload for d in await soon(waiting)] == [b"1"]
    await bus.close()
    await watcher.close()


async def test_a_purged_stream_is_fed_again_from_the_start(nats_server: NatsServer) -> None:
    bus = await a_bus(nats_server)
    inbox = await an_inbox(bus)
    await bus.publish(messages(1, 3), after=0)
    assert await consume(inbox, 3) == [1, 2, 3]
    await bus._jetstream.ask("STREAM.PURGE.LAPILLI")

    async def feed() -> None:
        """It is in order, although nats-server takes 1 to 3 for duplicates at first."""
        with suppress(Unavailable):
            return await bus.publish(messages(1, 5), after=0)
        await feed()

    await soon(feed())
    assert await consume(inbox, 5) == [1, 2, 3, 4, 5]
    await bus.close()


async def test_a_consumer_deleted_underneath_is_made_again(nats_server: NatsServer) -> None:
    bus = await a_bus(nats_server)
    inbox = await an_inbox(bus)
    waiting = asyncio.create_task(inbox.next(10))
    await asyncio.sleep(0)
    await bus._jetstream.ask("CONSUMER.DELETE.LAPILLI.provisioning")
    await bus.publish(messages(1, 1), after=0)
    assert [d.payload for d in await soon(waiting)] == [b"1"]
    await bus.close()


async def test_many_processes_set_it_up_at_once(nats_server: NatsServer) -> None:
    buses = await asyncio.gather(*(a_bus(nats_server) for _ in range(8)))
    inboxes = await asyncio.gather(*(an_inbox(bus) for bus in buses))
    await buses[0].publish(messages(1, 1), after=0)
    waiting = [asyncio.create_task(inbox.next(1)) for inbox in inboxes]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    assert len(done) == 1
    await asyncio.gather(*(bus.close() for bus in buses))


async def test_settings_of_an_existing_stream_follow(nats_server: NatsServer) -> None:
    for max_bytes in (100_000_000, 50_000_000):
        bus = await NatsBus.connect(
            [nats_server.url], name="test", max_bytes=max_bytes, timeout_s=PATIENCE_S
        )
        info = await bus._jetstream.ask("STREAM.INFO.LAPILLI")
        assert info["config"]["max_bytes"] == max_bytes
        await bus.close()


async def test_a_full_stream_forgets_its_oldest(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(
        [nats_server.url], name="test", max_bytes=20_000, timeout_s=PATIENCE_S
    )
    await bus.publish(messages(1, 1000), after=0)
    assert await bus.last_position() == 1000
    await bus.publish(messages(1001, 1001), after=1000)
    await bus.close()


def test_who_still_had_to_send_something_when_the_server_went_can_be_closed(
    tmp_path: Path,
) -> None:
    async def act() -> None:
        server = NatsServer(tmp_path / "nats")
        await server.start()
        bus = await a_bus(server)
        await kill(server)
        await until(lambda: not bus.connected())
        await bus._client.publish("lapilli_signal.appended", b"1")
        assert bus._client.pending_data_size
        await soon(bus.close())

    uvloop.run(act())  # as real processes do: asyncio's own transports say nothing


async def test_no_server_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await soon(NatsBus.connect(["nats://127.0.0.1:1"], name="test", timeout_s=0.5))
