"""The image cache of a backend: what has room, what goes first, what is recorded of its use; and
the volumes that keep images."""

from datetime import timedelta

import msgspec
import pytest

from domain.aggregates.image_cache import FAILED_FOR, ImageCache, Limits, cache_id
from domain.aggregates.volume import ImageFetchEnded, ImageLetGo, caching
from domain.machines.volume import LEAVES, SPOILS
from tests.services.notifications.telling import STEPS, a_life
from tests.support.builders import AN_IMAGE, HOST, a_moment, an_id, bare

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


KEPT = "image_chosen keep place start made"

LET_GO = {
    "reset_to_error": f"{KEPT} say_error",
    "cascade_requested": f"{KEPT} cascade",
    "deletion_requested": f"{KEPT} delete",
    "attachment_connection_requested": f"{KEPT} reserve reach",
    "attached": f"{KEPT} attach",
    "extension_requested": f"{KEPT} extend",
    "retype_requested": f"{KEPT} retype",
    "migration_requested": f"{KEPT} migrate",
    "restore_begun": f"{KEPT} put_back",
    "reversion_requested": f"{KEPT} revert",
    "transferred": f"{KEPT} offer hand_over",
}
"""What happens to a volume that keeps an image, by the event that comes of it."""


@pytest.mark.parametrize("verb", LET_GO)
def test_what_may_change_or_goes_keeps_its_image_for_nobody_from_that_event_on(verb):
    *before, last = LET_GO[verb].split()
    volume = a_life(1, before)
    assert volume.keeps_image_near == HOST
    STEPS[last](volume, a_moment(60))
    let_go = ImageLetGo(host=HOST, image_id=AN_IMAGE.id, may_change=verb in SPOILS)
    happened = bare(volume.pending)
    assert happened.count(let_go) == 1
    assert verb in [each.verb for each in happened[-3:]]
    assert not caching.can_be_copied(volume, HOST, 100)
    assert LET_GO.keys() == SPOILS | LEAVES


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        ("place start made", True),
        ("place start failed", False),
        ("place start come not_come", False),
        ("unplaceable", False),
        ("place start delete", False),
        ("place delete", False),
        ("place start say_error", False),
        ("place start again_elsewhere unplaceable", False),
    ],
)
def test_those_who_wait_are_told_once_however_its_making_ends(ends, kept):
    *before, last = ends.split()
    volume = a_life(1, ["image_chosen", "keep", *before])
    assert not any(isinstance(each, ImageFetchEnded) for each in bare(volume.pending))
    STEPS[last](volume, a_moment(60))
    told = [each for each in bare(volume.pending) if isinstance(each, ImageFetchEnded)]
    assert told == [ImageFetchEnded(host=HOST, image_id=AN_IMAGE.id, kept=kept)]
    assert (volume.keeps_image_near is not None) == kept


def test_what_failed_is_not_tried_again_for_a_while():
    cache = a_cache()
    cache.evict(an_id(1), "failed", a_moment(70))
    cache.evict(an_id(2), "room", a_moment(70))
    now = a_moment(70).at
    assert cache.has_failed("image 1", now + FAILED_FOR - timedelta(seconds=1))
    assert not cache.has_failed("image 1", now + FAILED_FOR)
    assert not cache.has_failed("image 2", now)
