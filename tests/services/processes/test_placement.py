"""Placing volumes: as soon as a backend can take them, once, or with a reason why not."""

import asyncio

import pytest

from domain.aggregates import volume
from domain.errors import Unavailable
from services.processes.runtime import NotYet
from tests.services.processes.ring import BACKEND, PATIENCE_S, POOL, Process, Ring, a_ring
from tests.support import patience
from tests.support.around import Outage, around
from tests.support.builders import an_id

HOST = f"{BACKEND}#{POOL}"


async def verbs(ring: Ring, number: int = 1) -> list[str]:
    return [r.event.verb for r in await ring.store.events(an_id(number))]


async def last_event(ring: Ring) -> object:
    return (await ring.store.events(an_id(1)))[-1].event


async def test_it_is_placed_on_the_pool_that_reported_and_every_reason_is_kept():
    ring = await a_ring()
    await ring.create()
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    placed = await last_event(ring)
    assert isinstance(placed, volume.Placed)
    assert (placed.host, placed.backend, placed.size_gib) == (HOST, BACKEND, 2)
    assert [(v.pool, v.raw) for v in placed.decision.candidates] == [(HOST, [100.0])]


async def test_without_any_backend_it_waits_and_is_placed_when_one_reports():
    ring = await a_ring(with_backend=False)
    await ring.create()
    process = ring.process()
    for _ in range(5):
        await process.handle("placement", await ring.the_delivery("placement"))
        assert await ring.deliveries() == []
        ring.clock.now_s += 1
    assert await verbs(ring) == ["requested"]
    await ring.backend_reports()
    await ring.go_on(process)
    await ring.assert_one_available()


async def test_waiting_is_no_failure_however_often_it_is_tried():
    ring = await a_ring(with_backend=False)
    await ring.create()
    [manager] = [ring.process().managers["placement"]]
    [requested] = await ring.store.events(an_id(1))
    ring.clock.now_s = PATIENCE_S - 0.001
    with pytest.raises(NotYet, match="no backend has reported"):
        await manager.react(requested)
    assert await verbs(ring) == ["requested"]


async def test_when_its_patience_is_over_it_is_in_error_and_says_why():
    ring = await a_ring(with_backend=False)
    await ring.create()
    await ring.go_on()
    assert ring.clock.now_s >= PATIENCE_S
    await ring.assert_in_error()
    failed = await last_event(ring)
    assert isinstance(failed, volume.PlacementFailed)
    assert failed.reason == "No backend is available."


async def test_patience_counts_from_the_request_not_from_the_delivery():
    ring = await a_ring(with_backend=False)
    await ring.create()
    ring.clock.now_s = PATIENCE_S
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    await ring.assert_in_error()


async def test_a_zone_in_which_no_backend_is_is_an_error_at_once():
    ring = await a_ring()
    await ring.create(availability_zone="attic", known_zones=frozenset({"attic"}))
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    await ring.assert_in_error()
    failed = await last_event(ring)
    assert isinstance(failed, volume.PlacementFailed)
    assert failed.reason == (
        f"No backend can take it: {HOST} is in zone nova, not attic (AvailabilityZoneFilter)."
    )


async def test_too_large_for_every_pool_is_an_error_and_its_quota_comes_back_when_deleted():
    ring = await a_ring()
    ring.backend.pools[POOL].capacity_gib = 1
    await ring.backend_reports()
    await ring.create()
    await ring.go_on()
    await ring.assert_in_error()
    await ring.delete()
    await ring.assert_nothing_left()


async def test_two_placements_at_once_have_one_winner():
    ring = await a_ring()
    await ring.create()
    delivery = await ring.the_delivery("placement")
    both_read = asyncio.Barrier(2)

    async def wait_for_the_other(method: str) -> None:
        if method == "append":
            async with asyncio.timeout(patience.PATIENCE_S):
                await both_read.wait()

    racing = around(ring.store, before=wait_for_the_other)
    await asyncio.gather(
        *(Process(ring, name, store=racing).handle("placement", delivery) for name in "ab")
    )
    assert await verbs(ring) == ["requested", "placed"]
    await ring.go_on()
    await ring.assert_one_available()


async def test_what_was_deleted_meanwhile_is_not_placed():
    ring = await a_ring()
    await ring.create()
    delivery = await ring.the_delivery("placement")
    await ring.delete()
    await ring.process().handle("placement", delivery)
    await ring.go_on()
    assert await verbs(ring) == ["requested", "deletion_requested", "deleted"]
    await ring.assert_nothing_left()


async def test_while_reports_cannot_be_read_it_is_tried_again():
    ring = await a_ring()
    await ring.create()
    process, outage = ring.process(), Outage("message bus")
    process.managers["placement"]._reports = around(  # type: ignore[attr-defined]
        ring.reports, before=outage.before
    )
    outage.away = True
    [requested] = await ring.store.events(an_id(1))
    with pytest.raises(Unavailable):
        await process.managers["placement"].react(requested)
    for _ in range(10):
        await ring.work(process)
        ring.clock.now_s += 5
    assert (await verbs(ring), await ring.bus.parked()) == (["requested"], [])
    outage.away = False
    await ring.go_on(process)
    await ring.assert_one_available()
