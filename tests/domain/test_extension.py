"""Decisions about making a volume larger, and what else may happen meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.aggregates.volume import Volume, attaching, extension, giving_up, holding
from domain.errors import InvalidRequest, LapilliError, NotAllowed, Superseded
from domain.machines.volume import VOLUME
from domain.machines.volume_operation import EXTENDING, VOLUME_OPERATION
from tests.support.builders import PATHS, a_moment, a_volume, an_id

NOW = a_moment(60)
PAYS = str(an_id(0xE))
Step = Callable[[Volume], Any]

request: Step = lambda v: extension.request(v, 5, reservation_id=PAYS, at=NOW)  # noqa: E731
place: Step = lambda v: extension.place(v, ceiling_gib=100.0, at=NOW)  # noqa: E731
start: Step = lambda v: extension.start(v, "worker-2", NOW)  # noqa: E731

attach: Step = lambda v: attaching.attach(  # noqa: E731
    v, an_id(0xA77), server_id="s", node=None, device="/dev/vdb", mode="rw", at=NOW
)

UNDER_WAY: dict[str, list[Step]] = {
    "idle": [],
    "extending": [request],
    "extension_placed": [request, place],
    "growing": [request, place, start],
    "attaching": [lambda v: holding.reserve(v, NOW)],
    "detaching": [attach, lambda v: holding.begin_detaching(v, NOW)],
}


def a_volume_that_is(operation: str) -> Volume:
    volume = a_volume()
    for step in UNDER_WAY[operation]:
        step(volume)
    assert volume.operation == operation
    return volume.settled()


DECISIONS: dict[str, Step] = {
    "request": request,
    "place": place,
    "refuse": lambda v: extension.refuse(v, "no room", NOW),
    "start": start,
    "succeed": lambda v: extension.succeed(v, v.attempt, NOW),
    "succeed, late": lambda v: extension.succeed(v, v.attempt - 1, NOW),
    "fail": lambda v: extension.fail(v, v.attempt, "broken", NOW),
    "fail, late": lambda v: extension.fail(v, v.attempt - 1, "broken", NOW),
    "give up": lambda v: giving_up.give_up(v, "too late", NOW),
    "delete": lambda v: v.request_deletion(NOW),
    "delete by force alone": lambda v: v.request_deletion(NOW, force=True),
    "describe": lambda v: v.describe("new name", None, NOW),
}

LEGAL: dict[str, dict[str, str]] = {
    "request": {"idle": "extension_requested"},
    "place": {"extending": "extension_placed"},
    "refuse": {"extending": "extension_refused"},
    "start": {"extension_placed": "extension_started", "growing": "extension_started"},
    "succeed": {"growing": "extended"},
    "fail": {"growing": "extension_failed"},
    "give up": {
        "extending": "extension_refused",
        "extension_placed": "extension_refused",
        "growing": "extension_failed",
    },
    "delete": {"idle": "deletion_requested"},
    "delete by force alone": {"idle": "deletion_requested"},
    "describe": dict.fromkeys(UNDER_WAY, "described"),
}
"""Each decision with what follows where it may be taken; everywhere else it is refused."""


@pytest.mark.parametrize("operation", UNDER_WAY)
@pytest.mark.parametrize("decision", DECISIONS)
def test_every_decision_beside_every_operation_leads_to_its_event_or_is_refused(
    decision, operation
):
    volume = a_volume_that_is(operation)
    before = volume.settled()
    expected = LEGAL.get(decision, {}).get(operation)
    if expected is not None:
        DECISIONS[decision](volume)
        assert [r.event.verb for r in volume.pending] == [expected]
    elif decision == "give up":
        assert giving_up.give_up(volume, "too late", NOW) == []
    else:
        with pytest.raises((NotAllowed, Superseded)):
            DECISIONS[decision](volume)
        assert volume == before


@pytest.mark.parametrize("state", [state for state in PATHS if state != "available"])
def test_only_a_volume_that_is_well_can_grow(state):
    volume = a_volume(in_state=state)
    with pytest.raises(NotAllowed, match="must be available"):
        request(volume)
    assert not volume.pending


@pytest.mark.parametrize("size", [1, 2])
def test_a_size_that_is_not_larger_is_refused(size):
    with pytest.raises(InvalidRequest, match="larger than the volume's 2 GiB"):
        extension.request(a_volume(size_gib=2), size, reservation_id=PAYS, at=NOW)


def test_a_larger_volume_remembers_what_paid_for_it():
    volume = a_volume_that_is("growing")
    extension.succeed(volume, volume.attempt, NOW)
    assert (volume.size_gib, volume.operation, volume.under_way) == (5, "idle", None)
    assert volume.reservations[1:] == [PAYS]
    assert (volume.status, volume.at_rest) == ("available", True)


@pytest.mark.parametrize(
    ("operation", "promised_gib", "status"),
    [
        ("extending", 0, "available"),
        ("extension_placed", 3, "available"),
        ("growing", 3, "error_extending"),
    ],
)
def test_given_up_it_is_well_unless_its_backend_had_begun_and_its_pool_promises_no_more(
    operation, promised_gib, status
):
    volume = a_volume_that_is(operation)
    assert (volume.status, volume.at_rest) == ("extending", False)
    assert giving_up.give_up(volume, "too late", NOW) == [PAYS]
    [told] = [r.event for r in volume.pending]
    assert isinstance(told, extension.ExtensionFailed | extension.ExtensionRefused)
    assert (told.promised_gib, told.reason) == (promised_gib, "too late")
    assert (volume.status, volume.size_gib) == (status, 2)


def test_a_result_of_an_earlier_extension_is_not_taken_for_one_of_the_next():
    volume = a_volume_that_is("growing")
    late = volume.attempt
    giving_up.give_up(volume, "too late", NOW)
    again = a_volume_that_is("growing")
    extension.fail(again, again.attempt, "broken", NOW)
    with pytest.raises(Superseded):
        extension.succeed(volume, late, NOW)


def test_a_claim_can_be_taken_over_and_then_only_the_newer_one_counts():
    volume = a_volume_that_is("growing")
    first, second = volume.attempt, start(volume)
    with pytest.raises(Superseded):
        extension.succeed(volume, first, NOW)
    extension.succeed(volume, second, NOW)


def test_replay_equals_what_was_lived():
    lived = a_volume()
    history = []
    for step in [request, place, start, lambda v: extension.succeed(v, v.attempt, NOW)]:
        step(lived)
    history = lived.pending
    replayed = a_volume()
    for recorded in history:
        replayed.replay(recorded)
    assert replayed == lived.settled()


def test_everything_that_can_be_under_way_ends_when_it_is_given_up():
    """The one way out that needs neither a worker nor its backend."""
    assert {"idle", *EXTENDING, "attaching", "detaching"} == set(UNDER_WAY)
    for operation in UNDER_WAY:
        volume = a_volume_that_is(operation)
        giving_up.give_up(volume, "too late", NOW)
        assert volume.operation == "idle"


def test_every_refusal_is_an_error_of_ours():
    for operation in UNDER_WAY:
        for decide in DECISIONS.values():
            try:
                decide(a_volume_that_is(operation))
            except LapilliError:
                continue
    assert set(VOLUME_OPERATION.events) <= set(VOLUME.events)
