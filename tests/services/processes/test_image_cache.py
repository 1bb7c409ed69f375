"""A backend that keeps images: each is brought once, and what keeps it goes when it may."""

from datetime import timedelta

import msgspec
import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault
from adapters.image_service.port import NewImage
from domain.aggregates.image_cache import ImageCache, Limits, cache_id, entry_volume_id
from domain.aggregates.volume import CachedImageClaimed, Volume
from domain.errors import InUse
from domain.image import ChosenImage
from services.commands.image_cache import ClaimCachedImage
from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.volume import DeleteVolume, StartProvisioning
from services.images import chosen
from tests.services.processes.deaths import die_everywhere
from tests.services.processes.imaging import DISK, MIB, Misbehaving, images_of
from tests.services.processes.ring import BACKEND, CACHE_PROJECT, POOL, Ring, a_ring
from tests.support.builders import PROJECT, a_moment, an_id, bare

NO_LIMITS = Limits()


async def a_caching_ring(limits: Limits = NO_LIMITS, *, images: int = 1) -> Ring:
    """Its image service has so many images, each with the disk."""
    ring = await a_ring()
    ring.images, ring.cache_limits = Misbehaving(chunk_bytes=MIB, clock=ring.clock), limits
    for number in range(images):
        id = await ring.images.create(NewImage(name=f"i{number}", owner=PROJECT, disk_format="raw"))
        images_of(ring).put(id, DISK)
    return ring


def image(ring: Ring, which: int = 0) -> ChosenImage:
    """As its service describes it now."""
    return chosen([*images_of(ring).images.values()][which])


async def kept(ring: Ring, which: int = 0) -> Volume:
    """The volume that keeps an image."""
    entry = (await cache(ring)).entries[image(ring, which).id]
    return await ring.world.commands.aggregates.read(Volume, entry.volume_id)


async def cache(ring: Ring) -> ImageCache:
    return await ring.world.commands.aggregates.read(ImageCache, cache_id(BACKEND))


async def made(ring: Ring, *numbers: int, which: int = 0, size_gib: int = 2) -> None:
    """These volumes are, whole, from that image."""
    for number in numbers:
        await ring.create(number, image=image(ring, which), size_gib=size_gib)
    await ring.go_on(most=300)
    for number in numbers:
        await has_the_disk(ring, number)


async def has_the_disk(ring: Ring, number: int) -> None:
    volume = await ring.volume(number)
    assert (volume.state, volume.cached_source, volume.bootable) == ("available", None, True)
    assert content(ring, volume) == DISK


def content(ring: Ring, volume: Volume) -> bytes:
    """Its first bytes."""
    found = bytearray(len(DISK))
    for offset, data in ring.backend.pools[POOL].volumes[f"volume-{volume.id}"].content.items():
        rest = len(DISK) - offset
        found[offset : offset + len(data)] = data[: max(0, rest)]
    return bytes(found)


async def nothing_is_held(ring: Ring) -> None:
    """Sound, and whatever keeps images can go."""
    await ring.world.assert_sound()
    assert await ring.bus.parked() == []
    for entry in (await cache(ring)).entries.values():
        assert await ring.store.dependents(entry.volume_id) == {}


async def copied(ring: Ring, number: int) -> bool:
    events = bare(await ring.store.events(an_id(number)))
    return any(isinstance(each, CachedImageClaimed) for each in events)


async def test_many_volumes_of_one_image_bring_it_once():
    ring = await a_caching_ring()
    await made(ring, *range(1, 9))
    assert images_of(ring).starts == [0]
    volume = await kept(ring)
    assert (volume.project_id, volume.size_gib, volume.state) == (CACHE_PROJECT, 1, "available")
    assert await ring.world.usage(CACHE_PROJECT) == {"volumes": (1, 0), "gigabytes": (1, 0)}
    assert all([await copied(ring, number) for number in range(1, 9)])
    assert len(ring.objects) == 9
    await nothing_is_held(ring)


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
    start = StartProvisioning(id=an_id(5), worker="w", at=a_moment())
    attempt = await ring.world.run(start)
    claim = ClaimCachedImage(id=an_id(5), attempt=attempt, kept_by=first.id, at=a_moment())
    await ring.world.run(claim)
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


async def test_what_cannot_be_made_from_what_is_kept_is_brought_and_tried_again_later():
    ring = await a_caching_ring()
    ring.faults.plan("write_volume", Fault(failure=DriverFailure("no", False)))
    await made(ring, 1, 2)
    assert (await kept(ring)).state == "error"
    ring.clock.now_s += timedelta(minutes=11).total_seconds()
    await made(ring, 3)  # which finds that nothing is kept, and sees to it that it is gone
    await made(ring, 4)
    assert (await kept(ring)).state == "available"
    ring.faults.plan("clone_volume", Fault(failure=DriverFailure("no", False)))
    await made(ring, 5)
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
        ring = await a_caching_ring()
        await ring.create(image=image(ring))
        return ring

    async def both_there(ring: Ring) -> None:
        await has_the_disk(ring, 1)
        volume = await kept(ring)
        assert ring.objects == {f"volume-{an_id(1)}": True, f"volume-{volume.id}": True}
        assert await ring.world.usage(CACHE_PROJECT) == {"volumes": (1, 0), "gigabytes": (1, 0)}
        await nothing_is_held(ring)

    points = await die_everywhere(wanted, both_there)
    assert "before read" in points
