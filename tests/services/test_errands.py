"""Waiting for what others do: told once it is in the log, by whatever way one hears of it."""

import asyncio
from typing import Any

import pytest

from adapters.event_store.memory import MemoryEventStore
from domain.aggregates import volume
from domain.errors import Unavailable
from domain.event import Event, Recorded
from services.errands import Errand, Outcomes
from services.wakeup import Wakeup
from tests.services.commands.world import LIMITS, STEPS, World
from tests.support.around import Outage, around
from tests.support.builders import an_id

FOREVER_S = 30.0


class Stage:
    """A log, somebody who waits for it, and volumes whose provisioning is waited for."""

    def __init__(self, *, signals: bool = True) -> None:
        self.store = MemoryEventStore(default_limits=LIMITS)
        self.world = World(self.store)
        self.outage = Outage("database")
        wakeup = Wakeup()
        if signals:
            self.store.on_append(lambda _: wakeup.set())
        self.outcomes = Outcomes(around(self.store, before=self.outage.before), wakeup)

    async def errand(self, number: int = 1) -> Errand:
        """A volume that is being provisioned."""
        await self.world.has_a_volume(in_state="provisioning", number=number)
        now = await self.world.volume(number)
        return Errand(
            aggregate_id=now.id,
            version=now.version,
            host="host1@gold",
            ends=lambda event: isinstance(event, volume.Provisioned | volume.ProvisioningFailed),
            failure=lambda event: None,
        )

    async def do(self, step: str, number: int = 1) -> None:
        await self.world.run(await STEPS[step](self.world, an_id(number)))

    def waiting(self, errand: Errand) -> "asyncio.Task[Recorded[Event] | None]":
        return asyncio.create_task(self.outcomes.of(errand, timeout_s=FOREVER_S))


async def a_stage(**how: Any) -> Stage:
    stage = Stage(**how)
    await stage.world.has_a_type()
    return stage


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def told(task: "asyncio.Task[Recorded[Event] | None]") -> str:
    async with asyncio.timeout(FOREVER_S):
        recorded = await task
    assert recorded is not None and recorded.position > 0
    return recorded.event.verb


@pytest.mark.parametrize(
    ("step", "verb"), [("made", "provisioned"), ("not made", "provisioning_failed")]
)
async def test_an_outcome_is_told_when_it_is_stored(step, verb):
    stage = await a_stage()
    waiting = stage.waiting(await stage.errand())
    await turns()
    assert not waiting.done()
    await stage.do(step)
    assert await told(waiting) == verb


async def test_an_outcome_that_came_before_anybody_waited_is_told():
    stage = await a_stage()
    errand = await stage.errand()
    assert await stage.outcomes.so_far(errand) is None
    await stage.do("made")
    assert await told(stage.waiting(errand)) == "provisioned"


async def test_an_outcome_is_found_without_any_signal():
    stage = await a_stage(signals=False)
    waiting = stage.waiting(await stage.errand())
    await turns()
    await stage.do("made")
    assert await told(waiting) == "provisioned"


async def test_each_is_told_of_its_own_and_one_errand_may_have_two_who_wait():
    stage = await a_stage()
    errands = [await stage.errand(number) for number in (1, 2)]
    waiting = [stage.waiting(errand) for errand in (*errands, errands[0])]
    await turns()
    await stage.do("not made", 2)
    assert await told(waiting[1]) == "provisioning_failed"
    assert not waiting[0].done() and not waiting[2].done()
    await stage.do("made", 1)
    assert [await told(waiting[0]), await told(waiting[2])] == ["provisioned"] * 2


async def test_when_nobody_waits_nothing_is_read_and_the_next_who_waits_is_told_again():
    stage = await a_stage()
    first = stage.waiting(await stage.errand(1))
    await turns()
    await stage.do("made", 1)
    assert await told(first) == "provisioned"
    errand = await stage.errand(2)  # long after
    await turns()
    second = stage.waiting(errand)
    await turns()
    await stage.do("made", 2)
    assert await told(second) == "provisioned"


async def test_nothing_is_made_up_when_the_time_is_up():
    stage = await a_stage()
    assert await stage.outcomes.of(await stage.errand(), timeout_s=0.01) is None


async def test_who_stops_waiting_is_forgotten():
    stage = await a_stage()
    errand = await stage.errand()
    gone, stays = stage.waiting(errand), stage.waiting(errand)
    await turns()
    gone.cancel()
    await turns()
    await stage.do("made")
    assert await told(stays) == "provisioned"


async def test_an_outage_while_one_waits_is_outlived_and_one_at_the_beginning_is_told():
    stage = await a_stage()
    errand = await stage.errand()
    stage.outage.away = True
    with pytest.raises(Unavailable):
        await stage.outcomes.of(errand, timeout_s=FOREVER_S)
    stage.outage.away = False
    waiting = stage.waiting(errand)
    await turns()
    stage.outage.away = True
    await stage.do("made")
    await turns()
    assert not waiting.done()
    stage.outage.away = False
    assert await told(waiting) == "provisioned"
