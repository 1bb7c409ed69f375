"""A project's own limits: merged, reset, found without an index."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import quota_limits as events
from domain.aggregates.quota_limits import QuotaLimits, limits_id
from tests.support.builders import PROJECT, a_moment, bare, limits_of

NOW = a_moment(60)


def test_the_limits_of_a_project_have_one_id_and_those_of_another_a_different_one():
    assert limits_id("a") == limits_id("a") != limits_id("b")


CHANGES = [
    # limits before, change, limits after, what the event calls changed
    ({}, {"volumes": 5}, {"volumes": 5}, ["volumes"]),
    ({"volumes": 5}, {"volumes": 7}, {"volumes": 7}, ["volumes"]),
    ({"volumes": 5}, {"gigabytes": 9}, {"volumes": 5, "gigabytes": 9}, ["gigabytes"]),
    ({"volumes": 5}, {"volumes": -1}, {"volumes": -1}, ["volumes"]),
    ({}, {"volumes": 1, "gigabytes": 2}, {"volumes": 1, "gigabytes": 2}, ["gigabytes", "volumes"]),
]


@pytest.mark.parametrize(("before", "change", "after", "changed"), CHANGES)
def test_a_change_keeps_what_it_does_not_name(before, change, after, changed):
    limits = limits_of(**before).settled() if before else QuotaLimits(id=limits_id(PROJECT))
    limits.change(PROJECT, change, NOW)
    assert bare(limits.pending) == [events.Changed(subject=PROJECT, limits=after, changed=changed)]
    assert (limits.state, limits.limits) == ("set", after)


def test_a_reset_forgets_every_limit():
    limits = limits_of(volumes=5).settled()
    limits.reset(NOW)
    assert bare(limits.pending) == [events.Reset(subject=PROJECT)]
    assert (limits.state, limits.limits) == ("defaults", {})


def test_limits_can_be_set_again_after_a_reset():
    limits = limits_of(volumes=5)
    limits.reset(NOW)
    limits.change(PROJECT, {"snapshots": 1}, NOW)
    assert limits.limits == {"snapshots": 1}


@pytest.mark.parametrize("past", ["none", "reset already"])
def test_resetting_what_has_no_limits_of_its_own_records_nothing(past):
    limits = QuotaLimits(id=limits_id(PROJECT))
    if past == "reset already":
        limits.change(PROJECT, {"volumes": 5}, NOW)
        limits.reset(NOW)
    limits = limits.settled()
    limits.reset(NOW)
    assert limits.pending == []


CHANGE = st.dictionaries(st.sampled_from(["volumes", "gigabytes"]), st.integers(-1, 9))


@given(st.lists(CHANGE | st.none(), max_size=8))
def test_replay_and_snapshots_equal_what_was_lived(changes):
    limits = QuotaLimits(id=limits_id(PROJECT))
    for change in changes:
        if change is None:
            limits.reset(NOW)
        else:
            limits.change(PROJECT, change, NOW)
    lived = limits.settled()
    assert QuotaLimits.from_history(lived.id, limits.pending) == lived
    assert msgspec.json.decode(msgspec.json.encode(lived), type=QuotaLimits) == lived
