"""Cinder's defects in what follows a failure: lost casts, leftovers, statuses put back or stuck."""

import pytest

from adapters.drivers.memory import Fault, Work
from domain.aggregates.volume import resetting
from domain.errors import InvalidRequest, NotAllowed
from domain.lifecycle import IDLE, STAYS
from domain.machines.volume import VOLUME
from domain.machines.volume_operation import VOLUME_OPERATION
from services.commands.volume import DeleteVolume
from services.commands.volume_reset import ResetVolume
from tests.services.commands.rivals import RIVALS, SITUATIONS
from tests.services.processes.ring import a_ring
from tests.services.processes.several import BROKEN, Several
from tests.services.processes.test_attempts import WRONG, three
from tests.support.around import Crash, Life
from tests.support.builders import PROJECT, a_moment, an_id

GONE = {"volumes": (0, 0), "gigabytes": (0, 0)}
HERE = {"volumes": (1, 0), "gigabytes": (2, 0)}


async def a_reschedule() -> Several:
    """The first backend fails half-way, the next one will do."""
    ring = await three()
    ring.faults["big"].plan("create_volume", Fault(failure=BROKEN, work=Work.HALF), times=10)
    await ring.create()
    return ring


async def test_defect_06_a_reschedule_is_never_lost_wherever_the_process_dies():
    ends = 0
    while True:
        ring = await a_reschedule()
        try:
            await ring.go_on(life=Life(ends_at=ends))
            break
        except Crash:
            ends += 1
        now = await ring.volume()
        assert now.host is not None or now.state == "requested"  # which the log tells placement
        await ring.go_on()
        made = await ring.volume()
        assert (made.state, made.host) == ("available", "h@middle#p")
        verbs = await ring.verbs()
        assert verbs[verbs.index("rescheduled") + 1] == "placed"
    assert ends > 20


@pytest.mark.parametrize("failing", [("big",), ("big", "middle"), ("big", "middle", "small")])
async def test_defect_07_what_failed_attempts_leave_on_backends_is_removed(failing):
    ring = await three()
    ring.fails(*failing)
    await ring.create()
    await ring.go_on()
    made = await ring.volume()
    assert made.host is not None
    holder = made.host.partition("@")[2].partition("#")[0]
    assert ring.held == ([holder] if made.state == "available" else [])
    await ring.world.run(DeleteVolume(id=an_id(1), project_id=PROJECT, at=a_moment()))
    await ring.go_on()
    assert ring.held == []


async def test_defect_07_what_no_other_backend_may_try_is_removed_at_once():
    ring = await three()
    ring.fails("big", failure=WRONG)
    await ring.create()
    await ring.go_on()
    assert ((await ring.volume()).state, ring.held) == ("error", [])
    await ring.world.run(DeleteVolume(id=an_id(1), project_id=PROJECT, at=a_moment()))
    await ring.go_on()
    assert ring.held == []


async def test_defect_09_what_was_accepted_is_made_whoever_died_before_telling():
    ring = await a_ring()
    await ring.create()
    assert await ring.bus.last_position() < await ring.store.last_position()  # nobody was told
    await ring.go_on(ring.process("restarted"))
    await ring.assert_one_available()


async def test_defect_09_quota_is_given_back_once():
    ring = await a_ring()
    await ring.create()
    await ring.create(2)
    await ring.delete()
    await ring.go_on()
    assert (await ring.volume()).state == "deleted"
    with pytest.raises(NotAllowed):
        await ring.world.run(await RIVALS["gone"](ring.world, 0))
    assert await ring.world.usage() == HERE  # the other one's


def test_defect_10_nothing_has_to_remember_a_status_to_put_it_back():
    """What begins or ends an operation leaves the volume's state alone, but for failing."""
    begins = {
        event
        for source, event, target in VOLUME_OPERATION.edges()
        if (source, target) != (IDLE, IDLE)
    }
    targets = {event: target for event, _, target in VOLUME.rows if event in begins}
    assert targets.keys() == begins
    assert {event for event in begins if targets[event] != STAYS} == {
        "extension_failed",
        "restore_cancelled",
        "restore_failed",
        "reversion_failed",
    }


@pytest.mark.parametrize(
    ("situation", "end"),
    [("extending", "place the extension nowhere"), ("awaiting-transfer", "withdraw")],
)
async def test_defect_10_what_comes_to_nothing_leaves_the_volume_as_it_was(situation, end):
    before = await (await SITUATIONS["available"]()).volume()
    world = await SITUATIONS[situation]()
    await world.run(await RIVALS[end](world, 0))
    after = await world.volume()
    after.version, after.since = before.version, before.since
    assert after == before


WORK_UNDER_WAY = [
    "creating", "attaching", "detaching", "reserved", "deleting", "managing", "unmanaging",
    "extending", "retyping", "reverting", "downloading", "uploading", "backing-up",
    "restoring-backup", "awaiting-transfer", "maintenance",
]  # fmt: skip
"""Cinder's statuses that tell of work under way: nobody would do it (lifecycles 1)."""


async def cinder_says(status: str) -> bool:
    """Whether its guard lets a status pass, with the comma that is missing in it."""
    return status not in ("deleting", "error_deletingdetaching")


async def ours_says(status: str) -> bool:
    """Whether an administrator can say so; a refusal changes nothing."""
    world = await SITUATIONS["available"]()
    before = await world.verbs()
    try:
        await world.run(ResetVolume(id=an_id(1), project_id=None, status=status, at=a_moment()))
    except InvalidRequest:
        assert await world.verbs() == before
        return False
    return True


@pytest.mark.parametrize(("says", "sound"), [(ours_says, True), (cinder_says, False)])
async def test_defect_24_no_status_can_be_said_that_leaves_a_volume_stuck(says, sound):
    stuck = [status for status in WORK_UNDER_WAY if await says(status)]
    assert (not stuck) is sound
    assert sound or "detaching" in stuck


@pytest.mark.parametrize("status", [s for s in resetting.OUTCOMES if s != "in-use"])
async def test_defect_24_what_can_be_said_leaves_a_volume_at_rest_that_can_be_deleted(status):
    world = await SITUATIONS["growing"]()
    await world.run(ResetVolume(id=an_id(1), project_id=None, status=status, at=a_moment()))
    assert (await world.volume()).at_rest
    for step in ("force delete", "remove", "gone"):
        await world.run(await RIVALS[step](world, 0))
    assert await world.usage() == GONE
