"""What becomes of image caches when a volume that keeps an image does so no longer."""

from domain.aggregate import Aggregate
from domain.aggregates.image_cache import ImageCache, Reason, cache_id
from domain.aggregates.volume import Volume
from domain.event import Moment
from services.unit_of_work import UnitOfWork


async def evict(volume: Volume, reason: Reason, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """What is to be stored with the end of a volume: nothing unless it keeps an image."""
    if volume.keeps_image_near is None:
        return []
    cache = await work.load(ImageCache, cache_id(volume.keeps_image_near.partition("#")[0]))
    cache.evict(volume.id, reason, at)
    return [cache] if cache.pending else []
