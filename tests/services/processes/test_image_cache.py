"""A backend that keeps images: each is brought once, and what keeps it goes when it may."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault
from domain.aggregates.image_cache import FAILED_FOR, Limits, entry_volume_id
from domain.aggregates.volume import Volume
from domain.deadlines import NAMES
from domain.errors import InUse
from services.commands import HANDLERS
from services.commands.extension import ExtendVolume
from services.commands.giving_up import GiveUp
from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.volume import DeleteVolume, StartProvisioning
from tests.services.processes.caching import (
    COPIED,
    WAITED,
    a_caching_ring,
    all_there,
    cache,
    content,
    has_the_disk,
    image,
    kept,
    made,
    nothing_is_held,
    verbs,
)
from tests.services.processes.deaths import die_everywhere
from tests.services.processes.imaging import DISK, images_of
from tests.services.processes.ring import CACHE_PROJECT, Process, Ring
from tests.support.around import around
from tests.support.builders import a_moment, an_id


async def all_at_once(ring: Ring) -> None:
    """Two processes go on with all that there is to do, and meet at every call of the store."""

    async def meet(method: str) -> None:
        await asyncio.sleep(0)

    two = [Process(ring, name, store=around(ring.store, before=meet)) for name in ("one", "two")]
    while deliveries := await ring.deliveries():
        await asyncio.gather(
            *(two[n % 2].handle(kind, each) for n, (kind, each) in enumerate(deliveries))
        )


async def test_many_volumes_of_one_image_bring_it_once_and_nobody_asks_twice():
    ring = await a_caching_ring(content=b"small")
    many = range(1, 11)
    for number in many:
        await ring.create(number, image=image(ring))
    await all_at_once(ring)
    for number in many:
        await has_the_disk(ring, number)
    assert images_of(ring).starts == [0]
    volume = await kept(ring)
    assert (volume.project_id, volume.size_gib, volume.state) == (CACHE_PROJECT, 1, "available")
    assert await ring.world.usage(CACHE_PROJECT) == {"volumes": (1, 0), "gigabytes": (1, 0)}
    for number in many:
        assert await verbs(ring, number) in (WAITED + COPIED, COPIED)  # the fetch may be done
    assert await verbs(ring, 1) == WAITED + COPIED
    assert len(ring.objects) == len(many) + 1
    await nothing_is_held(ring)


async def test_what_is_copied_asks_the_store_no_more_often_than_what_is_empty():
    """Where one process does it all, as `lapilli serve` does."""
    ring, asked = await a_caching_ring(content=b"small"), Counter[str]()

    async def count(method: str) -> None:
        asked[method] += 1

    process = Process(ring, "counting", store=around(ring.store, before=count))
    commands = process.managers["placement"].commands

    async def making(number: int, **of: Any) -> Counter[str]:
        command = ring.world.creation(number, **of)
        await commands.run(HANDLERS[type(command)], command)
        asked.clear()
        await ring.go_on(process)
        return asked.copy()

    await making(1, image=image(ring))
    raw, copied = await making(2), await making(3, image=image(ring))
    assert await verbs(ring, 3) == COPIED
    assert copied == raw


async def test_the_least_recently_used_image_makes_room_and_what_is_copied_stays():
    ring = await a_caching_ring(Limits(max_count=2), images=4)
    await made(ring, 1, which=0)
    ring.clock.now_s += 600
    await made(ring, 2, which=1)
    ring.clock.now_s += 600
    await made(ring, 3, which=0)  # used since
    await made(ring, 4, which=2)
    assert set((await cache(ring)).entries) == {image(ring, 0).id, image(ring, 2).id}
    first, third = await kept(ring, 0), await kept(ring, 2)
    assert set(ring.objects) == {f"volume-{an_id(n)}" for n in (1, 2, 3, 4)} | {
        f"volume-{first.id}",
        f"volume-{third.id}",
    }
    # the older one is being copied: the younger one goes
    await ring.create(5, image=image(ring, 0))
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    start = StartProvisioning(id=an_id(5), worker="w", kept_by=first.id, at=a_moment())
    await ring.world.run(start)
    with pytest.raises(InUse):
        await ring.world.run(DeleteVolume(id=first.id, project_id=None, at=a_moment()))
    await ring.create(6, image=image(ring, 3))
    process = ring.process()
    for _ in range(8):
        for kind, delivery in await ring.deliveries():
            if str(an_id(5)) not in delivery.subject:  # whose worker is slow
                await process.handle(kind, delivery)
        ring.clock.now_s += 1
    await has_the_disk(ring, 6)
    entries = (await cache(ring)).entries
    assert set(entries) == {image(ring, 0).id, image(ring, 3).id}


NOT_KEPT = {
    "it is larger than all that may be kept": (Limits(max_gib=1), {}),
    "the quota of the project": (Limits(), {"volumes": 0}),
}


@pytest.mark.parametrize("why", NOT_KEPT)
async def test_what_cannot_be_kept_is_brought_all_the_same(why):
    limits, quota = NOT_KEPT[why]
    ring = await a_caching_ring(limits)
    if quota:
        change = ChangeQuotaLimits(subject=CACHE_PROJECT, limits=quota, at=a_moment())
        await ring.world.run(change)
    else:
        known, id = images_of(ring).images, image(ring).id
        known[id] = msgspec.structs.replace(known[id], min_disk=2)
    await made(ring, 1, 2)
    assert (await cache(ring)).entries == {}
    assert images_of(ring).starts == [0, 0]
    await nothing_is_held(ring)


async def test_an_image_that_changed_is_brought_anew():
    ring = await a_caching_ring()
    await made(ring, 1)
    old = await kept(ring)
    ring.clock.now_s += 60
    images_of(ring).put(image(ring).id, DISK[::-1])
    await ring.create(2, image=image(ring))
    await ring.go_on()
    assert content(ring, await ring.volume(2)) == DISK[::-1]
    assert images_of(ring).starts == [0, 0]
    new = await kept(ring)
    assert new.id == entry_volume_id(an_id(2)) != old.id
    assert f"volume-{old.id}" not in ring.objects
    await nothing_is_held(ring)


async def test_what_cannot_be_kept_goes_at_once_and_is_tried_again_later():
    ring = await a_caching_ring()
    ring.faults.plan("write_volume", Fault(failure=DriverFailure("no", False)))
    await made(ring, 1, 2)
    await made(ring, 3)  # too early to try again
    assert (await cache(ring)).entries == {}
    assert ring.objects.keys() == {f"volume-{an_id(n)}" for n in (1, 2, 3)}
    assert await ring.world.usage(CACHE_PROJECT) == {"volumes": (0, 0), "gigabytes": (0, 0)}
    ring.clock.now_s += FAILED_FOR.total_seconds()
    await made(ring, 4)
    assert (await kept(ring)).state == "available"
    ring.faults.plan("clone_volume", Fault(failure=DriverFailure("no", False)))
    await made(ring, 5)
    await nothing_is_held(ring)


async def waiting_ring() -> tuple[Ring, UUID]:
    """Volume 1 waits for the volume of that id, which nobody makes."""
    ring = await a_caching_ring(content=b"small")
    await ring.create(image=image(ring))
    process = ring.process()
    for kind in ("placement", "provisioning"):
        await process.handle(kind, await ring.the_delivery(kind))
    assert (await ring.volume()).status == "creating"
    return ring, (await kept(ring)).id


async def test_who_waits_goes_on_when_an_operator_deletes_what_it_waits_for():
    ring, id = await waiting_ring()
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    await ring.world.run(StartProvisioning(id=id, worker="slow", at=a_moment()))
    await ring.world.run(DeleteVolume(id=id, project_id=None, force=True, at=a_moment()))
    assert (await cache(ring)).entries == {}
    await ring.go_on()
    await has_the_disk(ring, 1)
    assert [*WAITED, "cached_image_released", "provisioning_started"] == (await verbs(ring, 1))[:4]


async def test_nobody_waits_longer_than_for_an_image_of_his_own():
    ring, _ = await waiting_ring()
    allowed = {**dict.fromkeys(NAMES, 1e9), "download": 100.0}
    for second, given_up in ((99, False), (101, True)):
        command = GiveUp(id=an_id(1), allowed=allowed, at=a_moment(second))
        assert await ring.world.run(command) is given_up
    process = ring.process()
    while (await ring.volume()).state != "available":
        for kind, delivery in await ring.deliveries():
            if str(an_id(1)) in delivery.subject:
                await process.handle(kind, delivery)
    assert content(ring, await ring.volume()) == b"small"


async def test_what_was_spoiled_is_copied_by_nobody_and_stays_as_it_is():
    ring = await a_caching_ring(content=b"small")
    await made(ring, 1)
    spoiled = await kept(ring)
    grow = ExtendVolume(id=spoiled.id, project_id=None, new_size_gib=5, at=a_moment())

    await ring.create(2, image=image(ring))
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    start = StartProvisioning(id=an_id(2), worker="w", kept_by=spoiled.id, at=a_moment())
    await ring.world.run(start)
    with pytest.raises(InUse):  # it is being copied
        await ring.world.run(grow)
    await ring.go_on()

    await ring.world.run(grow)
    await made(ring, 3)
    assert (await kept(ring)).id != spoiled.id
    assert images_of(ring).starts == [0, 0]
    assert (await ring.world.commands.aggregates.read(Volume, spoiled.id)).size_gib == 5
    await nothing_is_held(ring)


async def test_an_operator_may_delete_what_keeps_an_image():
    ring = await a_caching_ring()
    await made(ring, 1)
    volume = await kept(ring)
    await ring.world.run(DeleteVolume(id=volume.id, project_id=None, at=a_moment()))
    assert (await cache(ring)).entries == {}
    await made(ring, 2)
    assert (await kept(ring)).id != volume.id
    await nothing_is_held(ring)


async def test_wherever_a_worker_dies_images_are_kept_once_and_nothing_is_left():
    async def wanted() -> Ring:
        ring = await a_caching_ring(content=b"small")
        await ring.create(image=image(ring))
        return ring

    points = await die_everywhere(wanted, lambda ring: all_there(ring, 1))
    assert {"before read", "before dependents", "before clone_volume"} <= {*points}


async def test_wherever_who_wakes_them_dies_all_that_wait_go_on():
    async def fetched() -> Ring:
        ring = await a_caching_ring(content=b"small")
        for number in (1, 2):
            await ring.create(number, image=image(ring))
        process = ring.process()
        while (await cache(ring)).entries == {} or (await kept(ring)).is_coming:
            await ring.work(process)
        return ring

    points = await die_everywhere(fetched, lambda ring: all_there(ring, 1, 2))
    assert points.count("before append") > 4
