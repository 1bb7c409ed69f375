"""Deleting volumes: nothing stays behind, whatever dies, fails, or comes in between."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.drivers.contract import DriverFailure, VolumeBusy, VolumeSpec
from adapters.drivers.memory import Fault, Faults, Hold, MemoryDriver, Work
from domain.aggregates import volume
from domain.errors import NotAllowed
from services.commands import HANDLERS
from services.commands.volume import DeleteVolume
from services.unit_of_work import Commands
from tests.services.processes.deaths import Given, Then, die_everywhere, die_everywhere_twice
from tests.services.processes.ring import (
    BACKEND,
    POOL,
    Process,
    Ring,
    a_placed_volume,
    a_ring,
    a_ring_with_a_volume,
)
from tests.services.processes.schedules import Chance, Chooser, every_schedule
from tests.services.processes.story import Story
from tests.support.builders import PROJECT, a_moment, an_id
from tests.support.patience import PATIENCE_S

STUCK = DriverFailure("the target does not let go", False)
HALF_STUCK = Fault(failure=STUCK, work=Work.HALF)
BUSY = VolumeBusy("attached to web-1")
NO_SPACE = Fault(failure=DriverFailure("the shelf is full", True), work=Work.HALF)
FOR_EVER = 100


async def a_volume_to_delete() -> Ring:
    ring = await a_ring_with_a_volume()
    await ring.delete()
    return ring


async def last_event(ring: Ring) -> object:
    return (await ring.store.events(an_id(1)))[-1].event


# one attempt


async def test_a_deleted_volume_leaves_neither_an_object_nor_usage():
    ring = await a_volume_to_delete()
    await ring.go_on()
    await ring.assert_nothing_left()
    assert await last_event(ring) == volume.Deleted(
        host=f"{BACKEND}#{POOL}", project_id=PROJECT, size_gib=2
    )


async def test_a_busy_volume_is_available_again_and_stays_paid_for():
    ring = await a_volume_to_delete()
    ring.faults.fail("delete_volume", BUSY)
    await ring.go_on()
    await ring.assert_one_available()
    busy = await last_event(ring)
    assert isinstance(busy, volume.FoundBusy) and busy.reason == "attached to web-1"


async def test_a_busy_volume_can_be_deleted_when_it_is_not_busy_any_more():
    ring = await a_volume_to_delete()
    ring.faults.fail("delete_volume", BUSY)
    await ring.go_on()
    await ring.delete()
    await ring.go_on()
    await ring.assert_nothing_left()


@pytest.mark.parametrize("work", Work)
async def test_a_deletion_that_fails_tells_why_and_force_then_works(work: Work):
    ring = await a_volume_to_delete()
    ring.faults.plan("delete_volume", Fault(failure=STUCK, work=work))
    await ring.go_on()
    failed = await last_event(ring)
    assert (await ring.volume()).state == "error_deleting"
    assert isinstance(failed, volume.DeletionFailed)
    assert failed.reason == "the target does not let go"
    assert await ring.world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    with pytest.raises(NotAllowed):
        await ring.delete()
    await ring.delete(force=True)
    await ring.go_on()
    await ring.assert_nothing_left()


async def test_a_driver_that_hangs_is_given_up_on_and_that_is_recorded():
    ring = await a_volume_to_delete()
    ring.faults.plan("delete_volume", Fault(hold=Hold()))
    impatient = Process(ring, "worker-1", timeout_s=0.01)
    await impatient.handle("deletion", await ring.the_delivery("deletion"))
    failed = await last_event(ring)
    assert isinstance(failed, volume.DeletionFailed)
    assert failed.reason == "the driver did not answer within 0.01 s"


async def test_force_works_for_who_last_saw_the_volume_before_its_deletion_failed():
    ring = await a_ring_with_a_volume()
    api = Commands(ring.store)  # a process that hears nothing of what others do
    await _force(api)
    ring.faults.fail("delete_volume", STUCK)
    await ring.go_on()
    assert (await ring.volume()).state == "error_deleting"
    await _force(api)
    await ring.go_on()
    await ring.assert_nothing_left()


async def _force(api: Commands) -> None:
    command = DeleteVolume(id=an_id(1), project_id=PROJECT, force=True, at=a_moment())
    await api.run(HANDLERS[DeleteVolume], command)


# several attempts


async def test_old_messages_in_any_order_change_nothing():
    ring = await a_volume_to_delete()
    await ring.go_on()
    before = await ring.world.verbs()
    for order in (1, -1):
        ring.bus.lose_log()  # the stream is fed again from the log
        again = (await ring.deliveries())[::order]
        assert [kind for kind, _ in again[::order]] == ["placement", "provisioning", "deletion"]
        for kind, delivery in again:
            await ring.process("worker-2").handle(kind, delivery)
    await ring.go_on()
    assert await ring.world.verbs() == before
    await ring.assert_nothing_left()


@pytest.mark.parametrize("failure", [STUCK, BUSY], ids=["failed", "busy"])
async def test_the_late_failure_of_a_superseded_attempt_is_refused(failure: DriverFailure):
    ring = await a_volume_to_delete()
    held = Hold()
    ring.faults.plan("delete_volume", Fault(hold=held, failure=failure))
    delivery = await ring.the_delivery("deletion")
    slow = asyncio.create_task(ring.process("worker-1").handle("deletion", delivery))
    async with asyncio.timeout(PATIENCE_S):
        await held.reached.wait()
    await ring.process("worker-2").handle("deletion", delivery)
    held.release()
    await slow
    await ring.assert_nothing_left()


# death


async def a_half_made_volume_to_delete() -> Ring:
    ring = await a_ring()
    ring.faults.plan("create_volume", NO_SPACE)
    await ring.create()
    await ring.go_on()
    await ring.delete()
    return ring


async def a_volume_that_the_backend_does_not_let_go() -> Ring:
    ring = await a_volume_to_delete()
    ring.faults.plan("delete_volume", HALF_STUCK, times=FOR_EVER)
    return ring


async def a_busy_volume_to_delete() -> Ring:
    ring = await a_volume_to_delete()
    ring.faults.fail("delete_volume", BUSY, times=FOR_EVER)
    return ring


async def a_volume_not_wanted_any_more_whose_maker_died() -> Ring:
    """In the middle of its driver's work; its message is still to come again."""
    ring = await a_placed_volume()
    held, halved = Hold(), Faults()
    ring.faults.plan("create_volume", Fault(hold=held))
    halved.plan("create_volume", NO_SPACE)
    dying = asyncio.create_task(
        ring.process("worker-0").handle("provisioning", await ring.the_delivery("provisioning"))
    )
    async with asyncio.timeout(PATIENCE_S):
        await held.reached.wait()
    dying.cancel()
    await asyncio.wait({dying})
    with pytest.raises(DriverFailure):
        await MemoryDriver(ring.backend, faults=halved).create_volume(
            VolumeSpec(id=an_id(1), size_gib=2, pool=POOL, project_id=PROJECT)
        )
    await ring.delete(force=True)
    assert (await ring.volume()).state == "cancelling"
    assert ring.objects == {f"volume-{an_id(1)}": False}
    return ring


async def nothing_left(ring: Ring) -> None:
    await ring.assert_nothing_left()


async def back(ring: Ring) -> None:
    """What the dead process did before it heard that the volume was busy, does not matter."""
    assert (await ring.volume()).state == "available"
    assert await ring.world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    await ring.world.assert_sound()


async def in_error_and_gone_by_force(ring: Ring) -> None:
    assert (await ring.volume()).state == "error_deleting"
    await ring.world.assert_sound()
    ring.faults = Faults()
    await ring.delete(force=True)
    await ring.go_on()
    await ring.assert_nothing_left()


LIVES = [
    pytest.param(a_volume_to_delete, nothing_left, id="deleted"),
    pytest.param(a_half_made_volume_to_delete, nothing_left, id="half made, deleted"),
    pytest.param(
        a_volume_not_wanted_any_more_whose_maker_died, nothing_left, id="cancelled, deleted"
    ),
    pytest.param(
        a_volume_that_the_backend_does_not_let_go, in_error_and_gone_by_force, id="not deleted"
    ),
    pytest.param(a_busy_volume_to_delete, back, id="busy"),
]


@pytest.mark.parametrize(("given", "then"), LIVES)
async def test_wherever_a_process_dies_the_next_one_brings_the_volume_to_rest(
    given: Given, then: Then
):
    points = await die_everywhere(given, then)
    assert points[-1] == "after ack"
    assert {"before append", "after append", "before ack"} < set(points)
    assert {"before delete_volume", "during delete_volume"} < set(points)


@pytest.mark.parametrize(("given", "then"), LIVES)
async def test_dying_twice_does_no_more_harm_than_once(given: Given, then: Then):
    assert await die_everywhere_twice(given, then) > 100


# a forced deletion in the middle of everything


CALLS = ("create_volume", "delete_volume")
GATES = ("append", *CALLS)


async def forced_at_some_moment(
    choices: Chooser, *, gates: Sequence[str] = GATES, repeats: int = 0
) -> str:
    """Nothing is left; the state in which the deletion was forced."""
    ring = await a_ring()
    await ring.create()
    story = Story(ring, gates=gates, repeats=repeats)
    await story.go(choices)
    await ring.go_on()
    await ring.assert_nothing_left()
    return story.forced_in


@pytest.mark.parametrize(
    ("gates", "repeats", "at_least"), [(GATES, 0, 20), (("append",), 1, 500), (CALLS, 1, 300)]
)
async def test_forced_at_any_moment_of_its_creation_it_goes_whatever_the_order(
    gates: Sequence[str], repeats: int, at_least: int
):
    forced_in = [
        await forced_at_some_moment(choices, gates=gates, repeats=repeats)
        for choices in every_schedule()
    ]
    assert set(forced_in) == {"requested", "placed", "provisioning", "available"}
    assert len(forced_in) > at_least


@pytest.mark.parametrize("seed", range(0, 400, 100))
async def test_forced_while_everything_comes_several_times_it_goes(seed: int):
    for each in range(seed, seed + 100):
        await forced_at_some_moment(Chance(each), repeats=4)
