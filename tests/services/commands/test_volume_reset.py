"""What an administrator says a volume is, and that nothing is lost by it."""

import pytest

from domain.errors import InvalidRequest, LapilliError, NotAllowed, Superseded
from services.commands.extension import ExtendVolume
from services.commands.volume import DeleteVolume
from services.commands.volume_reset import ResetVolume
from tests.services.commands.world import PATHS, STEPS, World
from tests.support.builders import PROJECT, a_moment, an_id

STATUSES = ["available", "in-use", "error", "error_deleting", "error_extending"]
INTERIM = ["creating", "deleting", "extending", "attaching", "detaching", "reserved", "nonsense"]


def reset(status: str) -> ResetVolume:
    return ResetVolume(id=an_id(1), project_id=None, status=status, at=a_moment())


async def a_world(state: str) -> World:
    return await (await World().has_a_type()).has_a_volume(in_state=state)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("state", [state for state in PATHS if not state.startswith("deleted")])
async def test_whatever_is_said_the_quota_is_right_and_it_can_be_deleted(state, status):
    world = await a_world(state)
    try:
        await world.run(reset(status))
    except LapilliError:
        await world.assert_sound()
        return
    assert (await world.volume()).status == status
    await world.assert_sound()
    await world.run(DeleteVolume(id=an_id(1), project_id=PROJECT, force=True, at=a_moment()))
    if (await world.volume()).state != "deleted":
        for step in ("remove", "gone"):
            await world.run(await STEPS[step](world, an_id(1)))
    assert await world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}
    await world.assert_sound()


@pytest.mark.parametrize("status", INTERIM)
async def test_a_status_that_tells_of_work_cannot_be_said(status):
    world = await a_world("available")
    before = await world.verbs()
    with pytest.raises(InvalidRequest, match="only to"):
        await world.run(reset(status))
    assert await world.verbs() == before


async def test_what_was_under_way_is_given_up_with_its_quota():
    world = await a_world("available")
    await world.run(ExtendVolume(id=an_id(1), project_id=PROJECT, new_size_gib=5, at=a_moment()))
    await world.run(reset("available"))
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    assert (await world.volume()).status == "available"


async def test_a_worker_that_was_making_it_is_told_that_it_is_not_wanted():
    world = await a_world("provisioning")
    late = await STEPS["made"](world, an_id(1))
    await world.run(reset("error"))
    with pytest.raises(Superseded):
        await world.run(late)
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}


@pytest.mark.parametrize("state", ["requested", "placed", "provisioning", "deleting", "removing"])
async def test_what_is_being_made_or_removed_is_not_well_because_somebody_says_so(state):
    with pytest.raises(NotAllowed):
        await (await a_world(state)).run(reset("available"))
