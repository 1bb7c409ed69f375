"""Deadlines: each state in which somebody owes something has one, and it ends in rest."""

from datetime import timedelta

import pytest

from domain.aggregates.volume import (
    CachedImageReleased,
    ProvisioningFailed,
    Volume,
    connecting,
    extension,
    giving_up,
)
from domain.deadlines import OTHERWISE_ENDED, WAITS, overdue, overdue_attachments
from domain.machines import LIFECYCLES
from tests.domain.test_extension import UNDER_WAY, a_volume_that_is
from tests.domain.test_machines import AT_REST
from tests.support.builders import MORNING, PATHS, a_moment, a_volume, bare

ALLOWED = {wait.deadline: 100.0 for states in WAITS.values() for wait in states.values()}


def waits(name: str, state: str) -> bool:
    return state in WAITS.get(name, {})


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=list(LIFECYCLES))
def test_every_state_is_at_rest_or_has_a_deadline_or_a_reason_to_have_none(lifecycle):
    for state in set(lifecycle.states) - {lifecycle.initial} | AT_REST[lifecycle.name]:
        answers = (
            state in AT_REST[lifecycle.name],
            waits(lifecycle.name, state),
            (lifecycle.name, state) in OTHERWISE_ENDED,
        )
        assert sum(answers) == 1, f"{lifecycle.name} {state}: what ends it? See domain/deadlines.py"


def test_nothing_has_a_deadline_that_cannot_be():
    named = {(name, state) for name, states in WAITS.items() for state in states}
    for name, state in named | OTHERWISE_ENDED.keys():
        assert state in LIFECYCLES[name].states


def what_waits() -> list[Volume]:
    """Moves and what they are part of have tests of their own, beside their processes."""
    lives = [a_volume(in_state=state) for state in PATHS if waits("volume", state)]
    operations = [each for each in UNDER_WAY if waits("volume_operation", each)]
    return lives + [a_volume_that_is(operation) for operation in operations]


each_wait = pytest.mark.parametrize(
    "volume", what_waits(), ids=lambda v: f"{v.state} {v.operation}"
)


@each_wait
def test_it_is_overdue_from_the_very_second_and_not_before(volume):
    end = volume.since + timedelta(seconds=100)
    assert overdue(volume, ALLOWED, end - timedelta(microseconds=1)) is None
    reason = overdue(volume, ALLOWED, end)
    assert reason is not None
    assert reason.endswith("for 100 s, 100 s being allowed")


@pytest.mark.parametrize("state", sorted(AT_REST["volume"]))
def test_what_is_at_rest_is_never_overdue(state):
    volume = a_volume(in_state=state)
    assert overdue(volume, ALLOWED, MORNING + timedelta(days=10_000)) is None
    giving_up.end_waiting(volume, "too late", a_moment())
    assert not volume.pending


OUTCOMES = {
    "requested": "placement_failed",
    "placed": "rescheduled",
    "awaiting": "image_wait_ended",
    "provisioning": "rescheduled",
    "downloading": "rescheduled",
    "cancelling": "creation_cancelled",
    "emptying": "deletion_failed",
    "deleting": "deletion_failed",
    "removing": "deletion_failed",
}


@pytest.mark.parametrize("state", OUTCOMES)
def test_a_life_that_nobody_goes_on_with_ends_in_one_event_that_says_why(state):
    volume = a_volume(in_state=state)
    giving_up.end_waiting(volume, "too late", a_moment())
    [event] = [each for each in bare(volume.pending) if not isinstance(each, CachedImageReleased)]
    assert (event.verb, getattr(event, "reason", None)) == (OUTCOMES[state], "too late")
    assert OUTCOMES.keys() == WAITS["volume"].keys()


def test_the_last_backend_that_may_try_leaves_it_in_error_with_all_that_tried():
    volume = a_volume(in_state="requested")
    for number in range(3):
        assert volume.state == "requested"
        PATHS["placed"][0](volume)
        giving_up.end_waiting(volume, f"too late {number}", a_moment())
    assert volume.state == "error"
    failed = volume.pending[-1].event
    assert isinstance(failed, ProvisioningFailed)
    assert [tried.reason for tried in failed.tried] == [
        "too late 0", "too late 1", "too late 2",
    ]  # fmt: skip


def test_an_extension_is_not_refused_for_want_of_room_once_its_pool_has_promised_it():
    volume = a_volume_that_is("extension_placed")
    with pytest.raises(Exception, match="not possible"):
        extension.refuse(volume, "no room", a_moment())


def test_what_waits_on_a_volume_that_is_going_ends_with_it():
    volume = a_volume()
    connecting.connect_node(volume, {"host": "node1"}, a_moment())
    late = MORNING + timedelta(seconds=100)
    assert overdue_attachments(volume, ALLOWED, late)
    volume.request_deletion(a_moment(), force=True)
    assert not overdue_attachments(volume, ALLOWED, late)
