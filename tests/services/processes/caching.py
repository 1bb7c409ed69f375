"""A backend that keeps images: what volumes are made there from, and what must be there then."""

from adapters.image_service.port import NewImage
from domain.aggregates.image_cache import ImageCache, Limits, cache_id
from domain.aggregates.volume import CachedImageClaimed, Volume
from domain.image import ChosenImage
from services.images import chosen
from tests.services.processes.imaging import DISK, MIB, Misbehaving, images_of
from tests.services.processes.ring import BACKEND, CACHE_PROJECT, POOL, Ring, a_ring
from tests.simulation.watch import bytes_in
from tests.support.builders import PROJECT, an_id, bare

NO_LIMITS = Limits()


async def a_caching_ring(
    limits: Limits = NO_LIMITS, *, images: int = 1, content: bytes = DISK
) -> Ring:
    """Its image service has so many images, each with that content."""
    ring = await a_ring()
    ring.images, ring.cache_limits = Misbehaving(chunk_bytes=MIB, clock=ring.clock), limits
    for number in range(images):
        id = await ring.images.create(NewImage(name=f"i{number}", owner=PROJECT, disk_format="raw"))
        images_of(ring).put(id, content)
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
    assert volume.image is not None
    assert content(ring, volume) == images_of(ring).contents[volume.image.id]


def content(ring: Ring, volume: Volume) -> bytes:
    """What its image has become."""
    return bytes_in(ring.backend.pools[POOL].volumes[f"volume-{volume.id}"])


async def nothing_is_held(ring: Ring) -> None:
    """Sound, and whatever keeps images can go."""
    await ring.world.assert_sound()
    assert await ring.bus.parked() == []
    for entry in (await cache(ring)).entries.values():
        assert await ring.store.dependents(entry.volume_id) == {}


async def copied(ring: Ring, number: int) -> bool:
    events = bare(await ring.store.events(an_id(number)))
    return any(isinstance(each, CachedImageClaimed) for each in events)


async def verbs(ring: Ring, number: int) -> list[str]:
    """What happened to the making of a volume."""
    shown = ("bootable_changed", "image_metadata_changed")
    happened = [each.verb for each in bare(await ring.store.events(an_id(number)))]
    return happened[happened.index("placed") + 1 : -len(shown)]


COPIED = ["provisioning_started", "cached_image_claimed", "provisioned", "cached_image_released"]
WAITED = ["cached_image_awaited", "image_wait_ended"]


async def all_there(ring: Ring, *numbers: int) -> None:
    for number in numbers:
        await has_the_disk(ring, number)
    volumes = *map(an_id, numbers), (await kept(ring)).id
    assert ring.objects == {f"volume-{id}": True for id in volumes}
    assert await ring.world.usage(CACHE_PROJECT) == {"volumes": (1, 0), "gigabytes": (1, 0)}
    await nothing_is_held(ring)
