"""Cinder's defects that concern snapshots: success unsaid, leftovers, sources that vanish."""

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Work
from domain.errors import InUse
from services.commands.snapshot import DeleteSnapshot
from services.commands.volume import DeleteVolume
from tests.services.commands.world import snapshot_id
from tests.services.processes.ring import Ring, a_ring_with_a_volume
from tests.support.around import Crash, Life
from tests.support.builders import NO_PLACE, PROJECT, a_copy, a_moment, an_id

SNAPSHOT = f"snapshot-{snapshot_id()}"


async def with_a_snapshot() -> Ring:
    ring = await a_ring_with_a_volume()
    await ring.snapshot()
    await ring.go_on()
    return ring


async def test_defect_05_a_snapshot_whose_maker_died_before_it_could_say_so_is_available():
    ring = await a_ring_with_a_volume()
    await ring.snapshot()
    ends = 0
    while SNAPSHOT not in ring.objects:  # lives that end later and later, until it is there
        with pytest.raises(Crash):
            await ring.go_on(ring.process("mortal", life=Life(ends_at=ends)))
        ends += 1
    assert (await ring.the_snapshot()).state == "making"
    await ring.go_on()
    assert (await ring.the_snapshot()).state == "available"
    assert ring.objects[SNAPSHOT]


async def test_defect_07_what_a_failed_snapshot_left_goes_with_it():
    ring = await a_ring_with_a_volume()
    half = Fault(failure=DriverFailure("cut off", True), work=Work.HALF)
    ring.faults.plan("create_snapshot", half)
    await ring.snapshot()
    await ring.go_on()
    assert ring.objects[SNAPSHOT] is False
    await ring.delete_snapshot()
    await ring.go_on()
    assert SNAPSHOT not in ring.objects
    assert (await ring.world.usage())["snapshots"] == (0, 0)


@pytest.mark.parametrize("how", [{}, {"force": True}])
async def test_defect_23_a_snapshot_stays_while_a_volume_is_made_from_it(how):
    ring = await with_a_snapshot()
    source = await ring.the_snapshot()
    copy = a_copy(9, source)
    await ring.store.append(copy.pending, unchanged={source.id: source.version})
    alone = DeleteSnapshot(id=source.id, project_id=PROJECT, at=a_moment(), **how)
    cascade = DeleteVolume(id=an_id(1), project_id=PROJECT, cascade=True, at=a_moment(), **how)
    before = await ring.store.last_position()
    for deletion in (alone, cascade):
        with pytest.raises(InUse, match=str(copy.id)):
            await ring.world.another_process().run(deletion)
    assert await ring.store.last_position() == before
    copy = copy.settled()
    copy.place(NO_PLACE, a_moment())
    await ring.store.append(copy.pending)
    await ring.world.another_process().run(cascade)
    assert (await ring.volume()).state == "emptying"
