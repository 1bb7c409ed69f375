"""Extending: quota, room, and what is settled with each outcome."""

import msgspec
import pytest

from domain.errors import InvalidRequest, NotAllowed, NotFound, OverQuota, Superseded
from domain.placement import Promise
from services.commands.extension import (
    ExtendVolume,
    FinishExtension,
    PlaceExtension,
    StartExtension,
)
from services.commands.volume import DeleteVolume, FinishDeletion, StartDeletion
from tests.services.commands.world import World
from tests.support.builders import HOST, PROJECT, a_moment, a_pool, an_id

GONE = {"volumes": (0, 0), "gigabytes": (0, 0)}


async def a_world(**changes) -> World:
    world = await World().has_a_type()
    return await world.has_a_volume(in_state="available", **changes)


def extend(to: int, project_id: str | None = PROJECT) -> ExtendVolume:
    return ExtendVolume(id=an_id(1), project_id=project_id, new_size_gib=to, at=a_moment())


def place(*, total_gib: float = 100.0) -> PlaceExtension:
    return PlaceExtension(id=an_id(1), pools=[a_pool(total_gib=total_gib)], at=a_moment())


START = StartExtension(id=an_id(1), worker="worker-1", at=a_moment())


async def finish(world: World, failure: str | None = None) -> FinishExtension:
    attempt = (await world.volume()).attempt
    return FinishExtension(id=an_id(1), attempt=attempt, failure=failure, at=a_moment())


async def promised(world: World) -> Promise:
    _, promises = await world.store.promises()
    return promises[HOST]


async def test_the_difference_is_reserved_with_the_wish_and_committed_with_the_success():
    world = await a_world()
    assert await world.news(extend(5)) == [
        "quota_reservation.held",
        "volume.extension_requested",
    ]
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 3)}
    assert await world.news(place()) == ["volume.extension_placed"]
    assert await world.run(START) == 2
    assert await world.news(await finish(world)) == [
        "volume.extended",
        "quota_reservation.committed",
    ]
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (5, 0)}
    assert (await world.volume()).size_gib == 5
    await world.assert_sound()


async def test_a_volume_that_grew_twice_gives_everything_back_when_it_is_deleted():
    world = await a_world()
    for size in (3, 7):
        for command in (extend(size), place(), START):
            await world.run(command)
        await world.run(await finish(world))
    await world.run(DeleteVolume(id=an_id(1), project_id=PROJECT, at=a_moment()))
    attempt = await world.run(StartDeletion(id=an_id(1), worker="w", at=a_moment()))
    await world.run(FinishDeletion(id=an_id(1), attempt=attempt, at=a_moment()))
    assert await world.usage() == GONE
    assert await promised(world) == Promise(0, 0)
    await world.assert_sound()


async def test_what_the_quota_does_not_allow_leaves_only_the_refusal():
    world = await a_world()
    with pytest.raises(OverQuota):
        await world.run(extend(101))
    assert (await world.verbs())[-1] == "quota_reservation.refused"
    assert (await world.volume()).operation == "idle"
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}


async def test_a_refusal_does_not_stand_in_the_way_of_the_next_try():
    world = await a_world()
    for second, size in enumerate((101, 101, 5)):
        command = msgspec.structs.replace(extend(size), at=a_moment(second))
        if size == 5:
            await world.run(command)
        else:
            with pytest.raises(OverQuota):
                await world.run(command)
    assert (await world.volume()).status == "extending"


async def test_without_room_it_is_as_it_was_and_the_quota_is_free_again():
    world = await a_world()
    await world.run(extend(5))
    assert await world.news(place(total_gib=4.0)) == [
        "volume.extension_refused",
        "quota_reservation.rolled_back",
    ]
    volume = await world.volume()
    assert (volume.status, volume.size_gib) == ("available", 2)
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    await world.assert_sound()


async def test_a_pool_that_does_not_report_has_no_room():
    world = await a_world()
    await world.run(extend(5))
    await world.run(PlaceExtension(id=an_id(1), pools=[], at=a_moment()))
    assert (await world.verbs())[-2:] == [
        "volume.extension_refused",
        "quota_reservation.rolled_back",
    ]


@pytest.mark.parametrize("by", ["the backend", "force"])
async def test_a_failure_gives_back_quota_and_room(by):
    world = await a_world()
    for command in (extend(5), place(), START):
        await world.run(command)
    assert await promised(world) == Promise(5, 1)
    late = await finish(world)
    if by == "force":
        await world.run(DeleteVolume(id=an_id(1), project_id=PROJECT, force=True, at=a_moment()))
        assert (await world.volume()).state == "deleting"
    else:
        await world.run(await finish(world, "the shelf is full"))
        assert (await world.volume()).status == "error_extending"
    assert await promised(world) == Promise(2, 1)
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    with pytest.raises(Superseded):
        await world.run(late)
    await world.assert_sound()


async def test_two_extensions_of_one_pool_never_promise_the_same_room():
    world = await a_world()
    await world.run(extend(50))
    await world.run(place())
    await world.has_a_volume(in_state="available", number=2, size_gib=1)
    await world.run(ExtendVolume(id=an_id(2), project_id=PROJECT, new_size_gib=49, at=a_moment()))
    await world.run(
        PlaceExtension(id=an_id(2), pools=[a_pool(total_gib=60, foreign_gib=0.0)], at=a_moment())
    )
    assert (await world.volume(2)).status == "available"
    assert (await promised(world)).gib == 51


async def test_refusals():
    world = await a_world()
    with pytest.raises(NotFound):
        await world.run(extend(5, project_id="another"))
    with pytest.raises(InvalidRequest):
        await world.run(extend(2))
    await world.run(extend(5))
    with pytest.raises(NotAllowed):
        await world.run(extend(6))
    with pytest.raises(NotAllowed):
        await world.run(DeleteVolume(id=an_id(1), project_id=PROJECT, at=a_moment()))
