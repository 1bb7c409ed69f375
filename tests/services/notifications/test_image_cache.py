"""What is told of images that backends keep, under Cinder's names."""

from typing import Any

from adapters.event_store.memory import MemoryEventStore
from domain.aggregates.image_cache import ImageCache, cache_id
from domain.aggregates.volume import caching
from tests.services.notifications.telling import a_life, told
from tests.support.builders import AN_IMAGE, HOST, a_moment, an_id

BACKEND = HOST.partition("#")[0]
MISSED, HIT, EVICTED = (f"image_volume_cache.{what}" for what in ("miss", "hit", "evict"))


async def test_misses_hits_and_evictions_are_told_with_image_and_host():
    cache = ImageCache(id=cache_id(BACKEND))
    cache.want(BACKEND, AN_IMAGE, volume_id=an_id(1), size_gib=2, at=a_moment())
    kept = a_life(1, ["image_chosen", "keep", "place", "start", "made"])
    made = a_life(2, ["image_chosen", "place", "start"])
    caching.claim(made, kept, a_moment())
    cache.use(an_id(1), a_moment(100))
    cache.evict(an_id(1), "room", a_moment(200))
    log = MemoryEventStore(default_limits={})
    for each in (*cache.pending[:1], *made.pending, *cache.pending[1:]):
        await log.append([each])

    def of_images(notice: dict[str, Any]) -> bool:
        return str(notice["type"]).startswith("image_volume_cache")

    heard = [notice for notice in await told(log) if of_images(notice)]
    assert [(each["type"], each["data"]["payload"]) for each in heard] == [
        (MISSED, {"image_id": AN_IMAGE.id, "host": BACKEND}),
        (HIT, {"image_id": AN_IMAGE.id, "host": HOST}),
        (EVICTED, {"image_id": AN_IMAGE.id, "host": BACKEND}),
    ]
    assert {each["data"]["priority"] for each in heard} == {"INFO"}
