"""The decision: filters, weights, and reasons (scheduler-and-drivers 3)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.placement import Decision, Origin, Promise, Request, Rules, Tried, place, room_gib
from domain.placement.decision import MOST_TOLD
from domain.placement.filters import FILTERS
from tests.support.builders import a_pool, an_id

OTHER = str(an_id(7))
HERE = Origin(pool="host1@gold#pool1", may_stay=True)

ASKS = [
    # filter, what is asked, what is special about the pool, words of the refusal (None: it fits)
    ("AvailabilityZoneFilter", {}, {}, None),
    ("AvailabilityZoneFilter", {"zones": ["nova"]}, {}, None),
    ("AvailabilityZoneFilter", {"zones": ["mars", "nova"]}, {}, None),
    ("AvailabilityZoneFilter", {"zones": ["mars", "io"]}, {}, "is in zone nova, not mars or io"),
    ("CapacityFilter", {"size_gib": 101}, {}, "101 GiB asked, 100.0 GiB left"),
    ("CapabilitiesFilter", {"extra_specs": {"a": "1"}}, {}, "does not report a, wanted '1'"),
    ("CapabilitiesFilter", {"extra_specs": {"a": "1"}}, {"capabilities": {"a": "1"}}, None),
    ("IgnoreAttemptedHostsFilter", {"tried": [Tried(pool="h@x#p", reason="full")]}, {}, None),
    (
        "IgnoreAttemptedHostsFilter",
        {"tried": [Tried(pool="host1@gold#pool9", reason="full")]},
        {},
        "was tried: full",
    ),
    ("BackEndEncryptionFilter", {}, {"capabilities": {"back_end_encryption": False}}, None),
    (
        "BackEndEncryptionFilter",
        {"encrypted_by_backend": True},
        {"capabilities": {"back_end_encryption": True}},
        None,
    ),
    (
        "BackEndEncryptionFilter",
        {"encrypted_by_backend": True},
        {"capabilities": {"back_end_encryption": False}},
        "back_end_encryption",
    ),
    (
        "BackEndEncryptionFilter",
        {"encrypted_by_backend": True},
        {},
        "does not report capabilities:back_end_encryption",
    ),
    ("SameBackendFilter", {}, {}, None),
    (
        "SameBackendFilter",
        {"hints": {"same_host": OTHER}, "places": {OTHER: "host1@gold#pool1"}},
        {},
        None,
    ),
    (
        "SameBackendFilter",
        {"hints": {"same_host": [OTHER]}, "places": {OTHER: "host1@gold#pool2"}},
        {},
        "holds none of the volumes of same_host",
    ),
    ("SameBackendFilter", {"hints": {"same_host": [OTHER]}}, {}, "holds none"),
    ("SameBackendFilter", {"hints": {"same_host": "x"}}, {}, "names no volume ids"),
    ("SameBackendFilter", {"hints": {"same_host": {"a": 1}}}, {}, "names no volume ids"),
    ("DifferentBackendFilter", {}, {}, None),
    ("DifferentBackendFilter", {"hints": {"different_host": OTHER}}, {}, None),
    (
        "DifferentBackendFilter",
        {"hints": {"different_host": OTHER}, "places": {OTHER: "host1@gold#pool1"}},
        {},
        f"holds {OTHER} of different_host",
    ),
    ("DifferentBackendFilter", {"hints": {"different_host": [OTHER, "x"]}}, {}, "no volume ids"),
    ("ReachableFilter", {"origin": Origin(pool="host1@gold#pool2")}, {}, None),
    ("ReachableFilter", {"origin": Origin(pool="host1@gold#pool1")}, {}, "holds it already"),
    ("ReachableFilter", {"origin": HERE}, {}, None),
    (
        "ReachableFilter",
        {"origin": Origin(pool="host1@gold#pool2", barred={"host1@gold#pool1": "is not clean"})},
        {},
        "is not clean",
    ),
    (
        "ReachableFilter",
        {"origin": Origin(pool="host1@gold#pool2", only="host1@gold#pool3")},
        {},
        "is not host1@gold#pool3",
    ),
    (
        "ReachableFilter",
        {"origin": Origin(pool="host1@gold#pool2", only="host1@gold")},
        {},
        None,
    ),
    (
        "ReachableFilter",
        {"origin": Origin(pool="host2@blue#pool1")},
        {},
        "cannot exchange data with host2@blue",
    ),
    (
        "ReachableFilter",
        {"origin": Origin(pool="host2@blue#pool1")},
        {"capabilities": {"reads_from": ["host3@red", "host2@blue"]}},
        None,
    ),
    ("CapacityFilter", {"size_gib": 101, "origin": HERE}, {}, None),
    ("DriverFilter", {}, {}, None),
    ("DriverFilter", {}, {"filter_function": "volume.size < 5"}, None),
    ("DriverFilter", {"size_gib": 9}, {"filter_function": "volume.size < 5"}, "is not true that"),
    ("DriverFilter", {}, {"filter_function": "stats.allocated_capacity_gb == 0"}, None),
    ("DriverFilter", {"extra_specs": {"x": "5"}}, {"filter_function": "extra.x > 4"}, None),
    ("DriverFilter", {}, {"filter_function": "volume.nothing"}, "volume.nothing is not known"),
    ("DriverFilter", {}, {"filter_function": "1 +"}, "cannot be parsed"),
    ("JsonFilter", {}, {}, None),
    ("JsonFilter", {"hints": {"query": '[">=", "$free_capacity_gb", 100]'}}, {}, None),
    ("JsonFilter", {"hints": {"query": [">", "$free_capacity_gb", 100]}}, {}, "does not match"),
    ("JsonFilter", {"hints": {"query": "["}}, {}, "is no JSON"),
    ("JsonFilter", {"hints": {"query": '["?", 1]'}}, {}, "is not an operator"),
]


@pytest.mark.parametrize(("name", "asked", "special", "words"), ASKS)
def test_each_filter_passes_what_cinders_would_and_says_why_not(name, asked, special, words):
    request = Request(**{"size_gib": 1, **asked})
    rules = Rules(filters=[name])
    (verdict,) = place([a_pool(**special)], request, rules=rules).candidates
    if words is None:
        assert verdict.refused_by is None
    else:
        assert verdict.refused_by == name
        assert words in (verdict.reason or "")


def test_the_table_has_every_filter():
    assert {row[0] for row in ASKS} == FILTERS.keys()


def test_the_first_filter_that_refuses_is_the_one_that_is_told():
    request = Request(size_gib=1000, zones=["mars"])
    (verdict,) = place([a_pool()], request).candidates
    assert verdict.refused_by == "AvailabilityZoneFilter"


def test_what_moves_stays_where_it_is_if_that_pool_fits_however_good_the_others_are():
    pools = [a_pool("host1@gold#pool2", total_gib=1000.0), a_pool("host1@gold#pool1")]
    assert (
        place(pools, Request(size_gib=1)).chosen == place(pools, Request(size_gib=1)).candidates[0]
    )
    decision = place(pools, Request(size_gib=101, origin=HERE))
    assert decision.chosen is not None
    assert decision.chosen.pool == "host1@gold#pool1"
    elsewhere = Origin(pool="host1@gold#pool1")
    decision = place(pools, Request(size_gib=1, origin=elsewhere))
    assert decision.chosen is not None
    assert decision.chosen.pool == "host1@gold#pool2"


def test_where_data_can_follow_is_asked_whatever_is_enabled():
    request = Request(size_gib=1, origin=Origin(pool="host2@blue#pool1"))
    decision = place([a_pool()], request, rules=Rules(filters=[]))
    assert decision.chosen is None
    assert "cannot exchange data" in decision.reason


def test_filters_that_are_not_enabled_refuse_nothing():
    decision = place([a_pool()], Request(size_gib=1000, zones=["mars"]), rules=Rules(filters=[]))
    assert decision.chosen is not None


def test_backends_that_were_tried_are_refused_whatever_is_enabled():
    request = Request(size_gib=1, tried=[Tried(pool="a@x#1", reason="broken")])
    pools = [a_pool("a@x#1"), a_pool("a@x#2"), a_pool("a@y#1")]
    decision = place(pools, request, rules=Rules(filters=[]))
    assert decision.chosen is not None and decision.chosen.pool == "a@y#1"


def test_what_backends_are_to_encrypt_never_lands_elsewhere_whatever_is_enabled():
    request = Request(size_gib=1, encrypted_by_backend=True)
    pools = [a_pool("a"), a_pool("b", capabilities={"back_end_encryption": True})]
    decision = place(pools, request, rules=Rules(filters=[]))
    assert decision.chosen is not None and decision.chosen.pool == "b"


def test_the_roomiest_pool_wins():
    pools = [a_pool("a", total_gib=10), a_pool("b", total_gib=30), a_pool("c", total_gib=20)]
    decision = place(pools, Request(size_gib=1))
    assert decision.chosen is not None and decision.chosen.pool == "b"
    told = [(v.pool, v.weight, list(v.raw)) for v in decision.candidates]
    assert told == [("a", 0, [10]), ("b", 1, [30]), ("c", 0.5, [20])]
    assert decision.weighers == ["CapacityWeigher"]


def test_of_equals_the_first_reported_wins():
    decision = place([a_pool("a"), a_pool("b")], Request(size_gib=1))
    assert decision.chosen is not None and decision.chosen.pool == "a"


def test_a_roomier_pool_in_another_zone_loses():
    pools = [a_pool("a", total_gib=10), a_pool("b", total_gib=99, zone="mars")]
    decision = place(pools, Request(size_gib=1, zones=["nova"]))
    assert decision.chosen is not None and decision.chosen.pool == "a"


def test_what_is_promised_but_not_yet_reported_counts():
    pools = [a_pool("a", total_gib=10), a_pool("b", total_gib=9)]
    decision = place(pools, Request(size_gib=1), promised={"a": Promise(5, 5)})
    assert decision.chosen is not None and decision.chosen.pool == "b"
    full = {"a": Promise(10, 1), "b": Promise(9, 1)}
    assert place(pools, Request(size_gib=1), promised=full).chosen is None


@pytest.mark.parametrize(("promised", "ceiling"), [(0, 10), (4, 10), (9, 10)])
def test_the_ceiling_is_what_the_pool_may_be_promised_in_all(promised, ceiling):
    given = {"a": Promise(promised, 1)}
    decision = place([a_pool("a", total_gib=10)], Request(size_gib=1), promised=given)
    assert decision.ceiling_gib == ceiling


def test_a_pool_without_a_limit_has_no_ceiling():
    decision = place([a_pool(free_gib=float("inf"))], Request(size_gib=1))
    assert decision.chosen is not None and decision.ceiling_gib is None


WEIGHERS = [
    # weigher, multiplier, (of pool a, of pool b): what is special, and what is promised; who wins
    ("CapacityWeigher", 1.0, ({"total_gib": 9}, 0), ({"total_gib": 10}, 0), "b"),
    ("CapacityWeigher", -1.0, ({"total_gib": 9}, 0), ({"total_gib": 10}, 0), "a"),
    ("CapacityWeigher", 1.0, ({"free_gib": float("inf")}, 0), ({"total_gib": 10}, 0), "b"),
    ("AllocatedCapacityWeigher", -1.0, ({}, 5), ({}, 3), "b"),
    ("AllocatedCapacityWeigher", 1.0, ({}, 5), ({}, 3), "a"),
    ("VolumeNumberWeigher", -1.0, ({}, 5), ({}, 3), "b"),
    ("GoodnessWeigher", 1.0, ({}, 0), ({"goodness_function": "1"}, 0), "b"),
    (
        "GoodnessWeigher",
        1.0,
        ({"goodness_function": "volume.size * 10"}, 0),
        ({"goodness_function": "1 < 2"}, 0),
        "b",
    ),
    (
        "GoodnessWeigher",
        1.0,
        ({"goodness_function": "101"}, 0),
        ({"goodness_function": "0.5"}, 0),
        "b",
    ),
    ("GoodnessWeigher", 1.0, ({"goodness_function": "nope.nope"}, 0), ({}, 0), "a"),
]


@pytest.mark.parametrize(("name", "multiplier", "a", "b", "winner"), WEIGHERS)
def test_each_weigher_prefers_what_cinders_would(name, multiplier, a, b, winner):
    pools = [a_pool("a", **a[0]), a_pool("b", **b[0])]
    promised = {"a": Promise(a[1], a[1]), "b": Promise(b[1], b[1])}
    rules = Rules(weighers={name: multiplier})
    decision = place(pools, Request(size_gib=1), rules=rules, promised=promised)
    assert decision.chosen is not None and decision.chosen.pool == winner


def test_weights_are_scaled_before_they_are_summed():
    pools = [a_pool("a", total_gib=1000), a_pool("b", total_gib=900)]
    rules = Rules(weighers={"CapacityWeigher": 1.0, "VolumeNumberWeigher": -1.5})
    promised = {"a": Promise(0, 3), "b": Promise(0, 2)}
    decision = place(pools, Request(size_gib=1), rules=rules, promised=promised)
    assert [(v.pool, v.weight) for v in decision.candidates] == [("a", -0.5), ("b", 0.0)]


def test_no_pool_at_all_is_a_reason():
    decision = place([], Request(size_gib=1))
    assert (decision.candidates, decision.chosen) == ([], None)
    assert decision.reason == "No backend is available."


def test_a_failure_tells_for_every_pool_who_refused_it_and_why():
    pools = [a_pool("a", total_gib=10), a_pool("b", zone="mars"), a_pool("c", total_gib=0)]
    assert place(pools, Request(size_gib=20, zones=["nova"])).reason == (
        "No backend can take it: a 20 GiB asked, 10.0 GiB left (CapacityFilter);"
        " b is in zone mars, not nova (AvailabilityZoneFilter);"
        " c reports no capacity (CapacityFilter)."
    )


def test_a_decision_among_very_many_tells_the_best_and_some_of_every_refusal():
    pools = [a_pool(f"p{n}", total_gib=n, zone="mars" if n % 3 else "nova") for n in range(1000)]
    decision = place(pools, Request(size_gib=500, zones=["nova"]))
    assert len(decision.candidates) == MOST_TOLD
    assert (decision.considered, decision.fit) == (1000, 167)
    assert decision.chosen is not None and decision.chosen.pool == "p999"
    assert decision.chosen in decision.candidates
    told = {verdict.refused_by for verdict in decision.candidates}
    assert told == {None, "AvailabilityZoneFilter", "CapacityFilter"}
    assert len(msgspec.json.encode(decision)) < 40_000


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
        foreign_gib=st.none() | SIZES,
    ),
    max_size=6,
)


@given(POOLS, st.integers(1, 10**6), st.none() | st.sampled_from(["nova", "mars"]))
def test_what_is_chosen_fits_and_nothing_that_fits_is_roomier(pools, size, zone):
    decision = place(pools, Request(size_gib=size, zones=[zone] if zone else []))
    fit = [pool for pool, v in zip(pools, decision.candidates, strict=True) if not v.refused_by]
    assert all(room_gib(pool) >= size and zone in (None, pool.zone) for pool in fit)
    if decision.chosen is None:
        assert not fit and decision.reason
    else:
        assert decision.chosen.raw[0] == max(map(room_gib, fit))
        assert decision.chosen in decision.candidates
        assert decision.ceiling_gib is not None and decision.ceiling_gib >= size


@given(POOLS, st.integers(1, 10**6))
def test_a_decision_survives_being_stored(pools, size):
    stored = msgspec.json.encode(place(pools, Request(size_gib=size)))
    assert msgspec.json.encode(msgspec.json.decode(stored, type=Decision)) == stored
