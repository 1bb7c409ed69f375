"""Extending: one size in the log, on the backend and in the quota, whatever dies or fails."""

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Hold, Work
from domain.aggregates.volume import extension
from services.processes.extension import Extending, ExtensionPlacement
from tests.services.processes.deaths import die_everywhere, die_everywhere_twice
from tests.services.processes.ring import POOL, Process, Ring, a_ring_with_a_volume
from tests.support.builders import an_id

FULL = DriverFailure("the shelf is full", True)


async def a_volume_to_extend() -> Ring:
    ring = await a_ring_with_a_volume()
    await ring.extend(5)
    return ring


async def assert_extended(ring: Ring) -> None:
    await assert_settled(ring, size_gib=5)
    assert (await ring.volume()).status == "available"


async def assert_settled(ring: Ring, *, size_gib: int) -> None:
    assert (await ring.volume()).size_gib == size_gib
    assert ring.objects == {f"volume-{an_id(1)}": True}
    assert await ring.world.usage() == {"volumes": (1, 0), "gigabytes": (size_gib, 0)}
    assert await ring.promised_gib() == size_gib
    await ring.world.assert_sound()
    assert await ring.bus.parked() == []


async def test_an_extended_volume_is_larger_everywhere():
    ring = await a_volume_to_extend()
    await ring.go_on()
    await assert_extended(ring)
    assert ring.backend.pools[POOL].provisioned_gib == 5


@pytest.mark.parametrize("work", Work)
async def test_an_extension_that_fails_says_why_and_is_not_paid_for(work: Work):
    ring = await a_volume_to_extend()
    ring.faults.plan("extend_volume", Fault(failure=FULL, work=work))
    await ring.go_on()
    await assert_settled(ring, size_gib=2)
    assert (await ring.volume()).status == "error_extending"
    failed = (await ring.store.events(an_id(1)))[-1].event
    assert isinstance(failed, extension.ExtensionFailed)
    assert failed.reason == "the shelf is full"


async def test_a_driver_that_hangs_is_given_up_on():
    ring = await a_volume_to_extend()
    placing = ExtensionPlacement.name
    await ring.process().handle(placing, await ring.the_delivery(placing))
    ring.faults.plan("extend_volume", Fault(hold=Hold()))
    impatient = Process(ring, "worker-1", timeout_s=0.01)
    await impatient.handle(Extending.name, await ring.the_delivery(Extending.name))
    await assert_settled(ring, size_gib=2)
    assert (await ring.volume()).status == "error_extending"


async def test_a_process_may_die_anywhere_while_it_extends():
    points = await die_everywhere(a_volume_to_extend, assert_extended)
    assert {"before extend_volume", "after extend_volume"} <= set(points)


async def test_two_processes_may_die_anywhere_one_after_the_other():
    assert await die_everywhere_twice(a_volume_to_extend, assert_extended) > 20


async def test_a_volume_in_error_extending_can_be_deleted():
    ring = await a_volume_to_extend()
    ring.faults.plan("extend_volume", Fault(failure=FULL))
    await ring.go_on()
    await ring.delete()
    await ring.go_on()
    await ring.assert_nothing_left()


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_a_volume_deleted_by_force_while_it_is_extended_leaves_nothing(steps: int):
    ring = await a_volume_to_extend()
    for _ in range(steps):
        await ring.work(ring.process())
    await ring.delete(force=True)
    await ring.go_on()
    await ring.assert_nothing_left()
