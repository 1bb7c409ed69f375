"""Placement: filters, weights, and reasons (scheduler-and-drivers 3, 4)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.placement import Decision, place, room_gib
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


PASSES = [
    # size, zone asked, what is special about the pool of 10 GiB, who refuses it
    (10, None, {}, None),
    (11, None, {}, "CapacityFilter"),
    (1, "nova", {}, None),
    (1, "mars", {}, "AvailabilityZoneFilter"),
    (11, "mars", {}, "AvailabilityZoneFilter"),
    (1, None, {"total_gib": 0.0}, "CapacityFilter"),
    (1, None, {"total_gib": -1.0}, "CapacityFilter"),
    (1, None, {"free_gib": 0.99}, "CapacityFilter"),
    (1, None, {"free_gib": 0.999}, None),  # 1.0 when rounded to two decimals
    (1, None, {"reserved_percentage": 100.0}, "CapacityFilter"),
    (20, None, {"thin": True, "over_subscription_ratio": 2.0}, None),
    (21, None, {"thin": True, "over_subscription_ratio": 2.0}, "CapacityFilter"),
    (1, None, {"thin": True, "over_subscription_ratio": 0.9}, "CapacityFilter"),
    (1, None, {"thin": False, "over_subscription_ratio": 0.9}, None),
]


@pytest.mark.parametrize(("size", "zone", "special", "refused_by"), PASSES)
def test_filters_pass_what_cinders_would(size, zone, special, refused_by):
    decision = place([a_pool(**{"total_gib": 10.0, **special})], size_gib=size, zone=zone)
    (verdict,) = decision.candidates
    assert verdict.refused_by == refused_by
    assert (decision.chosen is None) == (refused_by is not None)
    assert (verdict.reason is None) == (refused_by is None)


def test_the_roomiest_pool_wins():
    pools = [a_pool("a", total_gib=10), a_pool("b", total_gib=30), a_pool("c", total_gib=20)]
    decision = place(pools, size_gib=1, zone=None)
    assert decision.chosen is not None
    assert (decision.chosen.pool, decision.chosen.weight) == ("b", 30.0)
    assert [(v.pool, v.weight) for v in decision.candidates] == [("a", 10), ("b", 30), ("c", 20)]


def test_of_equals_the_first_reported_wins():
    decision = place([a_pool("a"), a_pool("b")], size_gib=1, zone=None)
    assert decision.chosen is not None and decision.chosen.pool == "a"


def test_a_roomier_pool_in_another_zone_loses():
    pools = [a_pool("a", total_gib=10), a_pool("b", total_gib=99, zone="mars")]
    decision = place(pools, size_gib=1, zone="nova")
    assert decision.chosen is not None and decision.chosen.pool == "a"


def test_no_pool_at_all_is_a_reason():
    assert place([], size_gib=1, zone=None) == Decision(
        candidates=[], reason="No backend is available."
    )


def test_a_failure_tells_for_every_pool_who_refused_it_and_why():
    pools = [a_pool("a", total_gib=10), a_pool("b", zone="mars"), a_pool("c", total_gib=0)]
    assert place(pools, size_gib=20, zone="nova").reason == (
        "No backend can take it: a 20 GiB asked, 10.0 GiB left (CapacityFilter);"
        " b is in zone mars, not nova (AvailabilityZoneFilter);"
        " c reports no capacity (CapacityFilter)."
    )


SIZES = st.floats(0, 1e6, allow_nan=False)
POOLS = st.lists(
    st.builds(
        a_pool,
        st.uuids().map(str),
        zone=st.sampled_from(["nova", "mars"]),
        total_gib=SIZES,
        free_gib=SIZES,
        provisioned_gib=SIZES,
        reserved_percentage=st.floats(0, 100),
        over_subscription_ratio=st.floats(0, 50),
        thin=st.booleans(),
    ),
    max_size=6,
)


@given(POOLS, st.integers(1, 10**6), st.none() | st.sampled_from(["nova", "mars"]))
def test_what_is_chosen_fits_and_nothing_that_fits_is_roomier(pools, size, zone):
    decision = place(pools, size_gib=size, zone=zone)
    fit = [pool for pool, v in zip(pools, decision.candidates, strict=True) if not v.refused_by]
    assert all(room_gib(pool) >= size and zone in (None, pool.zone) for pool in fit)
    if decision.chosen is None:
        assert not fit and decision.reason
    else:
        assert decision.chosen.weight == max(map(room_gib, fit))
        assert decision.chosen in decision.candidates


@given(POOLS, st.integers(1, 10**6))
def test_a_decision_survives_being_stored(pools, size):
    decision = place(pools, size_gib=size, zone=None)
    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision
