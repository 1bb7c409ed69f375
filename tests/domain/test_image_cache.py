"""The image cache of a backend: what has room, what goes first, what is recorded of its use."""

import msgspec
import pytest

from domain.aggregates.image_cache import ImageCache, Limits, cache_id
from tests.support.builders import AN_IMAGE, a_moment, an_id, bare

BACKEND = "host1@gold"


def a_cache() -> ImageCache:
    """With two images of 10 GiB: volumes 1 and 2, in this order."""
    cache = ImageCache(id=cache_id(BACKEND))
    for n in (1, 2):
        image = msgspec.structs.replace(AN_IMAGE, id=f"image {n}")
        cache.want(BACKEND, image, volume_id=an_id(n), size_gib=10, at=a_moment(n))
    return cache


@pytest.mark.parametrize(
    ("limits", "size_gib", "fits"),
    [
        (Limits(), 1000, True),
        (Limits(max_count=3), 1000, True),
        (Limits(max_count=2), 1, False),
        (Limits(max_gib=30), 10, True),
        (Limits(max_gib=30), 11, False),
        (Limits(max_count=3, max_gib=30), 11, False),
    ],
)
def test_both_limits_hold(limits: Limits, size_gib: int, fits: bool):
    assert a_cache().has_room(size_gib, limits) is fits


def test_use_is_noted_once_a_minute_and_decides_who_goes_first():
    cache = a_cache()
    cache.use(an_id(1), a_moment(60))  # 59 s later
    assert [each.volume_id for each in cache.least_recently_used()] == [an_id(1), an_id(2)]
    cache.use(an_id(1), a_moment(61))
    assert [each.volume_id for each in cache.least_recently_used()] == [an_id(2), an_id(1)]


def test_the_last_one_that_goes_leaves_it_empty_and_what_is_gone_goes_once():
    cache = a_cache()
    for n in (1, 1, 2, 2):
        cache.evict(an_id(n), "room", a_moment(70))
    verbs = [each.verb for each in bare(cache.pending)]
    assert verbs == ["entry_wanted"] * 2 + ["entry_evicted"] * 2 + ["emptied"]
    assert ImageCache.from_history(cache.id, cache.pending).entries == {}
