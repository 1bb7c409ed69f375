"""Snapshots, and volumes deleted with them: whoever dies, and whenever, nothing is left over."""

from collections.abc import Sequence

import pytest

from adapters.drivers.contract import DriverFailure, VolumeBusy
from adapters.drivers.memory import MemoryDriver
from services.commands.snapshot import ResetSnapshot
from services.processes.sweep import sweep
from services.unit_of_work import Commands
from tests.services.commands.world import snapshot_id
from tests.services.processes.deaths import die_everywhere
from tests.services.processes.ring import BACKEND, POOL, Ring, a_ring_with_a_volume
from tests.support.builders import a_moment, an_id

VOLUME, SNAPSHOT = f"volume-{an_id(1)}", f"snapshot-{snapshot_id()}"
ONE = {"volumes": (1, 0), "gigabytes": (2, 0)}
BOTH = {"volumes": (1, 0), "gigabytes": (4, 0), "snapshots": (1, 0)}
NOTHING = {"volumes": (0, 0), "gigabytes": (0, 0), "snapshots": (0, 0)}


async def asked_for() -> Ring:
    ring = await a_ring_with_a_volume()
    await ring.snapshot()
    return ring


async def with_snapshots(number: int = 1) -> Ring:
    ring = await a_ring_with_a_volume()
    for each in range(1, number + 1):
        await ring.snapshot(each)
    await ring.go_on()
    return ring


async def to_be_deleted() -> Ring:
    ring = await with_snapshots()
    await ring.delete_snapshot()
    return ring


async def to_be_emptied() -> Ring:
    ring = await with_snapshots(2)
    await ring.delete(cascade=True)
    return ring


async def assert_made(ring: Ring) -> None:
    assert (await ring.the_snapshot()).state == "available"
    assert ring.objects == {VOLUME: True, SNAPSHOT: True}
    assert await ring.world.usage() == BOTH
    await assert_sound(ring, promised_gib=4)


async def assert_deleted(ring: Ring) -> None:
    assert (await ring.the_snapshot()).state == "deleted"
    assert ring.objects == {VOLUME: True}
    assert await ring.world.usage() == {**ONE, "snapshots": (0, 0)}
    await assert_sound(ring, promised_gib=2)


async def assert_empty(ring: Ring) -> None:
    assert (await ring.volume()).state == "deleted"
    assert ring.objects == {}
    assert await ring.world.usage() == NOTHING
    await assert_sound(ring, promised_gib=0)


async def assert_sound(ring: Ring, *, promised_gib: int) -> None:
    assert await ring.promised_gib() == promised_gib
    await ring.world.assert_sound()
    assert await ring.bus.parked() == []


async def verbs(ring: Ring, number: int = 1) -> Sequence[str]:
    return [r.event.verb for r in await ring.store.events(snapshot_id(number))]


async def test_a_death_at_any_point_of_its_making_leaves_one_whole_snapshot():
    points = await die_everywhere(asked_for, assert_made)
    assert {"before create_snapshot", "during create_snapshot", "after create_snapshot"} <= {
        *points
    }


async def test_a_death_at_any_point_of_its_deletion_leaves_nothing_of_it():
    points = await die_everywhere(to_be_deleted, assert_deleted)
    assert {"before delete_snapshot", "during delete_snapshot", "after delete_snapshot"} <= {
        *points
    }


async def test_a_death_at_any_point_of_a_deletion_with_all_snapshots_leaves_nothing():
    points = await die_everywhere(to_be_emptied, assert_empty)
    assert points.count("during delete_snapshot") == 2
    assert "during delete_volume" in points


async def test_a_backend_that_fails_leaves_it_in_error_with_the_reason_until_it_is_deleted():
    ring = await a_ring_with_a_volume()
    ring.faults.fail("create_snapshot", DriverFailure("no space left", True))
    await ring.snapshot()
    await ring.go_on()
    failed = (await ring.store.events(snapshot_id()))[-1].event
    assert (failed.verb, failed.reason) == ("creation_failed", "no space left")  # type: ignore[attr-defined]
    assert await ring.world.usage() == BOTH
    await ring.delete_snapshot()
    await ring.go_on()
    await assert_deleted(ring)


async def test_a_pool_without_the_room_never_sees_it():
    ring = await a_ring_with_a_volume()
    await ring.extend(60)
    await ring.go_on()
    await ring.snapshot(counts_gigabytes=False)
    await ring.go_on()
    assert (await verbs(ring)) == ["requested", "placement_failed"]
    assert ring.objects == {VOLUME: True}
    await assert_sound(ring, promised_gib=60)


async def test_what_is_deleted_while_it_is_made_is_made_and_removed():
    ring = await asked_for()
    await ring.process().handle("snapshot-placement", await ring.the_delivery("snapshot-placement"))
    delivery = await ring.the_delivery("snapshot-creation")

    async def deleted_meanwhile(*_: object) -> None:
        await ring.delete_snapshot(force=True)

    process = ring.process()
    driver = process.managers["snapshot-creation"].driver  # type: ignore[attr-defined]
    create = driver.create_snapshot

    async def slow(spec):
        await deleted_meanwhile()
        return await create(spec)

    driver.create_snapshot = slow
    await process.handle("snapshot-creation", delivery)
    assert (await ring.the_snapshot()).state == "deleting"
    await ring.go_on()
    await assert_deleted(ring)


async def test_a_result_that_comes_after_its_deletion_is_undone():
    ring = await asked_for()
    await ring.process().handle("snapshot-placement", await ring.the_delivery("snapshot-placement"))
    delivery, process = await ring.the_delivery("snapshot-creation"), ring.process("slow")
    driver = process.managers["snapshot-creation"].driver  # type: ignore[attr-defined]
    create = driver.create_snapshot

    async def given_up_meanwhile(spec):
        reset = ResetSnapshot(id=spec.id, project_id=None, status="error", at=a_moment())
        await ring.world.another_process().run(reset)
        await ring.delete_snapshot()
        await ring.go_on(ring.process("other"))
        return await create(spec)

    driver.create_snapshot = given_up_meanwhile
    await process.handle("snapshot-creation", delivery)
    await ring.go_on()
    await assert_deleted(ring)


async def test_what_a_dead_worker_made_too_late_is_swept_and_nothing_else():
    ring = await with_snapshots(2)
    pool = ring.backend.pools[POOL]
    left = pool.snapshots[SNAPSHOT]
    await ring.delete_snapshot()
    await ring.go_on()
    pool.snapshots.update({SNAPSHOT: left, "snapshot-of-somebody-else": left})
    driver = MemoryDriver(ring.backend)
    swept = await sweep(
        Commands(ring.store), driver, backend=BACKEND, timeout_s=10.0, moment=a_moment
    )
    assert swept == 1
    assert {*pool.snapshots} == {f"snapshot-{snapshot_id(2)}", "snapshot-of-somebody-else"}


@pytest.mark.parametrize(
    ("failure", "snapshot", "says"),
    [
        (VolumeBusy("exported"), "available", "is available: exported"),
        (DriverFailure("offline", True), "error_deleting", "is error_deleting: offline"),
    ],
)
async def test_a_snapshot_that_stays_keeps_its_volume_which_says_why(failure, snapshot, says):
    ring = await with_snapshots(2)
    ring.faults.fail("delete_snapshot", failure)
    await ring.delete(cascade=True)
    await ring.go_on()
    assert (await ring.volume()).state == "error_deleting"
    said = [r.event for r in await ring.store.events(an_id(1))][-1]
    assert says in said.reason  # type: ignore[attr-defined]
    states = {(await ring.the_snapshot(n)).state for n in (1, 2)}
    assert states == {snapshot, "deleted"}
    await assert_sound(ring, promised_gib=4)
    await ring.delete(cascade=True, force=True)
    await ring.go_on()
    await assert_empty(ring)


async def test_an_administrator_who_gives_up_a_snapshot_gives_up_the_deletion_with_it():
    ring = await to_be_emptied()
    reset = ResetSnapshot(id=snapshot_id(), project_id=None, status="error", at=a_moment())
    await ring.world.another_process().run(reset)
    await ring.go_on()
    assert (await ring.volume()).state == "error_deleting"
    assert (await ring.the_snapshot()).state == "error"


async def test_those_that_were_on_their_way_before_are_waited_for_too():
    ring = await to_be_deleted()
    await ring.delete(cascade=True)
    await ring.go_on()
    await assert_empty(ring)
