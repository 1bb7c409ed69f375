"""Image caches, in the appends in which volumes that keep images are copied, or go."""

from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates.image_cache import ImageCache, cache_id
from domain.aggregates.volume import Volume, caching
from domain.event import Moment
from services.unit_of_work import UnitOfWork


async def claim(
    volume: Volume, kept_by: UUID | None, work: UnitOfWork, at: Moment
) -> list[Aggregate]:
    """An attempt to make a volume that has just begun goes on from that one, if it can: what is to
    be stored with that."""
    kept = None if kept_by is None else await work.load(Volume, kept_by)
    if not caching.claim(volume, kept, at) or kept is None:
        return []
    cache = await work.load(ImageCache, cache_id(volume.held_by().partition("#")[0]))
    cache.use(kept.id, at)
    return [cache] if cache.pending else []


async def evict(volume: Volume, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """What is to be stored with the end of a volume: nothing unless it keeps an image."""
    if volume.keeps_image_near is None:
        return []
    cache = await work.load(ImageCache, cache_id(volume.keeps_image_near.partition("#")[0]))
    cache.evict(volume.id, "deleted", at)
    return [cache] if cache.pending else []
