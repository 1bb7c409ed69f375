"""Commands about image caches, of the workers that make volumes from images."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.aggregates.image_cache import ImageCache, Limits, Reason, cache_id, entry_volume_id
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Source, Volume, caching
from domain.event import Moment
from domain.machines.volume import SETTLED
from services.commands.creation import CreateVolume, create_volume
from services.commands.volume import DeleteVolume, delete_volume
from services.unit_of_work import UnitOfWork


class WantCachedImage(msgspec.Struct, frozen=True, kw_only=True):
    """A volume like `id` is to keep its image for others, paid for by `project_id`."""

    id: UUID
    project_id: str
    size_gib: int
    limits: Limits
    at: Moment


class EvictCachedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The volume `id` is not to keep an image for those of `host@backend` any more, nor to stay."""

    id: UUID
    backend: str
    reason: Reason
    at: Moment


class ClaimCachedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to make a volume goes on from the one `kept_by` which its image is kept."""

    id: UUID
    attempt: int
    kept_by: UUID
    at: Moment


class ReleaseCachedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt does not need that one any more."""

    id: UUID
    attempt: int
    at: Moment


async def want_cached_image(cmd: WantCachedImage, work: UnitOfWork) -> bool:
    """Whether there is an entry now: requested in one append with what pays for it. There is none
    where it has no room, or where the volume wanted one before, which is gone or was refused.

    Raises OverQuota, InvalidRequest, NotFound.
    """
    volume = await work.load(Volume, cmd.id)
    image, backend = volume.image, volume.held_by().partition("#")[0]
    cache = await work.load(ImageCache, cache_id(backend))
    if image is None or image.id in cache.entries:
        return image is not None
    kept_by = entry_volume_id(cmd.id)
    before = (
        await work.load(Volume, kept_by),
        await work.load(QuotaReservation, uuid5(kept_by, "reservation")),
    )
    if any(each.exists for each in before) or not cache.has_room(cmd.size_gib, cmd.limits):
        return False
    cache.want(backend, image, volume_id=kept_by, size_gib=cmd.size_gib, at=cmd.at)
    zone = volume.availability_zone
    await create_volume(
        CreateVolume(
            id=kept_by,
            project_id=cmd.project_id,
            user_id=cmd.at.actor.user_id,
            size_gib=cmd.size_gib,
            name=f"image-{image.id}"[:255],
            description=None,
            metadata={},
            volume_type_id=UUID(volume.volume_type_id),
            availability_zone=zone,
            known_zones=frozenset({zone} if zone else ()),
            image=image,
            at=cmd.at,
        ),
        work,
        cache=cache,
    )
    return True


async def evict_cached_image(cmd: EvictCachedImage, work: UnitOfWork) -> None:
    """Raises InUse while something is copied from it, NotAllowed while it is being made or used
    otherwise, InvalidRequest while its backend is frozen. What an operator took for something else
    stays, as no entry any more."""
    cache = await work.load(ImageCache, cache_id(cmd.backend))
    if cache.entry_of(cmd.id) is None:
        return
    volume = await work.load(Volume, cmd.id)
    if volume.keeps_image_near is None:
        cache.evict(cmd.id, cmd.reason, cmd.at)
        await work.commit(cache, unchanged=[volume])
        return
    if volume.state not in SETTLED:
        raise volume.not_allowed("evict", SETTLED)
    await delete_volume(
        DeleteVolume(id=cmd.id, project_id=None, at=cmd.at), work, evicted=cmd.reason
    )


async def claim_cached_image(cmd: ClaimCachedImage, work: UnitOfWork) -> Source:
    """What is to be copied, held in the append that says so. Raises Superseded, NotAllowed."""
    volume, kept = await work.load(Volume, cmd.id), await work.load(Volume, cmd.kept_by)
    source = caching.claim(volume, cmd.attempt, kept, cmd.at)
    cache = await work.load(ImageCache, cache_id(volume.held_by().partition("#")[0]))
    cache.use(kept.id, cmd.at)
    used = [cache] if cache.pending else []
    await work.commit(volume, *used, unchanged=[kept])
    return source


async def release_cached_image(cmd: ReleaseCachedImage, work: UnitOfWork) -> None:
    """Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    caching.release(volume, cmd.attempt, cmd.at)
    await work.commit(volume)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    WantCachedImage: want_cached_image,
    EvictCachedImage: evict_cached_image,
    ClaimCachedImage: claim_cached_image,
    ReleaseCachedImage: release_cached_image,
}
