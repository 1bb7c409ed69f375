"""Notifications are a function of the log: whoever tells them, in order, and none is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from adapters.bus.memory import MemoryBus
from adapters.bus.port import Bus
from adapters.event_store.port import EventStore
from domain.aggregates import volume
from services.notifications import catalogue
from services.notifications.catalogue import tells
from services.notifications.payloads import Seen, VolumeNotice
from services.processes.notification import Notification
from services.processes.runtime import Worker
from services.relay import Relay
from services.unit_of_work import Commands
from services.wakeup import Wakeup
from tests.adapters.bus.stage import Stage, eventually
from tests.services.notifications.telling import (
    DAY_S,
    a_life,
    a_log,
    messages,
    the_notifications,
)
from tests.services.processes.ring import WORKLOAD
from tests.support.around import Outage, around
from tests.support.builders import MORNING, an_id
from tests.support.patience import PATIENCE_S, until

LIVES = [
    ["place", "start", "made", "describe", "label", "delete", "remove", "gone"],
    ["place", "start", "again_elsewhere", "place", "start", "failed", "delete", "remove", "gone"],
    ["unplaceable", "describe", "delete", "gone"],
    ["place", "start", "delete", "made", "remove", "busy", "label"],
]


def a_relay(log: EventStore, bus: Bus, **more: Any) -> Relay:
    """One that tells the notifications of this log, a few events at a time."""
    return Relay(
        store=log,
        bus=bus,
        holder="one",
        lease_s=1.0,
        batch=3,
        wakeup=Wakeup(),
        telling=the_notifications(log, bus, **more),
    )


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE_S)
        assert task.cancelled(), task


async def at_the_end(relay: Relay, log: EventStore) -> None:
    end = await log.last_position()
    await until(lambda: relay.position == end)


async def assert_all_told(stage: Stage, log: EventStore) -> None:
    """Everything, once, in the order of the log."""
    expected = [(m.subject, m.payload, m.id) for m in await messages(log)]
    assert [(m.subject, m.payload, m.id) for m in await stage.told("notifications")] == expected


# the same, whoever makes them


async def test_one_that_starts_anywhere_makes_the_same_as_one_that_has_seen_all():
    log = await a_log(LIVES)
    everything = await messages(log)
    assert len(everything) > 20
    for position in range(await log.last_position()):
        later = [message for message in everything if message.position > position]
        assert await messages(log, after=position) == later


async def test_one_that_remembers_little_makes_the_same():
    log = await a_log(LIVES)
    forgetful = the_notifications(log, MemoryBus())
    forgetful._views._capacity = 1
    assert await forgetful.messages(await log.log(0, 1000)) == await messages(log)


async def test_one_that_is_asked_in_any_order_makes_the_same():
    log = await a_log(LIVES)
    asked = the_notifications(log, MemoryBus())
    found = [await asked.of(recorded) for recorded in reversed(await log.log(0, 1000))]
    assert [each for made in reversed(found) for each in made] == await messages(log)


async def test_no_two_have_the_same_id():
    ids = [message.id for message in await messages(await a_log(LIVES))]
    assert len(set(ids)) == len(ids)


async def test_those_of_one_volume_are_in_the_order_of_its_events():
    for number in range(1, len(LIVES) + 1):
        versions = [
            int(message.id.split(":")[1])
            for message in await messages(await a_log(LIVES))
            if message.id.startswith(str(an_id(number)))
        ]
        assert versions == sorted(versions) and versions[0] == 1


# told by the relay


async def test_all_of_the_log_is_told_once_in_order(stage: Stage, bus: Bus):
    log = await a_log(LIVES)
    async with running(a_relay(log, bus)) as relay:
        await at_the_end(relay, log)
        await log.append(a_life(9, ["place", "start", "made"]).pending)
        await at_the_end(relay, log)
    await assert_all_told(stage, log)


async def test_wherever_the_one_before_died_the_next_one_goes_on():
    log = await a_log(LIVES)
    everything = await messages(log)
    for died_after in range(1, len(everything)):
        bus = MemoryBus()
        await bus.stream("notifications", DAY_S).publish(everything[:died_after], after=0)
        async with running(a_relay(log, bus)) as relay:
            await at_the_end(relay, log)
        assert list(bus.told("notifications")) == everything


@pytest.mark.parametrize("part", ["database", "bus", "history"])
async def test_after_an_outage_nothing_is_missing_or_twice(stage: Stage, bus: Bus, part: str):
    """Of the history of a volume, too, which is read where a relay begins in its midst."""
    log = await a_log(LIVES)
    await bus.stream("notifications", DAY_S).publish((await messages(log))[:8], after=0)
    outage = Outage(part, *(["events"] if part == "history" else []))
    outage.away = True
    relay = a_relay(
        log if part == "bus" else around(log, before=outage.before),
        around(bus, before=outage.before) if part == "bus" else bus,
    )
    async with running(relay):
        await until(lambda: outage.refused > 1)
        outage.away = False
        await at_the_end(relay, log)
    await assert_all_told(stage, log)
    assert await bus.parked() == []


async def test_what_nothing_is_told_of_is_read_once():
    """Although the stream ends before it, which the relay asks for again and again."""
    log, asked, asks = await a_log([["place", "start"]]), list[int](), 0
    reads, bus = log.log, MemoryBus()

    async def read(after: int, limit: int) -> Any:
        asked.append(after)
        return await reads(after, limit)

    async def ask(method: str) -> None:
        nonlocal asks
        asks += method == "lease"

    log.log = read  # type: ignore[method-assign]
    async with running(a_relay(log, around(bus, before=ask))) as relay:
        await at_the_end(relay, log)
        seen = len(asked)
        before = asks
        await until(lambda: asks > before + 2 and len(asked) > seen + 2)
    assert {*asked[seen:]} == {await log.last_position()}


async def test_a_stream_that_is_lost_is_told_anew(stage: Stage, bus: Bus):
    log = await a_log(LIVES)
    async with running(a_relay(log, bus)) as relay:
        await at_the_end(relay, log)
    await stage.expire("notifications")
    async with running(a_relay(log, await stage.connect())) as relay:
        await at_the_end(relay, log)
    await assert_all_told(stage, log)


@pytest.mark.parametrize("keep_s", [1.0, 2.5, 4.0])
async def test_what_the_stream_would_have_forgotten_is_not_told_anew(keep_s: float):
    log = await a_log(LIVES)
    now = MORNING + timedelta(seconds=9)
    bus = MemoryBus()
    relay = a_relay(log, bus, keep_s=keep_s, clock=lambda: now)
    async with running(relay):
        await at_the_end(relay, log)
    younger = [
        recorded.position
        for recorded in await log.log(0, 1000)
        if recorded.moment.at >= now - timedelta(seconds=keep_s)
    ]
    expected = [m for m in await messages(log) if m.position >= younger[0]]
    assert 0 < len(expected) < len(await messages(log))
    assert list(bus.told("notifications")) == expected


# what cannot be told


def broken(seen: Seen) -> VolumeNotice:
    raise LookupError("no such field")


@pytest.fixture
def a_mistake(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """In what is said of descriptions; undone, it is mended."""
    notices = dict(catalogue.NOTICES)
    notices[volume.Described] = [tells("volume.update.end", broken)]
    monkeypatch.setattr(catalogue, "NOTICES", notices)
    return monkeypatch


async def test_what_cannot_be_told_is_parked_and_the_rest_is_told(
    stage: Stage, bus: Bus, a_mistake: pytest.MonkeyPatch
):
    log = await a_log([["place", "start", "made", "describe", "delete", "remove", "gone"]])
    for _ in range(3):
        async with running(a_relay(log, bus)) as relay:
            await at_the_end(relay, log)
    told = [m.subject.removesuffix(f".{an_id(1)}") for m in await stage.told("notifications")]
    assert told == [
        f"lapilli_notifications.volume.{verb}"
        for verb in ("create.start", "create.end", "delete.start", "delete.end")
    ]
    [parked] = await bus.parked()
    assert parked.consumer == "notifications"
    assert parked.subject == f"lapilli.volume.described._.{an_id(1)}"
    assert parked.error == "LookupError: no such field"


async def test_a_relay_that_comes_by_again_parks_nothing_twice(
    stage: Stage, bus: Bus, a_mistake: pytest.MonkeyPatch
):
    log = await a_log([["place", "start", "made", "describe"]])
    for _ in range(3):  # each begins with the last that was told, which is before it
        async with running(a_relay(log, bus)) as relay:
            await at_the_end(relay, log)
    assert len(await bus.parked()) == 1


async def test_what_was_parked_is_told_once_it_is_retried(
    stage: Stage, bus: Bus, a_mistake: pytest.MonkeyPatch
):
    log = await a_log([["place", "start", "made", "describe", "delete", "remove", "gone"]])
    async with running(a_relay(log, bus)) as relay:
        await at_the_end(relay, log)
    a_mistake.undo()
    await bus.retry_parked((await bus.parked())[0].id)

    notifications = the_notifications(log, bus)
    retrying = Notification(
        commands=Commands(log), clock=lambda: MORNING, notifications=notifications
    )
    working = asyncio.create_task(Worker(retrying, bus=bus, workload=WORKLOAD).run())

    async def told() -> bool:
        return len(await stage.told("notifications")) == 6

    await eventually(stage, told)
    working.cancel()
    await asyncio.wait([working], timeout=PATIENCE_S)

    expected = {m.id: m.payload for m in await messages(log)}
    assert {m.id: m.payload for m in await stage.told("notifications")} == expected
    async with running(a_relay(log, bus)) as relay:
        await log.append(a_life(2, ["place"]).pending)
        await at_the_end(relay, log)
    assert len(await stage.told("notifications")) == 7
    assert await bus.parked() == []
