"""Images that backends keep: their entries against the volumes that keep them."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from domain.aggregates.image_cache import Entry, ImageCache
from domain.aggregates.volume import Volume
from domain.aggregates.volume.volume import BEING_MADE
from services.audit.objects import Backend
from services.audit.replay import Replay
from services.audit.report import Finding, Note

KEEPING = (*BEING_MADE, "available")
"""States of what keeps an image, or is to: it is let go before there is another."""


def ties(replay: Replay) -> Iterator[Finding]:
    """Every entry names a volume that holds the image, and every volume that keeps one is named."""
    named = set[UUID]()
    for cache in _caches(replay):
        for entry in cache.entries.values():
            named.add(entry.volume_id)
            wrong = _wrong(entry, replay)
            if wrong is not None:
                detail = f"keeps image {entry.image.id} on {cache.host}, by the cache, and {wrong}"
                yield Finding(kind="image_cache.entry", id=str(entry.volume_id), detail=detail)
    for volume in replay.of_kind(Volume.kind):
        assert isinstance(volume, Volume)
        if volume.keeps_image_near is not None and volume.id not in named:
            detail = f"keeps its image near {volume.keeps_image_near}, and no cache knows of it"
            yield Finding(kind="image_cache.stray", id=str(volume.id), detail=detail)


def leaving(replay: Replay) -> Iterator[Entry]:
    """Entries whose volumes have let go of their images: somebody has to evict them yet."""
    for cache in _caches(replay):
        for entry in cache.entries.values():
            volume = replay.aggregates.get(entry.volume_id)
            if isinstance(volume, Volume) and volume.keeps_image_near is None:
                yield entry


def beyond(replay: Replay, backends: Iterable[Backend]) -> Iterator[Note]:
    """Caches that hold more than their backends are to keep now: what is too much goes when the
    next image comes."""
    limits = {each.host: each.keeps for each in backends if each.keeps is not None}
    for cache in _caches(replay):
        allowed = limits.get(cache.host)
        if allowed is not None and not cache.is_within(allowed):
            gib = sum(each.size_gib for each in cache.entries.values())
            detail = (
                f"keeps {len(cache.entries)} images of {gib} GiB; {allowed.max_count or 'any'} of"
                f" {allowed.max_gib or 'any'} GiB are allowed"
            )
            yield Note(kind="image_cache", id=cache.host, detail=detail)


def _wrong(entry: Entry, replay: Replay) -> str | None:
    volume = replay.aggregates.get(entry.volume_id)
    if entry.volume_id in replay.damaged:
        return None
    if not isinstance(volume, Volume) or volume.state == "deleted":
        return "is not there"
    if volume.image != entry.image:
        return f"holds {f'image {volume.image.id}' if volume.image else 'no image'}"
    if volume.keeps_image_near is None:
        return None  # see `leaving`
    if volume.state not in KEEPING:
        return f"is {volume.state}"
    if volume.size_gib != entry.size_gib:
        return f"has {volume.size_gib} GiB, not {entry.size_gib}"
    return None


def _caches(replay: Replay) -> Iterator[ImageCache]:
    for each in replay.of_kind(ImageCache.kind):
        assert isinstance(each, ImageCache)
        yield each
