"""Attaching: one connection or none, as the log says, whatever dies, hangs or fails."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from adapters.drivers.contract import Connected, DriverFailure, InvalidConnector, VolumeSpec
from adapters.drivers.memory import Fault, Hold, MemoryDriver, Work
from domain.aggregates.volume import detaching
from domain.errors import NotAllowed
from services.commands.attaching import AbandonAttachment, CompleteAttachment
from services.processes.attaching import Attaching, Detaching
from services.processes.backend_work import spec_of_volume
from services.processes.sweep import sweep_connections
from services.unit_of_work import Commands
from tests.services.processes.deaths import die_everywhere, die_everywhere_twice
from tests.services.processes.ring import (
    ATTACHMENT,
    BACKEND,
    POOL,
    Process,
    Ring,
    a_ring_with_a_volume,
)
from tests.support.builders import PROJECT, a_moment, an_id

NODE = {"host": "node-1", "mountpoint": "/dev/vdb"}
CONNECTED = {Connected(f"volume-{an_id(1)}", ATTACHMENT)}
OFFLINE = DriverFailure("the array is offline", True)
ABANDON = AbandonAttachment(id=an_id(1), attachment_id=ATTACHMENT, reason="too late", at=a_moment())


async def a_volume_to_attach() -> Ring:
    """Reserved and wanted in one go."""
    ring = await a_ring_with_a_volume()
    await ring.attach(connector=NODE)
    return ring


async def a_reservation_to_connect() -> Ring:
    ring = await a_ring_with_a_volume()
    await ring.attach()
    await ring.connect(NODE)
    return ring


async def a_connected_volume() -> Ring:
    ring = await a_volume_to_attach()
    await ring.go_on()
    await assert_connected(ring)
    return ring


async def an_attached_volume() -> Ring:
    ring = await a_connected_volume()
    await ring.world.another_process().run(
        CompleteAttachment(id=an_id(1), project_id=PROJECT, attachment_id=ATTACHMENT, at=a_moment())
    )
    assert (await ring.volume()).status == "in-use"
    return ring


async def a_volume_to_detach() -> Ring:
    ring = await an_attached_volume()
    await ring.detach()
    return ring


Held = tuple[Hold, asyncio.Task[None]]


async def held_up(ring: Ring, work: Coroutine[Any, Any, None]) -> Held:
    """Begins work that stands still in its driver call."""
    hold = Hold()
    ring.faults.plan("connect_volume", Fault(hold=hold))
    task = asyncio.create_task(work)
    async with asyncio.timeout(5):
        await hold.reached.wait()
    return hold, task


async def finish(held: Held) -> None:
    """Lets it go on to its end."""
    hold, task = held
    hold.release()
    await task


async def assert_connected(ring: Ring) -> None:
    volume = await ring.volume()
    [attachment] = volume.attachments.values()
    assert (volume.status, attachment.status, volume.at_rest) == ("attaching", "attaching", True)
    assert attachment.connection["data"]["volume_id"] == str(an_id(1))
    assert ring.connections == CONNECTED
    await ring.assert_one_available()


async def assert_detached(ring: Ring) -> None:
    volume = await ring.volume()
    assert (volume.status, volume.attachments, volume.at_rest) == ("available", {}, True)
    assert ring.connections == set()
    await ring.assert_one_available()


async def test_who_asked_hears_that_it_is_connected_and_that_it_is_gone():
    ring = await a_ring_with_a_volume()
    connecting = await ring.attach(connector=NODE)
    assert await ring.outcome(connecting) == "nothing"
    await ring.go_on()
    await assert_connected(ring)
    assert await ring.outcome(connecting) == "attachment_connected"
    going = await ring.detach()
    assert await ring.outcome(going) == "nothing"
    await ring.go_on()
    await assert_detached(ring)
    assert await ring.outcome(going) == "attachment_removed"


@pytest.mark.parametrize("given", [a_volume_to_attach, a_reservation_to_connect])
async def test_a_process_may_die_anywhere_while_it_connects(given):
    points = await die_everywhere(given, assert_connected)
    assert {"before connect_volume", "after connect_volume"} <= set(points)


async def test_a_process_may_die_anywhere_while_it_disconnects():
    points = await die_everywhere(a_volume_to_detach, assert_detached)
    assert {"before disconnect_volume", "after disconnect_volume"} <= set(points)


@pytest.mark.parametrize(
    ("given", "then"),
    [(a_volume_to_attach, assert_connected), (a_volume_to_detach, assert_detached)],
)
async def test_two_processes_may_die_anywhere_one_after_the_other(given, then):
    assert await die_everywhere_twice(given, then) > 20


# what fails


@pytest.mark.parametrize("work", Work)
async def test_of_a_creation_that_fails_nothing_stays_and_the_volume_is_free(work: Work):
    ring = await a_ring_with_a_volume()
    ring.faults.plan("connect_volume", Fault(failure=OFFLINE, work=work))
    errand = await ring.attach(connector=NODE)
    await ring.go_on()
    await assert_detached(ring)
    assert await ring.outcome(errand) == "attachment_connection_failed"


async def test_a_process_may_die_anywhere_while_a_creation_fails():
    async def given() -> Ring:
        ring = await a_volume_to_attach()
        ring.faults.plan("connect_volume", Fault(failure=OFFLINE, work=Work.HALF), times=9)
        return ring

    await die_everywhere(given, assert_detached)


@pytest.mark.parametrize("work", Work)
async def test_a_reservation_that_cannot_be_connected_is_in_error_and_keeps_nobody_out(work: Work):
    ring = await a_reservation_to_connect()
    ring.faults.plan("connect_volume", Fault(failure=OFFLINE, work=work))
    await ring.go_on()
    volume = await ring.volume()
    [attachment] = volume.attachments.values()
    assert (volume.status, attachment.status) == ("available", "error_attaching")
    await ring.detach()
    await ring.go_on()
    await assert_detached(ring)


async def test_a_connector_that_will_not_do_leaves_the_reservation_or_nothing():
    ring = await a_reservation_to_connect()
    ring.faults.plan("connect_volume", Fault(failure=InvalidConnector("no iqn")), times=2)
    await ring.go_on()
    assert (await ring.volume()).status == "reserved"
    await ring.detach()
    errand = await ring.attach(connector=NODE)
    await ring.go_on()
    assert await ring.outcome(errand) == "attachment_connector_refused"
    await assert_detached(ring)


async def test_what_cannot_be_disconnected_is_in_use_until_it_is():
    ring = await a_volume_to_detach()
    ring.faults.plan("disconnect_volume", Fault(failure=OFFLINE))
    await ring.go_on()
    volume = await ring.volume()
    [attachment] = volume.attachments.values()
    assert (volume.status, attachment.status) == ("in-use", "error_detaching")
    assert ring.connections == CONNECTED
    await ring.detach()
    await ring.go_on()
    await assert_detached(ring)


async def test_a_driver_that_hangs_is_given_up_on_and_what_it_did_is_undone():
    ring = await a_volume_to_attach()
    ring.faults.plan("connect_volume", Fault(hold=Hold()))
    impatient = Process(ring, "worker-1", timeout_s=0.01)
    await impatient.handle(Attaching.name, await ring.the_delivery(Attaching.name))
    assert (await ring.volume()).status == "available"
    await ring.go_on()
    await assert_detached(ring)


# nobody waits any more


async def test_what_is_given_up_keeps_nobody_out_and_goes_by_itself():
    ring = await a_volume_to_attach()
    await ring.world.another_process().run(ABANDON)
    assert (await ring.volume()).status == "available"
    await ring.go_on()
    await assert_detached(ring)


@pytest.mark.parametrize("given", [a_connected_volume, an_attached_volume, a_volume_to_detach])
async def test_what_is_connected_or_going_cannot_be_given_up_any_more(given):
    ring = await given()
    before = await ring.store.last_position()
    with pytest.raises(NotAllowed):
        await ring.world.another_process().run(ABANDON)
    assert await ring.store.last_position() == before


async def test_a_worker_that_connects_what_was_abandoned_and_is_gone_undoes_it():
    ring = await a_volume_to_attach()
    delivery = await ring.the_delivery(Attaching.name)
    slow = await held_up(ring, ring.process("slow").handle(Attaching.name, delivery))
    await ring.world.another_process().run(ABANDON)
    other = ring.process("other")
    await other.handle(Detaching.name, await ring.the_delivery(Detaching.name))
    assert (await ring.volume()).attachments == {}
    await finish(slow)
    await ring.go_on()
    await assert_detached(ring)


# others meanwhile


async def test_two_workers_at_once_make_one_connection():
    ring = await a_volume_to_attach()
    delivery = await ring.the_delivery(Attaching.name)
    slow = await held_up(ring, ring.process("slow").handle(Attaching.name, delivery))
    await ring.process("fast").handle(Attaching.name, delivery)
    await finish(slow)
    await ring.go_on()
    await assert_connected(ring)
    [attachment] = (await ring.volume()).attachments.values()
    assert attachment.attempt == 2


@pytest.mark.parametrize("given", [a_volume_to_attach, a_connected_volume])
async def test_a_volume_deleted_by_force_before_it_is_used_leaves_nothing(given):
    ring = await given()
    await ring.delete(force=True)
    await ring.go_on()
    await ring.assert_nothing_left()
    assert ring.connections == set()


async def test_a_process_may_die_anywhere_while_a_volume_goes_with_its_connection():
    async def given() -> Ring:
        ring = await a_connected_volume()
        await ring.delete(force=True)
        return ring

    async def then(ring: Ring) -> None:
        await ring.assert_nothing_left()
        assert ring.connections == set()

    await die_everywhere(given, then)


async def test_a_connection_that_a_dead_worker_made_too_late_is_swept_and_no_other():
    ring = await an_attached_volume()
    driver, late = MemoryDriver(ring.backend), an_id(0xDEAD)
    spec = spec_of_volume(await ring.volume())
    await driver.connect_volume(spec, late, NODE, "rw")
    await driver.create_volume(VolumeSpec(id=an_id(7), size_gib=1, pool=POOL, project_id="p"))
    foreign = VolumeSpec(id=an_id(7), size_gib=1, pool=POOL, project_id="p")
    await driver.connect_volume(foreign, late, NODE, "rw")
    assert await sweep_connections(Commands(ring.store), driver, backend=BACKEND) == 1
    assert ring.connections == {*CONNECTED, Connected(f"volume-{an_id(7)}", late)}
    assert await sweep_connections(Commands(ring.store), driver, backend=BACKEND) == 0


async def test_a_volume_in_error_attaching_is_deleted_with_all_that_the_backend_has_of_it():
    ring = await a_reservation_to_connect()
    ring.faults.plan("connect_volume", Fault(failure=OFFLINE, work=Work.ALL))
    await ring.go_on()
    assert ring.connections == CONNECTED
    await ring.delete()
    await ring.go_on()
    await ring.assert_nothing_left()
    assert ring.connections == set()
    removed = [r.event for r in await ring.store.events(an_id(1))][-2]
    assert isinstance(removed, detaching.AttachmentRemoved)
