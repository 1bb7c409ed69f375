"""A snapshot: which decisions are taken in which state, and what they record."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.aggregates import snapshot
from domain.aggregates.snapshot import Snapshot
from domain.errors import InvalidRequest, NotAllowed, NotFound, Superseded
from tests.support.builders import PROJECT, TURNS, a_moment, a_snapshot, bare

NOW = a_moment(60)

Decision = Callable[[Snapshot], Any]


def delete(s: Snapshot) -> None:
    s.request_deletion(NOW)


def force(s: Snapshot) -> None:
    s.request_deletion(NOW, force=True)


def created(s: Snapshot) -> None:
    s.created(s.attempt, "provider-1", NOW)


def failed(s: Snapshot) -> None:
    s.creation_failed(s.attempt, "disk full", NOW)


HAPPENS = [
    # in state       decision   what is recorded                the state it leads to
    ("available",    delete,    snapshot.DeletionRequested,     "deleting"),
    ("error",        delete,    snapshot.DeletionRequested,     "deleting"),
    ("requested",    force,     snapshot.DeletionRequested,     "deleting"),
    ("placed",       force,     snapshot.DeletionRequested,     "deleting"),
    ("making",       force,     snapshot.CancellationRequested, "cancelling"),
    ("error_deleting", force,   snapshot.DeletionRequested,     "deleting"),
    ("making",       created,   snapshot.Created,               "available"),
    ("making",       failed,    snapshot.CreationFailed,        "error"),
    ("cancelling",   created,   snapshot.CreationCancelled,     "deleting"),
    ("cancelling",   failed,    snapshot.CreationCancelled,     "deleting"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "decision", "event", "after"), HAPPENS)
def test_what_happens(state, decision, event, after):
    taken = a_snapshot(in_state=state)
    decision(taken)
    assert [type(each) for each in bare(taken.pending)] == [event]
    assert taken.state == after


@pytest.mark.parametrize("state", ["requested", "placed", "making", "error_deleting"])
def test_only_by_force_is_it_deleted_where_it_is_neither_available_nor_in_error(state):
    taken = a_snapshot(in_state=state)
    with pytest.raises(NotAllowed, match="available or error"):
        delete(taken)
    assert taken.pending == []


@pytest.mark.parametrize("state", ["cancelling", "deleting", "removing"])
def test_forcing_what_is_being_deleted_changes_nothing(state):
    taken = a_snapshot(in_state=state)
    force(taken)
    assert taken.pending == []


@pytest.mark.parametrize(("state", "outcome"), [("making", created), ("removing", created)])
def test_the_result_of_an_earlier_attempt_is_refused(state, outcome):
    taken = a_snapshot(in_state=state)
    taken.attempt += 1
    late = taken.settled()
    late.attempt -= 1
    with pytest.raises(Superseded):
        taken.created(late.attempt, None, NOW)
    with pytest.raises(Superseded):
        taken.deletion_failed(late.attempt, "no", NOW)


ENDS = {
    "requested": "error",
    "placed": "error",
    "making": "error",
    "cancelling": "deleting",
    "deleting": "error_deleting",
    "removing": "error_deleting",
}


@pytest.mark.parametrize("state", TURNS)
def test_nothing_waits_for_ever(state):
    taken = a_snapshot(in_state=state)
    taken.end_waiting("nobody came", NOW)
    assert taken.state == ENDS.get(state, state)


@pytest.mark.parametrize("state", TURNS)
def test_its_pool_is_free_again_of_what_it_had_promised(state):
    taken = a_snapshot(in_state=state)
    promised = taken.size_gib if len(TURNS[state]) and state != "error" else 0
    assert taken.promised_gib == promised


@pytest.mark.parametrize("state", TURNS)
def test_quota_is_kept_for_what_is_there(state):
    taken = a_snapshot(in_state=state)
    [paid_by] = taken.reservations
    open_ = state in ("requested", "placed", "making", "cancelling")
    assert taken.keeps(paid_by) is (None if open_ else state != "deleted")


def test_an_administrator_says_what_can_rest():
    taken = a_snapshot(in_state="making")
    with pytest.raises(InvalidRequest, match="available, error, error_deleting"):
        taken.reset("creating", NOW)
    with pytest.raises(NotAllowed):
        taken.reset("available", NOW)
    taken.reset("error", NOW)
    assert taken.status == "error"
    with pytest.raises(Superseded):
        created(taken)


def test_only_its_project_sees_it():
    assert a_snapshot().visible_to(PROJECT) == a_snapshot().visible_to(None) == a_snapshot()
    with pytest.raises(NotFound):
        a_snapshot().visible_to("another")
    with pytest.raises(NotFound):
        a_snapshot(in_state="deleted").visible_to(None)
