"""Commands about volume types and quota limits."""

import asyncio

import pytest

from domain.errors import LimitBelowUsage
from services.commands.quota_limits import ChangeQuotaLimits, ResetQuotaLimits
from services.commands.volume_type import EnsureDefaultVolumeType
from tests.services.commands.world import ReluctantStore, World
from tests.support.builders import PROJECT, a_moment

NOW = a_moment(60)


def change(**limits: int) -> ChangeQuotaLimits:
    return ChangeQuotaLimits(subject=PROJECT, limits=limits, at=NOW)


RESET = ResetQuotaLimits(subject=PROJECT, at=NOW)
ENSURE = EnsureDefaultVolumeType(name="default", at=NOW)


async def test_the_default_type_is_made_once_however_often_it_is_ensured():
    world = World()
    ids = {await world.run(ENSURE), await world.run(ENSURE)}
    ids.add(await world.another_process().run(ENSURE))
    assert len(ids) == 1
    assert await world.store.last_position() == 1


async def test_processes_that_start_at_once_make_one_default_type():
    store = ReluctantStore(iter([3, 1, 2, 3, 1, 2, 3, 1]))
    ids = await asyncio.gather(*(World(store).run(ENSURE) for _ in range(4)))
    assert len(set(ids)) == 1
    assert await store.last_position() == 1


async def test_types_of_different_names_are_different_types():
    world = World()
    other = EnsureDefaultVolumeType(name="other", at=NOW)
    assert await world.run(ENSURE) != await world.run(other)


async def test_limits_are_merged_and_reset():
    world = World()
    await world.run(change(volumes=5, gigabytes=9))
    await world.run(change(volumes=-1))
    assert await world.store.limits(PROJECT) == {"volumes": -1, "gigabytes": 9}
    await world.run(RESET)
    assert await world.store.limits(PROJECT) == {}


async def test_resetting_nothing_records_nothing():
    world = World()
    assert await world.news(RESET) == []
    await world.run(change(volumes=5))
    await world.run(RESET)
    assert await world.news(RESET) == []


@pytest.mark.parametrize("state", ["requested", "available"])
async def test_a_limit_below_what_is_reserved_or_used_is_refused_and_changes_nothing(state):
    world = await (await World().has_a_type()).has_a_volume(in_state=state, size_gib=5)
    before = await world.verbs()
    with pytest.raises(LimitBelowUsage) as refused:
        await world.run(change(volumes=7, gigabytes=4))
    assert (refused.value.resource, refused.value.consumed) == ("gigabytes", 5)
    assert await world.verbs() == before
    assert await world.store.limits(PROJECT) == {}


async def test_two_processes_that_change_different_limits_lose_neither():
    store = ReluctantStore(iter([2, 1, 2, 1, 1, 2]))
    await asyncio.gather(World(store).run(change(volumes=5)), World(store).run(change(gigabytes=9)))
    assert await store.limits(PROJECT) == {"volumes": 5, "gigabytes": 9}
