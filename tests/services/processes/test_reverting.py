"""Taking a volume back to its latest snapshot: all of it or nothing, whatever dies or fails."""

from typing import Any
from uuid import UUID

import pytest

from adapters.drivers.content import BLOCK_BYTES
from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Work
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import reverting
from domain.errors import Conflict, InUse, InvalidRequest, LapilliError, NotAllowed, OutOfStep
from services.commands.extension import ExtendVolume
from services.commands.giving_up import GiveUp
from services.commands.reverting import RevertVolume
from services.commands.volume import DeleteVolume
from services.commands.volume_reset import ResetVolume
from tests.services.processes.lateness import ALLOWED
from tests.services.processes.originals import CONTENT, HERE, SNAPSHOT, a_ring, clone
from tests.services.processes.several import Several
from tests.support.around import Crash, Life
from tests.support.builders import PROJECT, a_moment, an_id

CHANGED = {BLOCK_BYTES: b"written since".ljust(BLOCK_BYTES, b"\0")}
NAME = f"volume-{an_id(1)}"
OWN: dict[str, Any] = {"id": an_id(1), "project_id": PROJECT, "at": a_moment()}


async def a_changed_volume() -> Several:
    """Whose snapshot holds CONTENT."""
    ring = await a_ring()
    ring.pool(HERE).volumes[NAME].content = dict(CHANGED)
    return ring


async def revert(ring: Several, snapshot: UUID = SNAPSHOT) -> None:
    await ring.world.another_process().run(RevertVolume(snapshot_id=snapshot, **OWN))


async def the_snapshot(ring: Several) -> Snapshot:
    return Snapshot.from_history(SNAPSHOT, await ring.store.events(SNAPSHOT))


async def assert_holds(
    ring: Several, content: dict[int, bytes], *, status: str = "available"
) -> None:
    """All of it, and nothing is under way; the snapshot is as it was."""
    volume = await ring.volume()
    assert (volume.status, volume.operation, volume.under_way) == (status, "idle", None)
    assert ring.pool(HERE).volumes[NAME].content == content
    assert (await the_snapshot(ring)).status == "available"
    assert ring.pool(HERE).snapshots[f"snapshot-{SNAPSHOT}"].content == CONTENT
    assert await ring.bus.parked() == []
    await ring.assert_sound()


async def test_it_holds_what_its_snapshot_does_and_both_show_it_meanwhile():
    ring = await a_changed_volume()
    await revert(ring)
    assert (await ring.volume()).status == "reverting"
    assert (await the_snapshot(ring)).status == "restoring"
    await ring.go_on()
    await assert_holds(ring, CONTENT)
    assert (await ring.verbs())[-3:] == ["reversion_requested", "reversion_started", "reverted"]


@pytest.mark.parametrize("work", Work)
async def test_what_its_backend_cannot_do_leaves_it_in_error_with_the_reason(work):
    ring = await a_changed_volume()
    fault = Fault(failure=DriverFailure("the array is offline", True), work=work)
    ring.faults["near"].plan("revert_volume", fault)
    await revert(ring)
    await ring.go_on()
    await assert_holds(ring, CONTENT if work is Work.ALL else CHANGED, status="error")
    failed = (await ring.store.events(an_id(1)))[-1].event
    assert failed.reason == "the array is offline"  # type: ignore[attr-defined]


async def later_snapshot(ring: Several) -> None:
    await ring.world.run(ring.world.snapshotting(2, at=a_moment(60)))


async def larger(ring: Several) -> None:
    await ring.world.run(ExtendVolume(new_size_gib=3, **OWN))
    await ring.go_on()


async def in_error(ring: Several) -> None:
    await ring.world.run(ResetVolume(status="error", **OWN))


async def restoring(ring: Several) -> None:
    snapshot = await the_snapshot(ring)
    snapshot.begin_restoring(a_moment())
    await ring.store.append(snapshot.pending)


async def copying(ring: Several) -> None:
    await clone(ring)


REFUSED = [
    (later_snapshot, InvalidRequest, "to its latest snapshot"),
    (larger, InvalidRequest, "has 3 GiB and cannot be reverted to a snapshot of 2 GiB"),
    (in_error, OutOfStep, "Volume .* is error"),
    (restoring, OutOfStep, "Snapshot .* is restoring"),
    (revert, OutOfStep, "Volume .* is reverting"),
    (copying, OutOfStep, "is in use by volume .*, which is being made from it"),
]


@pytest.mark.parametrize(("given", "error", "said"), REFUSED, ids=lambda each: str(each)[:20])
async def test_defect_15_what_is_refused_has_changed_nothing(given, error, said):
    ring = await a_changed_volume()
    await given(ring)
    before = await ring.store.last_position()
    with pytest.raises(error, match=said):
        await revert(ring)
    assert await ring.store.last_position() == before


MEANWHILE = [
    (clone, NotAllowed),
    (lambda ring: clone(ring, "snapshot"), NotAllowed),
    (lambda ring: ring.world.run(ExtendVolume(new_size_gib=3, **OWN)), NotAllowed),
    (lambda ring: ring.world.run(DeleteVolume(**OWN)), LapilliError),
    (lambda ring: ring.world.run(DeleteVolume(force=True, **OWN)), InUse),
]


@pytest.mark.parametrize(("asked", "error"), MEANWHILE)
async def test_nothing_is_copied_changed_or_deleted_while_it_is_reverted(asked, error):
    ring = await a_changed_volume()
    await revert(ring)
    with pytest.raises(error):
        await asked(ring)
    await ring.go_on()
    await assert_holds(ring, CONTENT)


@pytest.mark.parametrize("begun", [False, True])
async def test_what_nobody_goes_on_with_is_given_up(begun):
    ring = await a_changed_volume()
    await revert(ring)
    if begun:
        ring.faults["near"].plan("revert_volume", Fault(failure=RuntimeError("dies")))
        await ring.step("reverting-h@near")
    late = a_moment(ring.clock.now_s + ALLOWED["copying"])
    assert await ring.world.run(GiveUp(id=an_id(1), allowed=ALLOWED, at=late))
    await ring.go_on()
    await assert_holds(ring, CHANGED, status="error" if begun else "available")


async def test_an_administrator_may_end_it():
    ring = await a_changed_volume()
    await revert(ring)
    await ring.world.run(ResetVolume(status="available", **OWN))
    await ring.go_on()
    await assert_holds(ring, CHANGED)


async def test_wherever_a_process_dies_it_is_reverted():
    points: list[str] = []
    while True:
        ring = await a_changed_volume()
        await revert(ring)
        try:
            await ring.go_on(life=Life(ends_at=len(points)))
            break
        except Crash as crash:
            points.append(str(crash))
        await ring.go_on()
        await assert_holds(ring, CONTENT)
    assert {"before revert_volume", "after revert_volume", "after append"} <= set(points)


async def test_a_snapshot_that_is_asked_for_at_the_same_time_is_not_passed_over():
    """The store knows of it, though whoever decided did not."""
    ring = await a_changed_volume()
    volume, snapshot = await ring.volume(), await the_snapshot(ring)
    await later_snapshot(ring)
    reverting.request(volume, snapshot, (), a_moment())
    with pytest.raises(Conflict):
        await ring.store.append([*volume.pending, *snapshot.pending])
