"""Capacity arithmetic: room, and why there is none (scheduler-and-drivers 4)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.placement import UNLIMITED, room_gib
from domain.placement.capacity import why_no_room
from tests.support.builders import a_pool

ROOMS = [
    # what is special about the pool of 100 GiB, what it can still promise in GiB
    ("empty", {}, 100.0),
    ("thick: what is provisioned is gone", {"provisioned_gib": 30.0}, 70.0),
    ("thick: less is free than reckoned", {"free_gib": 20.0}, 20.0),
    (
        "thick: more is free than reckoned",
        {"free_gib": 90.0, "provisioned_gib": 30.0},
        70.0,
    ),
    ("thick: reserve comes off the total", {"reserved_percentage": 10.0}, 90.0),
    (
        "thick: but not off what is free",
        {"reserved_percentage": 10.0, "free_gib": 90.0},
        90.0,
    ),
    ("thick: the ratio does not matter", {"over_subscription_ratio": 5.0}, 100.0),
    ("reserve is rounded down to GiB", {"reserved_percentage": 1.9}, 99.0),
    ("thin: the ratio multiplies", {"thin": True, "over_subscription_ratio": 2.0}, 200.0),
    (
        "thin: less what is provisioned",
        {"thin": True, "over_subscription_ratio": 2.0, "provisioned_gib": 150.0},
        50.0,
    ),
    (
        "thin: what is free does not matter",
        {"thin": True, "over_subscription_ratio": 2.0, "free_gib": 1.0},
        200.0,
    ),
    (
        "thin: the reserve is not multiplied",
        {"thin": True, "over_subscription_ratio": 2.0, "reserved_percentage": 25.0},
        150.0,
    ),
    (
        "thin: overbooked already",
        {"thin": True, "over_subscription_ratio": 1.0, "provisioned_gib": 120.0},
        -20.0,
    ),
    ("rounded to two decimals", {"provisioned_gib": 33.3333}, 66.67),
]


@pytest.mark.parametrize(
    ("special", "room"), [row[1:] for row in ROOMS], ids=[row[0] for row in ROOMS]
)
def test_room_is_reckoned_as_cinder_does(special, room):
    assert room_gib(a_pool(total_gib=100.0, **special)) == room


PROMISES = [
    # what is special about the pool of 100 GiB, what is promised, what is left
    ("the log knows of more than the report", {"provisioned_gib": 10.0}, 30, 70.0),
    ("the report knows of more than the log", {"provisioned_gib": 30.0}, 10, 70.0),
    ("others' is added", {"provisioned_gib": 30.0, "foreign_gib": 20.0}, 30, 50.0),
    ("what is gone by the log is free", {"provisioned_gib": 90.0, "foreign_gib": 0.0}, 0, 100.0),
    ("thin", {"thin": True, "over_subscription_ratio": 2.0, "foreign_gib": 5.0}, 30, 165.0),
    ("unlimited", {"free_gib": UNLIMITED}, 10**6, UNLIMITED),
]


@pytest.mark.parametrize(
    ("special", "promised", "room"), [row[1:] for row in PROMISES], ids=[row[0] for row in PROMISES]
)
def test_what_the_log_promises_counts_as_taken(special, promised, room):
    assert room_gib(a_pool(total_gib=100.0, **special), promised) == room


RATIOS = [
    # reported ratio, what is special about the thin pool of 100 GiB, the ratio that counts
    (None, {}, 20.0),
    (3.0, {}, 3.0),
    ("auto", {}, 20.0),
    ("auto", {"provisioned_gib": 50.0, "free_gib": 51.0}, 2.0),
    ("auto", {"provisioned_gib": 50.0, "thin": False}, 1.0),
    (3.0, {"thin": False}, 1.0),
]


@pytest.mark.parametrize(("reported", "special", "counts"), RATIOS)
def test_the_over_subscription_ratio(reported, special, counts):
    pool = a_pool(total_gib=100.0, over_subscription_ratio=reported, **{"thin": True, **special})
    assert pool.ratio == counts


REFUSALS = [
    # GiB asked, what is special about the pool of 10 GiB, words of the refusal (None: it fits)
    (10, {}, None),
    (11, {}, "11 GiB asked, 10.0 GiB left"),
    (1, {"total_gib": 0.0}, "reports no capacity"),
    (1, {"total_gib": -1.0}, "reports no capacity"),
    (0, {"total_gib": 0.0}, None),
    (1, {"free_gib": 0.99}, "0.99 GiB left"),
    (1, {"free_gib": 0.999}, None),  # 1.0 when rounded to two decimals
    (1, {"reserved_percentage": 100.0}, "0.0 GiB left"),
    (20, {"thin": True, "over_subscription_ratio": 2.0}, None),
    (21, {"thin": True, "over_subscription_ratio": 2.0}, "20.0 GiB left"),
    (1, {"thin": True, "over_subscription_ratio": 0.9}, "ratio 0.9 is below 1"),
    (1, {"thin": False, "over_subscription_ratio": 0.9}, None),
    (10**6, {"free_gib": UNLIMITED}, None),
    (10**6, {"total_gib": UNLIMITED, "free_gib": 5.0}, None),
    (1, {"total_gib": UNLIMITED, "free_gib": 5.0, "reserved_percentage": 5}, "cannot reserve 5 %"),
    (10**6, {"total_gib": UNLIMITED, "free_gib": UNLIMITED, "reserved_percentage": 5}, None),
]


@pytest.mark.parametrize(("asked", "special", "words"), REFUSALS)
def test_refusals_are_cinders_and_say_why(asked, special, words):
    reason = why_no_room(a_pool(**{"total_gib": 10.0, **special}), asked, 0, thick=False)
    assert reason is None if words is None else words in (reason or "")


def test_a_pool_that_does_not_tell_what_is_free_takes_nothing():
    silent = msgspec.structs.replace(a_pool(), free_gib=None)
    assert why_no_room(silent, 1, 0, thick=False) == "does not report what is free"


def test_a_thick_volume_is_not_over_subscribed_on_a_thin_pool():
    pool = a_pool(total_gib=10.0, thin=True)
    assert why_no_room(pool, 11, 0, thick=False) is None
    assert why_no_room(pool, 11, 0, thick=True) == "11 GiB asked, 10.0 GiB left"


@given(st.floats(0, 1e6), st.floats(0, 100), st.booleans(), st.integers(0, 10**6))
def test_every_gib_promised_is_a_gib_less(total, reserved, thin, promised):
    pool = a_pool(
        total_gib=total,
        provisioned_gib=0.0,
        reserved_percentage=reserved,
        thin=thin,
        foreign_gib=0.0,
    )
    assert room_gib(pool, promised) == pytest.approx(room_gib(pool) - promised, abs=0.02)
