"""The relay: the stream is a copy of the log, whoever relays it and whatever fails on the way."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.bus.nats_server import NatsServer
from adapters.bus.port import Bus
from adapters.bus.subjects import matches
from adapters.event_store.memory import MemoryEventStore
from adapters.event_store.port import EventStore
from domain import codec
from domain.aggregates import volume
from domain.event import Event, Recorded
from services.relay import LEASE, Relay
from services.subjects import pattern, subject_of, token
from services.wakeup import Wakeup
from tests.adapters.bus.stage import MemoryStage, Stage, a_bus, an_inbox, expect_outage, receive
from tests.support.around import Crash, Outage, around
from tests.support.builders import a_request, a_volume
from tests.support.patience import PATIENCE_S, soon, until

LEASE_S = 60.0
NOT_SIGNALLED = 1.0


class Log(MemoryEventStore):
    """Volumes are requested in it."""

    def __init__(self) -> None:
        super().__init__(default_limits={})
        self._requested = 0

    async def grow(self, by: int) -> None:
        for _ in range(by):
            self._requested += 1
            await self.append(a_request(self._requested).pending)

    async def restored(self, position: int) -> "Log":
        """As it was when it ended at a position; what follows is of another world."""
        older = Log()
        older._requested = 1000
        for recorded in await self.log(0, position):
            await older.append([recorded])
        return older


def a_relay(
    log: EventStore, bus: Bus, holder: str = "one", *, lease_s: float = LEASE_S, batch: int = 7
) -> Relay:
    """One that hears of commits by polling alone, as often as its lease makes it."""
    return Relay(store=log, bus=bus, holder=holder, lease_s=lease_s, batch=batch, wakeup=Wakeup())


@asynccontextmanager
async def running(*relays: Relay) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Ends them in the end, as a process that stops in good order does, and sees how they end."""
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        _, still_running = await asyncio.wait(tasks, timeout=PATIENCE_S)
        assert not still_running
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(how, asyncio.CancelledError | Crash | None) for how in ended), ended


async def until_published(bus: Bus, position: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await bus.last_position() != position:  # noqa: ASYNC110 - a bus does not tell
            await asyncio.sleep(0.005)


async def assert_a_copy(bus: Bus, log: Log, *, name: str = "copy") -> None:
    """The stream holds all events of the log, once, in order, under their subjects."""
    events = await log.log(0, 100_000)
    found = await receive(await an_inbox(bus, name), len(events))
    assert [d.payload for d in found] == [codec.to_cloud_event(r) for r in events]
    assert [d.subject for d in found] == [subject_of(r) for r in events]
    assert await bus.last_position() == len(events)


# one relay


async def test_it_publishes_the_log_in_order_and_goes_on_as_it_grows(stage: Stage, bus: Bus):
    log = Log()
    await log.grow(20)
    async with running(a_relay(log, bus, lease_s=NOT_SIGNALLED)):
        await until_published(bus, 20)
        await log.grow(20)
        await until_published(bus, 40)
    await assert_a_copy(bus, log)


@pytest.mark.parametrize("already", [0, 1, 6, 7, 8, 20])
async def test_it_goes_on_wherever_the_stream_ends(stage: Stage, bus: Bus, already: int):
    log = Log()
    await log.grow(already)
    async with running(a_relay(log, bus, lease_s=NOT_SIGNALLED)):
        await until_published(bus, already)
    await log.grow(20 - already)
    another = a_relay(log, bus)
    async with running(another):
        await until_published(bus, 20)
        await until(lambda: another.position == 20)
    await assert_a_copy(bus, log)


async def test_a_commit_is_published_as_soon_as_it_is_signalled():
    log, stage = Log(), MemoryStage()
    bus, wakeup = await stage.connect(), Wakeup()
    log.on_append(lambda position: wakeup.set())
    relay = Relay(store=log, bus=bus, holder="one", lease_s=1e9, batch=7, wakeup=wakeup)
    async with running(relay):
        for position in range(3):
            for _ in range(50):  # turns of the event loop: no time passes
                await asyncio.sleep(0)
            assert (relay.active, await bus.last_position()) == (True, position)
            await log.grow(1)


async def test_a_commit_that_nobody_signalled_is_published_all_the_same(stage: Stage, bus: Bus):
    log = Log()
    relay = a_relay(log, bus)
    async with running(relay):
        await log.grow(1)
        await until_published(bus, 1)
        await log.grow(1)  # now it sleeps for as long as it may
        await until_published(bus, 2)


async def test_it_shows_what_it_reads_in_order(stage: Stage, bus: Bus):
    log, seen = Log(), list[Recorded[Event]]()
    await log.grow(20)
    relay = Relay(
        store=log,
        bus=bus,
        holder="one",
        lease_s=LEASE_S,
        batch=7,
        wakeup=Wakeup(),
        seen=seen.append,
    )
    async with running(relay):
        await until_published(bus, 20)
    assert seen == await log.log(0, 20)


# several relays


async def test_two_that_both_believe_to_lead_leave_neither_gap_nor_doubles(stage: Stage, bus: Bus):
    log, other = Log(), await stage.connect()
    relays = [
        a_relay(log, bus, "one", lease_s=NOT_SIGNALLED),
        a_relay(log, other, "one", lease_s=NOT_SIGNALLED, batch=3),  # the lease is theirs
    ]
    async with running(*relays):
        for size in range(1, 40):
            await log.grow(size % 5)
            await asyncio.sleep(0)
        await log.grow(100)
        await until_published(bus, await log.last_position())
    await assert_a_copy(bus, log)


async def test_only_one_of_two_leads(stage: Stage, bus: Bus):
    log, other = Log(), await stage.connect()
    await log.grow(10)
    one, two = a_relay(log, bus, "one"), a_relay(log, other, "two", lease_s=LEASE_S)
    async with running(one):
        await until_published(bus, 10)
        async with running(two):
            await log.grow(10)
            await until_published(bus, 20)
            assert (one.active, two.active) == (True, False)
    await assert_a_copy(bus, log)


async def test_one_that_stops_lets_the_next_lead_at_once(stage: Stage, bus: Bus):
    log, other = Log(), await stage.connect()
    async with running(a_relay(log, bus, "one")):
        await log.grow(10)
        await until_published(bus, 10)
        assert not await other.lease(LEASE, "two", LEASE_S)
    assert await other.lease(LEASE, "two", LEASE_S)


async def test_one_stops_wherever_it_is(stage: Stage, bus: Bus):
    log = Log()
    await log.grow(20)
    for turns in range(0, 60, 2):
        async with running(a_relay(log, bus)):
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns % 4:
                await bus.last_position()  # its own answers arrive meanwhile
    async with running(a_relay(log, bus)):
        await until_published(bus, 20)
    await assert_a_copy(bus, log)


async def test_one_that_stops_while_the_bus_is_away_just_stops(stage: Stage, bus: Bus):
    outage = Outage("message bus")
    log, relay = Log(), a_relay(Log(), around(bus, before=outage.before))
    await log.grow(1)
    async with running(relay):  # which checks how it ended
        await until(lambda: relay.active)
        outage.away = True


async def test_when_the_leader_hangs_another_leads_and_what_it_then_does_is_refused(
    stage: Stage, bus: Bus
):
    log, other = Log(), await stage.connect()
    await log.grow(10)
    hangs, may_go_on = asyncio.Event(), asyncio.Event()

    async def hang(method: str) -> None:
        if method == "log" and not may_go_on.is_set():
            hangs.set()
            await may_go_on.wait()

    lease_s = 1.0
    one = a_relay(around(log, after=hang), bus, "one", lease_s=lease_s)  # it has read, and hangs
    two = a_relay(log, other, "two", lease_s=lease_s)
    async with running(one):
        await until(hangs.is_set)
        async with running(two):
            async with asyncio.timeout(PATIENCE_S):
                while not two.active:
                    await stage.elapse(0.5)
                    await asyncio.sleep(0.02)
            await until_published(bus, 10)
            await log.grow(5)
            may_go_on.set()
            await until_published(bus, 15)
    await assert_a_copy(bus, log)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("batch", range(1, 4))
async def test_one_that_dies_around_publishing_leaves_neither_gap_nor_doubles(
    stage: Stage, bus: Bus, when: str, batch: int
):
    log = Log()
    await log.grow(20)
    published = 0

    async def die(method: str) -> None:
        nonlocal published
        published += method == "publish"
        if published == batch:
            raise Crash

    mortal = around(bus, **{when: die})
    async with running(a_relay(log, mortal)) as [dying]:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({dying})
    assert await bus.last_position() == min(7 * (batch - (when == "before")), 20)
    next_one = a_relay(log, await stage.connect(), "one")
    async with running(next_one):
        await until(lambda: next_one.position == 20)
    await assert_a_copy(bus, log)


# outages


async def test_a_log_that_is_away_for_a_while_is_published_when_it_is_back(stage: Stage, bus: Bus):
    log, outage = Log(), Outage("database")
    await log.grow(20)
    outage.away = True
    relay = a_relay(around(log, before=outage.before), bus, lease_s=NOT_SIGNALLED)
    async with running(relay):
        await until(lambda: outage.refused > 1)
        assert not relay.active
        outage.away = False
        await until_published(bus, 20)
    await assert_a_copy(bus, log)


@pytest.mark.parametrize("lost", ["the request", "the answer"])
async def test_a_bus_that_is_away_for_a_while_gets_everything_once_when_it_is_back(
    stage: Stage, bus: Bus, lost: str
):
    log, outage = Log(), Outage("message bus", "publish")
    await log.grow(20)
    outage.away = True
    flaky = around(
        bus, **({"before": outage.before} if lost == "the request" else {"after": outage.after})
    )
    async with running(a_relay(log, flaky, lease_s=NOT_SIGNALLED)):
        await until(lambda: outage.refused > 1)
        outage.away = False
        await until_published(bus, 20)
    await assert_a_copy(bus, log)


@pytest.mark.nats
async def test_a_server_killed_under_way_gets_everything_once_when_it_is_back(tmp_path: Path):
    server = NatsServer(tmp_path / "nats")
    await server.start()
    bus = await a_bus(server)
    log = Log()
    try:
        async with running(a_relay(log, bus, lease_s=NOT_SIGNALLED)):
            await log.grow(500)
            await until_published(bus, 500)
            expect_outage(bus, 1)
            await server.stop()
            await log.grow(500)
            await server.start()
            looking = await a_bus(server)
            await until_published(looking, 1000)
        await assert_a_copy(looking, log)
        await looking.close()
    finally:
        await bus.close()
        await server.stop()


# streams that are not what they were


@pytest.mark.parametrize("grows", [True, False], ids=["log grows", "nothing happens"])
async def test_a_lost_stream_is_fed_again_from_the_log(stage: Stage, bus: Bus, grows: bool):
    log = Log()
    await log.grow(20)
    async with running(a_relay(log, bus, lease_s=NOT_SIGNALLED)):
        await until_published(bus, 20)
        await stage.lose_log()
        if grows:
            await log.grow(1)
        await until_published(bus, await log.last_position())
    await assert_a_copy(bus, log)


async def test_nothing_is_added_to_a_stream_that_is_ahead_of_the_log(stage: Stage, bus: Bus):
    log = Log()
    await log.grow(20)
    async with running(a_relay(log, bus, lease_s=NOT_SIGNALLED)):
        await until_published(bus, 20)
    backup = await log.restored(15)
    with capture_logs() as said:
        relay = a_relay(backup, bus, lease_s=NOT_SIGNALLED)
        async with running(relay):
            await until_said(said)
            await backup.grow(10)  # past the stream's end, with other events
            said.clear()
            await until_said(said)
            assert (relay.active, await bus.last_position()) == (False, 20)
            [complaint, *_] = said
            assert complaint["reason"] == relay.problem()
            assert "the stream ends at 20, ahead of the log" in complaint["reason"]

            await stage.lose_log()  # what the operator is told to do
            await until_published(bus, 25)
            assert relay.problem() is None
    await assert_a_copy(bus, backup)


async def until_said(said: Sequence[object]) -> None:
    """It has come by again, and complained."""
    await until(lambda: any("ahead" in str(entry) for entry in said))


# subjects


HOSTS = ["host1", "host1.example.org", "h*st", "h>", "h st", "hôte", "=2E", ".", "a=2Eb", "a.b"]


@pytest.mark.parametrize("name", HOSTS)
def test_a_name_is_one_token_without_wildcards(name: str):
    assert not set(token(name)) & set(" .*>\t") and token(name).isascii()


def test_no_two_names_share_a_token():
    assert len({token(name) for name in HOSTS}) == len(HOSTS)
    assert token("host-1@gold") == "host-1@gold"


def placed_on(host: str) -> Recorded[Event]:
    return Recorded(
        aggregate_id=a_volume(1).id,
        version=3,
        event=volume.ProvisioningStarted(host=f"{host}@gold#pool.1", worker="w", attempt=1),
        moment=a_request(1).pending[0].moment,
    )


def test_an_event_has_one_subject_of_five_tokens():
    [requested] = a_request(1).pending
    assert subject_of(requested) == f"lapilli.volume.requested._.{requested.aggregate_id}"
    started = placed_on("h.1")
    assert subject_of(started) == (
        f"lapilli.volume.provisioning_started.h=2E1@gold.{started.aggregate_id}"
    )


@pytest.mark.parametrize("host", HOSTS)
def test_a_backend_hears_its_own_events_and_no_others(host: str):
    mine = pattern(volume.ProvisioningStarted, f"{host}@gold")
    assert [other for other in HOSTS if matches(mine, subject_of(placed_on(other)))] == [host]


def test_a_pattern_without_backend_matches_its_events_of_all_backends_and_no_other_type():
    [requested] = a_request(1).pending
    everywhere = pattern(volume.ProvisioningStarted, None)
    assert all(matches(everywhere, subject_of(placed_on(host))) for host in HOSTS)
    assert not matches(everywhere, subject_of(requested))
    assert matches(pattern(volume.Requested, None), subject_of(requested))
    assert not matches(pattern(volume.Requested, "host1@gold"), subject_of(requested))


async def test_the_bus_delivers_what_the_patterns_ask_for(stage: Stage, bus: Bus):
    log = Log()
    for number, host in enumerate(HOSTS, 1):
        placed = placed_on(host)
        [requested] = a_request(number).pending
        await log.append([requested])
        log._log[-1] = Recorded(
            aggregate_id=placed.aggregate_id,
            version=number,
            event=placed.event,
            moment=placed.moment,
            position=number,
        )
    async with running(a_relay(log, bus)):
        await until_published(bus, len(HOSTS))
    for number, host in enumerate(HOSTS, 1):
        inbox = await an_inbox(
            bus, f"c{number}", [pattern(volume.ProvisioningStarted, f"{host}@gold")]
        )
        [heard] = await soon(inbox.next(100))
        assert codec.from_cloud_event(heard.payload).position == number
