"""What comes too late changes nothing and leaves nothing; drivers that hang are not waited for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Faults, Hold, MemoryDriver, Operation
from domain.errors import NotAllowed
from services.commands.extension import StartExtension
from services.commands.volume import DeleteVolume, StartDeletion, StartProvisioning
from services.processes.backend_work import answered
from services.processes.sweep import sweep
from services.unit_of_work import Commands
from tests.services.processes.lateness import BIG, HOUR_S, Late, late
from tests.support.around import Life
from tests.support.builders import PROJECT, a_moment, an_id


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Late]:
    opened = await late(tmp_path)
    yield opened
    await opened.close()


async def caught_in_the_act(there: Late, operation: Operation, state: str, consumer: str):
    """A worker stands in a call of the driver that does not return, is given up, and all goes on
    elsewhere; its call, and the task that waits for it."""
    ring, hold = there.ring, Hold()
    await there.comes_to(state)
    ring.timeout_s = 1e6
    ring.faults["big"].plan(operation, Fault(hold=hold))
    await there.go_on(without=BIG)
    [worker] = [m for m in ring.managers(Life()) if m.consumer == consumer]
    events = await ring.store.events(an_id(1))
    [cause] = [r for r in events[-1:] if type(r.event) in worker.reactions]
    working = asyncio.create_task(worker.react(cause))
    await hold.reached.wait()
    ring.clock.now_s += HOUR_S
    assert await there.give_up_overdue() == 1
    ring.timeout_s = 10.0
    await there.go_on(without=[consumer])
    return hold, working


async def test_what_is_made_too_late_is_removed_again(there):
    hold, working = await caught_in_the_act(there, "create_volume", "placed", "provisioning-h@big")
    assert there.ring.held == ["middle"]
    hold.release()
    with pytest.raises(Exception, match="no longer holds its claim"):
        await working
    assert there.ring.held == ["middle"]
    await there.ring.go_on()
    assert (await there.ring.volume()).host == "h@middle#p"
    await there.assert_sound()


async def test_a_deletion_that_succeeds_too_late_changes_nothing_and_can_be_asked_for_again(there):
    hold, working = await caught_in_the_act(there, "delete_volume", "deleting", "deletion-h@big")
    before = await there.ring.volume()
    hold.release()
    with pytest.raises(Exception, match="not possible for volume"):
        await working
    assert await there.ring.volume() == before
    assert before.state == "error_deleting"
    deletion = DeleteVolume(id=an_id(1), project_id=PROJECT, force=True, at=there.now())
    await there.ring.world.another_process().run(deletion)
    await there.ring.go_on()
    assert (await there.ring.volume()).state == "deleted"
    assert await there.ring.world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}
    await there.assert_sound()


async def test_an_extension_that_succeeds_too_late_changes_nothing(there):
    hold, working = await caught_in_the_act(
        there, "extend_volume", "extension_placed", "extending-h@big"
    )
    before = await there.ring.volume()
    hold.release()
    with pytest.raises(Exception, match="no longer holds its claim"):
        await working
    assert await there.ring.volume() == before
    assert (before.state, before.size_gib) == ("error_extending", 2)
    await there.assert_sound()


async def test_a_worker_that_was_told_of_the_backend_it_was_on_before_does_not_touch_it(there):
    ring = there.ring
    await there.comes_to("placed")
    old = (await ring.store.events(an_id(1)))[-1]
    ring.clock.now_s += HOUR_S
    assert await there.give_up_overdue() == 1
    placement = ring.managers(Life())[0]
    await placement.react((await ring.store.events(an_id(1)))[-1])
    assert (await ring.volume()).host == "h@middle#p"
    [worker] = [m for m in ring.managers(Life()) if m.consumer == "provisioning-h@big"]
    with pytest.raises(Exception, match="make on h@big#p is not possible"):
        await worker.react(old)
    assert (await ring.volume()).state == "placed"
    await ring.go_on()
    assert (ring.held, (await ring.volume()).state) == (["middle"], "available")
    await there.assert_sound()


@pytest.mark.parametrize(
    ("waiting", "claim"),
    [("placed", StartProvisioning), ("deleting", StartDeletion), ("removing", StartDeletion),
     ("extension_placed", StartExtension), ("growing", StartExtension)],
)  # fmt: skip
async def test_only_who_was_told_of_the_pool_where_it_is_may_claim_it(there, waiting, claim):
    await there.comes_to(waiting)
    run = there.ring.world.run
    with pytest.raises(NotAllowed, match="on h@middle#p is not possible"):
        await run(claim(id=an_id(1), worker="w", on="h@middle#p", at=there.now()))
    await run(claim(id=an_id(1), worker="w", on="h@big#p", at=there.now()))


# Drivers that hang

HANGS: dict[Operation, tuple[str, str, list[str]]] = {
    "create_volume": ("requested", "available", ["middle"]),
    "delete_volume": ("deleting", "error_deleting", ["big"]),
    "extend_volume": ("extending", "error_extending", ["big"]),
}


@pytest.mark.parametrize("operation", HANGS)
async def test_a_call_that_hangs_is_timed_out_recorded_and_compensated(there, operation):
    state, outcome, held = HANGS[operation]
    await there.comes_to(state)
    there.ring.timeout_s = 0.01
    there.ring.faults["big"].plan(operation, Fault(hold=Hold()))
    await there.ring.go_on()
    now = await there.ring.volume()
    assert (now.state, there.ring.held) == (outcome, held)
    assert "the driver did not answer within 0.01 s" in await there.reasons()
    await there.assert_sound()


@pytest.mark.parametrize("operation", ["stats", "objects", "check"])
async def test_a_backend_that_hangs_when_it_is_asked_about_itself_is_timed_out(there, operation):
    faults = Faults()
    faults.plan(operation, Fault(hold=Hold()))
    driver = MemoryDriver(there.ring.backends["big"], faults=faults)
    with pytest.raises(DriverFailure, match="did not answer"):
        await answered(getattr(driver, operation)(), within_s=0.01)


@pytest.mark.parametrize("operation", ["stats", "objects"])
async def test_a_sweep_does_not_wait_for_ever(there, operation):
    faults = Faults()
    faults.plan(operation, Fault(hold=Hold()))
    driver = MemoryDriver(there.ring.backends["big"], faults=faults)
    with pytest.raises(DriverFailure, match="did not answer"):
        await sweep(
            Commands(there.ring.store), driver, backend="h@big", timeout_s=0.01, moment=a_moment
        )
