"""Making volumes: once, whatever dies, hangs, fails or comes twice on the way."""

import asyncio
import contextlib
from functools import partial
from itertools import count

import pytest

from adapters.drivers.contract import DriverFailure, VolumeSpec
from adapters.drivers.memory import Fault, Hold, MemoryDriver, Work
from domain.aggregates import volume
from domain.placement import Tried
from services.processes.sweep import keep_swept, sweep
from services.unit_of_work import Commands
from tests.services.commands.world import World, place_nowhere
from tests.services.processes.deaths import Given, Then, die_everywhere, die_everywhere_twice
from tests.services.processes.ring import (
    ACK_WAIT_S,
    BACKEND,
    POOL,
    Process,
    Ring,
    a_placed_volume,
    a_ring,
    a_ring_with_a_volume,
)
from tests.support.around import Crash, Life, around
from tests.support.builders import a_moment, an_id
from tests.support.patience import PATIENCE_S

NO_SPACE = Fault(failure=DriverFailure("the shelf is full", True), work=Work.HALF)
FOR_EVER = 100


async def last_event(ring: Ring, number: int = 1) -> object:
    return (await ring.store.events(an_id(number)))[-1].event


# one attempt


async def test_a_placed_volume_is_made_and_paid_for():
    ring = await a_placed_volume()
    await ring.go_on()
    await ring.assert_one_available()
    made = await last_event(ring)
    assert made == volume.Provisioned(
        host=f"{BACKEND}#{POOL}", attempt=1, provider_id=f"memory-{an_id(1)}"
    )


async def test_a_driver_that_fails_puts_it_in_error_with_the_reason_and_it_stays_paid_for():
    ring = await a_placed_volume()
    ring.faults.plan("create_volume", NO_SPACE)
    await ring.go_on()
    await ring.assert_in_error()
    assert await last_event(ring) == volume.ProvisioningFailed(
        host=f"{BACKEND}#{POOL}",
        attempt=1,
        reason="the shelf is full",
        tried=[Tried(pool=f"{BACKEND}#{POOL}", reason="the shelf is full")],
    )
    assert ring.objects == {}


async def test_deleting_it_then_removes_what_was_half_made_and_could_not_be_cleared():
    ring = await a_placed_volume()
    ring.faults.plan("create_volume", NO_SPACE)
    ring.faults.plan("delete_volume", NO_SPACE)
    await ring.go_on()
    await ring.assert_in_error()
    assert ring.objects == {f"volume-{an_id(1)}": False}
    await ring.delete()
    await ring.go_on()
    await ring.assert_nothing_left()


async def test_a_driver_that_hangs_is_given_up_on_and_that_is_recorded():
    ring = await a_placed_volume()
    hang = Hold()
    ring.faults.plan("create_volume", Fault(hold=hang))
    impatient = Process(ring, "worker-1", timeout_s=0.01)
    await impatient.handle("provisioning", await ring.the_delivery("provisioning"))
    assert hang.reached.is_set()
    await ring.go_on()
    await ring.assert_in_error()
    event = await last_event(ring)
    assert isinstance(event, volume.ProvisioningFailed)
    assert event.reason == "the driver did not answer within 0.01 s"


async def test_each_event_tells_who_asked_and_what_led_to_it():
    ring = await a_ring_with_a_volume()
    history = await ring.store.events(an_id(1))
    assert [(r.event.verb, r.moment.actor.user_id, r.moment.cause) for r in history] == [
        ("requested", "ann", None),
        ("placed", "system:placement", history[0].id),
        ("provisioning_started", "system:provisioning", history[1].id),
        ("provisioned", "system:provisioning", history[1].id),
    ]
    assert {r.moment.request_id for r in history} == {"req-1"}


# several attempts


async def test_old_messages_in_any_order_change_nothing():
    ring = await a_ring_with_a_volume()
    before = await ring.world.verbs()
    for order in (1, -1):
        ring.bus.lose_log()  # the stream is fed again from the log
        again = (await ring.deliveries())[::order]
        assert len(again) == 2
        for kind, delivery in again:
            await ring.process("worker-2").handle(kind, delivery)
    await ring.go_on()
    assert await ring.world.verbs() == before
    await ring.assert_one_available()


async def test_two_workers_at_once_make_one_volume():
    ring = await a_placed_volume()
    held = Hold()
    ring.faults.plan("create_volume", Fault(hold=held))
    delivery = await ring.the_delivery("provisioning")
    first = asyncio.create_task(ring.process("worker-1").handle("provisioning", delivery))
    async with asyncio.timeout(PATIENCE_S):
        await held.reached.wait()
    ring.clock.now_s += ACK_WAIT_S
    again = await ring.the_delivery("provisioning")
    assert again.deliveries == 2
    await ring.process("worker-2").handle("provisioning", again)
    held.release()
    await first
    await ring.go_on()
    await ring.assert_one_available()
    verbs = [r.event.verb for r in await ring.store.events(an_id(1))]
    assert verbs[2:] == ["provisioning_started", "provisioning_started", "provisioned"]


@pytest.mark.parametrize("failure", [None, NO_SPACE.failure], ids=["made", "failed"])
async def test_the_late_result_of_a_superseded_attempt_is_refused(failure: Exception | None):
    ring = await a_placed_volume()
    held = Hold()
    ring.faults.plan("create_volume", Fault(hold=held, failure=failure))
    delivery = await ring.the_delivery("provisioning")
    first = asyncio.create_task(ring.process("worker-1").handle("provisioning", delivery))
    async with asyncio.timeout(PATIENCE_S):
        await held.reached.wait()
    await ring.process("worker-2").handle("provisioning", delivery)
    held.release()
    await first
    await ring.assert_one_available()
    assert (await ring.volume()).attempt == 2


async def test_the_failure_of_a_superseded_attempt_does_not_end_the_one_under_way():
    ring = await a_placed_volume()
    delivery = await ring.the_delivery("provisioning")
    holds, attempts = (Hold(), Hold()), list[asyncio.Task[None]]()
    for number, (hold, failure) in enumerate(zip(holds, (NO_SPACE.failure, None), strict=True)):
        ring.faults.plan("create_volume", Fault(hold=hold, failure=failure))
        worker = ring.process(f"worker-{number}")
        attempts.append(asyncio.create_task(worker.handle("provisioning", delivery)))
        async with asyncio.timeout(PATIENCE_S):
            await hold.reached.wait()
    for hold, attempt, state in zip(holds, attempts, ("provisioning", "available"), strict=True):
        hold.release()
        await attempt
        assert (await ring.volume()).state == state
    await ring.assert_one_available()


# death


async def a_requested_volume() -> Ring:
    ring = await a_ring()
    await ring.create()
    return ring


async def a_volume_that_the_backend_cannot_make() -> Ring:
    ring = await a_requested_volume()
    ring.faults.plan("create_volume", NO_SPACE, times=FOR_EVER)
    return ring


async def available(ring: Ring) -> None:
    await ring.assert_one_available()


async def in_error(ring: Ring) -> None:
    await ring.assert_in_error()


LIVES = [
    pytest.param(a_requested_volume, available, id="made"),
    pytest.param(a_volume_that_the_backend_cannot_make, in_error, id="not made"),
]


@pytest.mark.parametrize(("given", "then"), LIVES)
async def test_wherever_a_process_dies_the_next_one_brings_the_volume_to_rest(
    given: Given, then: Then
):
    points = await die_everywhere(given, then)
    assert points[-1] == "after ack"
    assert {"before append", "after append", "before ack"} < set(points)
    assert {"before create_volume", "during create_volume"} < set(points)


@pytest.mark.parametrize(("given", "then"), LIVES)
async def test_dying_twice_does_no_more_harm_than_once(given: Given, then: Then):
    assert await die_everywhere_twice(given, then) > 100


async def test_a_request_whose_process_dies_is_there_as_a_whole_or_not_at_all():
    made = set()
    for end in count():
        ring, life = await a_ring(), Life(ends_at=end)
        dying = World(around(ring.store, before=life.before, after=life.after))
        dying.type_id = ring.world.type_id
        with contextlib.suppress(Crash):
            await dying.run(dying.creation())
        await ring.go_on()
        if (await ring.volume()).exists:
            await ring.assert_one_available()
        else:
            assert (await ring.world.verbs(), ring.objects) == ([], {})
        made.add((await ring.volume()).exists)
        if life.ended_at is None:
            break
    assert made == {False, True}


# what is made too late


async def a_volume_made_after_it_was_gone(first: Process, ring: Ring, held: Hold) -> None:
    """The first worker hangs; meanwhile a second one made the volume, and it was deleted."""
    ring.faults.plan("create_volume", Fault(hold=held))
    delivery = await ring.the_delivery("provisioning")
    slow = asyncio.create_task(first.handle("provisioning", delivery))
    reached = asyncio.create_task(held.reached.wait())
    await asyncio.wait({slow, reached}, return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    if slow.done():  # it died before
        held.release()
        await slow
    await ring.process("worker-2").handle("provisioning", delivery)
    await ring.assert_one_available()
    await ring.delete()
    await ring.go_on(ring.process("worker-2"))
    await ring.assert_nothing_left()
    held.release()
    await slow


async def test_a_superseded_worker_removes_what_it_made_of_a_volume_that_is_gone():
    ring = await a_placed_volume()
    await a_volume_made_after_it_was_gone(ring.process("worker-1"), ring, Hold())
    await ring.assert_nothing_left()


async def swept(ring: Ring, driver: MemoryDriver) -> int:
    commands = Commands(ring.store)
    return await sweep(commands, driver, backend=BACKEND, timeout_s=10.0, moment=a_moment)


async def test_what_it_could_not_remove_any_more_is_swept():
    orphans = 0
    for end in count():
        ring, life = await a_placed_volume(), Life(ends_at=end)
        first = ring.process("worker-1", life=life)
        with contextlib.suppress(Crash):
            await a_volume_made_after_it_was_gone(first, ring, Hold())
        if life.ended_at is None:
            break
        await ring.go_on()
        if (await ring.volume()).state == "deleted":
            orphans += len(ring.objects)
            await swept(ring, MemoryDriver(ring.backend))
            await ring.assert_nothing_left()
    assert orphans > 0


async def test_what_is_made_too_late_of_a_volume_that_no_backend_could_make_is_swept():
    ring = await a_ring()
    await ring.create()
    await ring.world.run(await place_nowhere(ring.world, an_id(1)))
    assert (await ring.volume()).state == "error"
    driver = MemoryDriver(ring.backend)
    await driver.create_volume(VolumeSpec(id=an_id(1), size_gib=1, pool=POOL, project_id="p"))
    assert await swept(ring, driver) == 1
    assert ring.objects == {}


async def test_sweeping_touches_nothing_that_is_alive_unknown_or_of_others():
    ring = await a_ring_with_a_volume()
    driver = MemoryDriver(ring.backend)
    await driver.create_volume(VolumeSpec(id=an_id(7), size_gib=1, pool=POOL, project_id="p"))
    ring.backend.pools[POOL].volumes["lost+found"] = ring.backend.pools[POOL].volumes[
        f"volume-{an_id(7)}"
    ]
    before = ring.objects
    assert await swept(ring, driver) == 0
    assert ring.objects == before and len(before) == 3


async def test_one_that_cannot_be_swept_does_not_keep_the_others():
    ring = await a_ring()
    for number in (1, 2):
        await ring.create(number)
    await ring.go_on()
    left = dict(ring.backend.pools[POOL].volumes)
    for number in (1, 2):
        await ring.delete(number)
    await ring.go_on()
    ring.backend.pools[POOL].volumes.update(left)
    ring.faults.fail("delete_volume", DriverFailure("stuck", False))
    driver = MemoryDriver(ring.backend, faults=ring.faults)
    assert await swept(ring, driver) == 1
    assert list(ring.objects) == [f"volume-{an_id(1)}"]
    assert await swept(ring, driver) == 1
    assert ring.objects == {}


async def test_sweeping_goes_on_after_a_backend_was_away():
    ring = await a_ring_with_a_volume()
    left = dict(ring.backend.pools[POOL].volumes)
    await ring.delete()
    await ring.go_on()
    ring.backend.pools[POOL].volumes.update(left)
    ring.faults.fail("stats", DriverFailure("away", True), times=3)
    driver = MemoryDriver(ring.backend, faults=ring.faults)
    sweeping = asyncio.create_task(
        keep_swept(
            partial(swept, ring, driver),
            where=BACKEND,
            interval_s=0,
        )
    )
    async with asyncio.timeout(PATIENCE_S):
        while ring.objects:  # noqa: ASYNC110 - the sweep has nothing to tell
            await asyncio.sleep(0)
    sweeping.cancel()
