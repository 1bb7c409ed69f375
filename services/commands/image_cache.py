"""Commands about image caches, of the workers that make volumes from images."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec

from domain.aggregates.image_cache import (
    Entry,
    ImageCache,
    Limits,
    Reason,
    cache_id,
    entry_volume_id,
)
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Volume, caching
from domain.event import Moment
from domain.machines.volume import SETTLED
from services.commands.creation import CreateVolume, create_volume
from services.commands.service import closures_of
from services.commands.volume import DeleteVolume, delete
from services.unit_of_work import UnitOfWork

Waits = Literal["waits"]
"""A volume goes on once another one keeps its image, or never will."""


class WantCachedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The volume `id` is to be made from one that keeps its image: if there is none yet, from a new
    one of `size_gib` that `project_id` pays for."""

    id: UUID
    project_id: str
    size_gib: int
    limits: Limits
    at: Moment


class EndWait(msgspec.Struct, frozen=True, kw_only=True):
    """The volume `kept_by` keeps its image now, or never will: `id` need not wait for it."""

    id: UUID
    kept_by: UUID
    at: Moment


class EvictCachedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The volume `id` is not to keep an image for those of `host@backend` any more, nor to stay."""

    id: UUID
    backend: str
    reason: Reason
    at: Moment


class ReleaseCachedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt does not need that one any more."""

    id: UUID
    attempt: int
    at: Moment


async def want_cached_image(cmd: WantCachedImage, work: UnitOfWork) -> UUID | Waits | None:
    """The volume that keeps its image; or that it waits for one, which then is requested in one
    append with the wait and with what pays for it, unless it is being made already. None where it
    has no room, where the volume has waited before, or wanted one that is gone or was refused.

    Raises OverQuota, InvalidRequest, NotFound.
    """
    volume = await work.load(Volume, cmd.id)
    image, pool = volume.image, volume.held_by()
    cache = await work.load(ImageCache, cache_id(pool.partition("#")[0]))
    if image is None:
        return None
    entry = cache.entries.get(image.id)
    if entry is not None:
        return await _from(entry, volume, work, cmd.at) if entry.holds(image) else None
    kept_by = entry_volume_id(cmd.id)
    before = (
        await work.load(Volume, kept_by),
        await work.load(QuotaReservation, uuid5(kept_by, "reservation")),
    )
    wanted = caching.has_waited(volume) or any(each.exists for each in before)
    if wanted or not cache.has_room(cmd.size_gib, cmd.limits):
        return None
    cache.want(pool.partition("#")[0], image, volume_id=kept_by, size_gib=cmd.size_gib, at=cmd.at)
    caching.wait(volume, kept_by, cmd.at)
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
        waits=volume,
    )
    return "waits"


async def _from(entry: Entry, volume: Volume, work: UnitOfWork, at: Moment) -> UUID | Waits | None:
    kept = await work.load(Volume, entry.volume_id)
    if caching.can_be_copied(kept, volume.held_by(), volume.size_gib):
        return kept.id
    if kept.keeps_image_near is None or not kept.is_coming or caching.has_waited(volume):
        return None
    caching.wait(volume, kept.id, at)
    await work.commit(volume)
    return "waits"


async def end_wait(cmd: EndWait, work: UnitOfWork) -> None:
    """Nothing is left to do where it waits no longer."""
    volume, kept = await work.load(Volume, cmd.id), await work.load(Volume, cmd.kept_by)
    caching.end_wait(volume, kept, cmd.at)
    await work.commit(volume)


async def evict_cached_image(cmd: EvictCachedImage, work: UnitOfWork) -> None:
    """With its entry the volume goes. It stays, an ordinary one of its project, where somebody took
    it for something else; and where it failed on a backend that is frozen now, in error.

    Raises InUse while something is copied from it, NotAllowed while it is being made or used
    otherwise, InvalidRequest while its backend is frozen."""
    cache = await work.load(ImageCache, cache_id(cmd.backend))
    if cache.entry_of(cmd.id) is None:
        return
    volume = await work.load(Volume, cmd.id)
    cache.evict(cmd.id, cmd.reason, cmd.at)
    failed = cmd.reason == "failed" and volume.state == "error"
    frozen = volume.host is not None and (await closures_of(work)).is_frozen(volume.host)
    if volume.keeps_image_near is None and (frozen or not failed):
        await work.commit(cache)
        return
    if volume.state not in SETTLED:
        raise volume.not_allowed("evict", SETTLED)
    command = DeleteVolume(id=cmd.id, project_id=None, at=cmd.at)
    await delete(volume, command, work, cache=cache)


async def release_cached_image(cmd: ReleaseCachedImage, work: UnitOfWork) -> None:
    """Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    caching.release(volume, cmd.attempt, cmd.at)
    await work.commit(volume)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    WantCachedImage: want_cached_image,
    EndWait: end_wait,
    EvictCachedImage: evict_cached_image,
    ReleaseCachedImage: release_cached_image,
}
