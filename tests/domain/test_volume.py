"""A volume's decisions: given its past, when something is wanted, then events or a refusal."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import volume as events
from domain.aggregates.volume import Volume, extension, offering, properties, resetting
from domain.errors import InvalidRequest, LapilliError, NotAllowed, NotFound, Superseded
from domain.machines.volume import VISIBLE_STATUS, VOLUME
from domain.placement import Request, Tried, place
from tests.support.builders import (
    A_PLACE,
    A_TYPE,
    HOST,
    NO_PLACE,
    PATHS,
    PROJECT,
    USER,
    ZONE,
    a_moment,
    a_pool,
    a_request,
    a_volume,
    an_id,
    an_unplaceable_volume,
    bare,
)

Decide = Callable[[Volume], Any]
Outcome = list[str] | type[Exception]
"""The verbs of the events that follow, or how it is refused."""

NOW = a_moment(60)
STATES = [state for state in VOLUME.states if state != "new"]

DECISIONS: dict[str, Decide] = {
    "place": lambda v: v.place(A_PLACE, NOW),
    "place nowhere": lambda v: v.place(NO_PLACE, NOW),
    "start provisioning": lambda v: v.start_provisioning("worker-2", NOW),
    "provisioned": lambda v: v.provisioned(v.attempt, "p", NOW),
    "provisioned, late": lambda v: v.provisioned(v.attempt - 1, "p", NOW),
    "provisioning failed": lambda v: v.provisioning_failed(v.attempt, "broken", NOW),
    "provisioning failed, late": lambda v: v.provisioning_failed(v.attempt - 1, "broken", NOW),
    "failed, may work elsewhere": lambda v: v.provisioning_failed(
        v.attempt, "full", NOW, elsewhere=True
    ),
    "abandon creation": lambda v: v.abandon_creation(NOW),
    "delete": lambda v: v.request_deletion(NOW),
    "delete by force": lambda v: v.request_deletion(NOW, force=True),
    "delete with snapshots": lambda v: v.request_deletion(NOW, along=[an_id(0x51)]),
    "emptied": lambda v: v.emptied(NOW),
    "start deletion": lambda v: v.start_deletion("worker-2", NOW),
    "deleted": lambda v: v.deleted(NOW),
    "deletion failed": lambda v: v.deletion_failed(v.attempt, "broken", NOW),
    "deletion failed, late": lambda v: v.deletion_failed(v.attempt - 1, "broken", NOW),
    "found busy": lambda v: v.found_busy(v.attempt, "in use", NOW),
    "found busy, late": lambda v: v.found_busy(v.attempt - 1, "in use", NOW),
    "describe": lambda v: v.describe("new name", None, NOW),
    "change metadata": lambda v: v.change_metadata({"new": "key"}, NOW),
    "set bootable": lambda v: properties.set_bootable(v, True, NOW),
    "set readonly": lambda v: properties.set_readonly(v, True, NOW),
    "change image metadata": lambda v: properties.change_image_metadata(v, {"os": "debian"}, NOW),
    "offer": lambda v: offering.offer(v, "transfer-1", NOW),
    "extend": lambda v: extension.request(v, 9, reservation_id="r", at=NOW),
    "reset to available": lambda v: resetting.reset(v, "available", NOW),
    "reset to error": lambda v: resetting.reset(v, "error", NOW),
    "reset to error_deleting": lambda v: resetting.reset(v, "error_deleting", NOW),
    "reset to error_extending": lambda v: resetting.reset(v, "error_extending", NOW),
}

ALIVE = [state for state in STATES if state != "deleted"]
SETTLED = [
    "available",
    "error",
    "error_deleting",
    "error_extending",
    "error_restoring",
    "unreachable",
]

LEGAL: dict[str, dict[str, list[str]]] = {
    "place": {"requested": ["placed"]},
    "place nowhere": {"requested": ["placement_failed"]},
    "start provisioning": {
        "placed": ["provisioning_started"],
        "provisioning": ["provisioning_started"],
        "downloading": ["provisioning_started"],
    },
    "provisioned": {
        "provisioning": ["provisioned"],
        "downloading": ["provisioned"],
        "cancelling": ["creation_cancelled"],
    },
    "provisioned, late": {},
    "provisioning failed": {
        "provisioning": ["provisioning_failed"],
        "downloading": ["provisioning_failed"],
        "cancelling": ["creation_cancelled"],
    },
    "provisioning failed, late": {},
    "failed, may work elsewhere": {
        "provisioning": ["rescheduled"],
        "downloading": ["rescheduled"],
        "cancelling": ["creation_cancelled"],
    },
    "abandon creation": {"cancelling": ["creation_cancelled"]},
    "delete": {
        "requested": ["deletion_requested"],
        "available": ["deletion_requested"],
        "error": ["deletion_requested"],
        "error_extending": ["deletion_requested"],
        "error_restoring": ["deletion_requested"],
        # not while it is unreachable, as it is attached then
    },
    "delete by force": {
        "requested": ["deletion_requested"],
        "placed": ["deletion_requested"],
        "awaiting": ["deletion_requested", "cached_image_released"],
        "provisioning": ["cancellation_requested"],
        "downloading": ["cancellation_requested"],
        "available": ["deletion_requested"],
        "error": ["deletion_requested"],
        "cancelling": [],
        "emptying": [],
        "deleting": [],
        "removing": [],
        "error_deleting": ["deletion_requested"],
        "error_extending": ["deletion_requested"],
        "error_restoring": ["deletion_requested"],
    },
    "delete with snapshots": {
        "available": ["cascade_requested"],
        "error": ["cascade_requested"],
        "error_extending": ["cascade_requested"],
        "error_restoring": ["cascade_requested"],
    },
    "emptied": {"emptying": ["deletion_requested"]},
    "start deletion": {"deleting": ["deletion_started"], "removing": ["deletion_started"]},
    "deleted": {"deleting": ["deleted"], "removing": ["deleted"]},
    "deletion failed": {"removing": ["deletion_failed"]},
    "deletion failed, late": {},
    "found busy": {"removing": ["found_busy"]},
    "found busy, late": {},
    "describe": {state: ["described"] for state in ALIVE},
    "change metadata": {state: ["metadata_changed"] for state in ALIVE},
    "set bootable": {state: ["bootable_changed"] for state in ALIVE},
    "set readonly": {"available": ["readonly_changed"]},
    "change image metadata": {state: ["image_metadata_changed"] for state in ALIVE},
    "offer": {"available": ["offered"]},
    "extend": {"available": ["extension_requested"]},
    "reset to available": {state: ["reset_to_available"] for state in SETTLED[:-1]},
    "reset to error": {state: ["reset_to_error"] for state in ALIVE}
    | {"awaiting": ["reset_to_error", "cached_image_released"]},
    "reset to error_deleting": {state: ["reset_to_error_deleting"] for state in SETTLED},
    "reset to error_extending": {state: ["reset_to_error_extending"] for state in SETTLED},
}
"""Every decision in every state; what is not here is refused."""

REFUSED_BY_CLAIM = {decision for decision in DECISIONS if decision.endswith(", late")} | {
    "provisioned",
    "provisioning failed",
    "failed, may work elsewhere",
    "deletion failed",
    "found busy",
}


def attempted(volume: Volume, decide: Decide) -> Outcome:
    """What comes of a decision."""
    before = msgspec.json.encode(volume)
    try:
        decide(volume)
    except LapilliError as refusal:
        assert msgspec.json.encode(volume) == before, "a refusal changes nothing"
        return type(refusal)
    return [event.verb for event in bare(volume.pending)]


EVERYTHING = [(decision, state) for decision in DECISIONS for state in STATES]


@pytest.mark.parametrize(("decision", "state"), EVERYTHING)
def test_every_decision_in_every_state_leads_to_its_events_or_is_refused(decision, state):
    volume = a_volume(in_state=state)
    outcome = attempted(volume, DECISIONS[decision])
    legal = LEGAL[decision].get(state)
    if legal is not None:
        assert outcome == legal
        return
    refusals: tuple[type[Exception], ...] = (NotAllowed,)
    if decision in REFUSED_BY_CLAIM:
        refusals = (Superseded, NotAllowed)
    if state in ("requested", "unreachable"):
        refusals = (*refusals, InvalidRequest)  # it is on no backend yet; is attached
    assert outcome in refusals


def the_only(volume: Volume) -> Any:
    (recorded,) = volume.pending
    assert recorded.moment == NOW
    assert recorded.version == volume.version
    return recorded.event


def test_a_request_carries_all_that_was_asked():
    volume = a_request(7, size_gib=5, metadata={"a": "b"})
    (recorded,) = volume.pending
    assert recorded.version == 1
    assert recorded.event == events.Requested(
        project_id=PROJECT,
        user_id=USER,
        size_gib=5,
        name="volume 7",
        description=None,
        metadata={"a": "b"},
        volume_type_id=str(A_TYPE),
        availability_zone=None,
        reservation_id=str(an_id(7 + 0xFFFF)),
        zones=[],
        hints={},
    )
    assert volume.requested_at == a_moment().at


def test_a_placed_volume_knows_where_it_is_and_the_event_tells_why():
    volume = a_volume(in_state="requested", size_gib=2)
    volume.place(A_PLACE, NOW, most=3)
    assert (volume.host, volume.availability_zone) == (HOST, ZONE)
    assert the_only(volume) == events.Placed(
        host=HOST,
        availability_zone=ZONE,
        project_id=PROJECT,
        size_gib=2,
        decision=A_PLACE,
        number=1,
        most=3,
    )


def test_a_volume_that_fits_nowhere_is_in_error_on_no_backend_with_the_reason():
    volume = a_volume(in_state="requested")
    volume.place(NO_PLACE, NOW)
    assert (volume.state, volume.host) == ("error", None)
    assert the_only(volume).reason == "No backend is available."


def test_a_claim_taken_over_gets_the_next_number_and_supersedes_the_first():
    volume = a_volume(in_state="placed")
    first = volume.start_provisioning("worker-1", NOW)
    second = volume.start_provisioning("worker-2", NOW)
    assert (first, second) == (1, 2)
    with pytest.raises(Superseded):
        volume.provisioned(first, "late", NOW)
    volume.provisioned(second, "good", NOW)
    assert volume.state == "available"


def test_attempts_are_numbered_through_creation_and_deletion():
    volume = a_volume(in_state="available")
    volume.request_deletion(NOW)
    assert volume.start_deletion("worker-1", NOW) == 2
    assert volume.start_deletion("worker-2", NOW) == 3
    with pytest.raises(Superseded):
        volume.deletion_failed(2, "late", NOW)


def test_a_late_result_of_the_creation_cannot_end_a_deletion():
    volume = a_volume(in_state="removing")
    with pytest.raises(Superseded):
        volume.provisioned(1, "late", NOW)


@pytest.mark.parametrize("finish", ["provisioned", "provisioning failed"])
def test_a_creation_cancelled_meanwhile_ends_in_deletion_whatever_came_of_it(finish):
    volume = a_volume(in_state="cancelling")
    DECISIONS[finish](volume)
    assert volume.state == "deleting"
    assert the_only(volume) == events.CreationCancelled(host=HOST, attempt=1, reason=None)


def test_deletion_of_what_no_backend_holds_names_none():
    volume = an_unplaceable_volume()
    volume.request_deletion(NOW)
    assert the_only(volume) == events.DeletionRequested(host=None, forced=False)


def test_a_refused_deletion_tells_the_status_that_users_see_and_what_it_must_be():
    volume = a_volume(in_state="provisioning")
    with pytest.raises(NotAllowed) as refused:
        volume.request_deletion(NOW)
    assert refused.value.state == VISIBLE_STATUS["provisioning"] == "creating"
    assert refused.value.allowed == ("available", "error")
    assert str(refused.value).endswith("which is creating; it must be available or error.")


def test_a_busy_volume_is_available_again():
    volume = a_volume(in_state="removing")
    volume.found_busy(volume.attempt, "in use", NOW)
    assert volume.state == "available"


def test_a_deleted_volume_tells_what_is_free_again():
    volume = a_volume(in_state="removing", size_gib=9)
    volume.deleted(NOW)
    assert the_only(volume) == events.Deleted(host=HOST, project_id=PROJECT, size_gib=9)


SAME_AGAIN: dict[str, Decide] = {
    "describe": lambda v: v.describe(v.name, v.description, NOW),
    "metadata": lambda v: v.change_metadata(v.metadata, NOW),
    "reordered metadata": lambda v: v.change_metadata({"b": "2", "a": "1"}, NOW),
}


@pytest.mark.parametrize("decide", SAME_AGAIN.values(), ids=list(SAME_AGAIN))
def test_saying_the_same_again_records_nothing(decide):
    volume = a_volume(metadata={"a": "1", "b": "2"})
    decide(volume)
    assert volume.pending == []


def test_metadata_given_away_cannot_be_changed_behind_its_back():
    given_metadata = {"a": "1"}
    volume = a_volume()
    volume.change_metadata(given_metadata, NOW)
    given_metadata["a"] = "2"
    assert volume.metadata == {"a": "1"}


VISIBILITY = [
    # state, asking project, visible
    ("available", PROJECT, True),
    ("available", None, True),
    ("available", "another", False),
    ("error", PROJECT, True),
    ("deleting", PROJECT, True),
    ("deleted", PROJECT, False),
    ("deleted", None, False),
    ("new", PROJECT, False),
    ("new", None, False),
]


@pytest.mark.parametrize(("state", "project", "visible"), VISIBILITY)
def test_a_volume_is_visible_to_its_project_and_to_those_who_see_all(state, project, visible):
    volume = a_volume(in_state=state)
    if visible:
        assert volume.visible_to(project) is volume
        return
    with pytest.raises(NotFound) as missing:
        volume.visible_to(project)
    assert str(missing.value) == f"Volume {volume.id} could not be found."


@pytest.mark.parametrize("state", STATES)
def test_a_volume_rests_exactly_where_users_see_nothing_going_on(state):
    shown = VISIBLE_STATUS[state]
    moving = shown.endswith("ing") and not shown.startswith("error")
    assert a_volume(in_state=state).at_rest != moving


def test_a_copy_is_not_touched_by_later_decisions_of_the_original():
    volume = a_volume(in_state="requested")
    twin = volume.settled()
    volume.place(A_PLACE, NOW)
    volume.change_metadata({"later": "yes"}, NOW)
    assert (twin.state, twin.host, twin.metadata, twin.pending) == ("requested", None, {}, [])


def test_events_are_replayed_in_order_without_holes():
    first, *rest = a_volume_with_a_past().pending
    volume = Volume(id=first.aggregate_id)
    with pytest.raises(ValueError, match="2 after 0"):
        volume.replay(rest[0])
    volume.replay(first)
    with pytest.raises(ValueError, match="1 after 1"):
        volume.replay(first)


def test_replay_believes_what_happened_even_where_the_table_would_refuse_it():
    volume = a_volume(in_state="requested")
    stranger = a_volume_with_a_past().pending[-1]  # provisioned, which does not follow a request
    volume.replay(msgspec.structs.replace(stranger, version=volume.version + 1))
    assert volume.version == 2
    assert volume.state == "requested"


def a_volume_with_a_past() -> Volume:
    volume = a_request()
    for step in PATHS["available"]:
        step(volume)
    return volume


ANY_DECISIONS = st.lists(st.sampled_from(sorted(DECISIONS)), max_size=25)


def lived(decisions: list[str]) -> Volume:
    """A volume after all of these that were legal when their turn came."""
    volume = a_request()
    for decision in decisions:
        attempted(volume.settled(), DECISIONS[decision])
        try:
            DECISIONS[decision](volume)
        except LapilliError:
            continue
    return volume


@given(ANY_DECISIONS)
def test_replay_equals_what_was_lived(decisions):
    volume = lived(decisions)
    assert Volume.from_history(volume.id, volume.pending) == volume.settled()


@given(ANY_DECISIONS)
def test_versions_of_a_life_have_no_holes_and_every_event_was_legal(decisions):
    volume = lived(decisions)
    assert [r.version for r in volume.pending] == list(range(1, volume.version + 1))
    state = "new"
    for recorded in volume.pending:
        state = VOLUME.next(recorded.event.verb, state) or "illegal"
    assert state == volume.state


@given(ANY_DECISIONS, st.integers(0, 30))
def test_a_snapshot_in_the_middle_of_a_life_changes_nothing(decisions, cut):
    volume = lived(decisions)
    early = Volume.from_history(volume.id, volume.pending[:cut])
    restored = msgspec.json.decode(msgspec.json.encode(early), type=Volume)
    assert restored == early
    for recorded in volume.pending[cut:]:
        restored.replay(recorded)
    assert restored == volume.settled()


@given(ANY_DECISIONS)
def test_a_backend_is_named_by_every_event_that_it_must_act_upon(decisions):
    heard = ("placed", "deletion_requested", "cancellation_requested", "creation_cancelled")
    volume = Volume(id=an_id(1))
    for recorded in lived(decisions).pending:
        volume.replay(recorded)
        if recorded.event.verb in heard and volume.host is not None:
            assert recorded.event.backend == "host1@gold"


# attempts


def after_failing(times: int, *, most: int) -> Volume:
    """A volume that backends failed to make, each of which said that others might."""
    volume = a_request()
    for number in range(1, times + 1):
        volume.place(place([a_pool(f"h@b{number}#p")], Request(size_gib=2)), NOW, most=most)
        volume.provisioning_failed(
            volume.start_provisioning("w", NOW), f"full {number}", NOW, elsewhere=True
        )
    return volume


def test_a_failure_that_others_need_not_share_lets_another_backend_try():
    volume = after_failing(1, most=3)
    assert (volume.state, volume.host, volume.availability_zone) == ("requested", None, None)
    assert volume.pending[-1].event == events.Rescheduled(
        host="h@b1#p", attempt=1, reason="full 1", number=1, most=3, size_gib=2,
        availability_zone=None,
    )  # fmt: skip
    assert volume.tried == [Tried(pool="h@b1#p", reason="full 1")]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_when_attempts_run_out_it_is_in_error_with_the_reason_of_each(most):
    volume = after_failing(most, most=most)
    assert volume.state == "error"
    failed = volume.pending[-1].event
    assert isinstance(failed, events.ProvisioningFailed)
    assert [each.reason for each in failed.tried] == [f"full {n}" for n in range(1, most + 1)]


def test_a_failure_that_every_backend_would_share_is_an_error_at_once():
    volume = a_request()
    volume.place(A_PLACE, NOW, most=3)
    volume.provisioning_failed(volume.start_provisioning("w", NOW), "the request is wrong", NOW)
    assert volume.state == "error"


def test_a_volume_that_waits_for_another_backend_can_be_deleted():
    volume = after_failing(1, most=3).settled()
    volume.request_deletion(NOW)
    assert volume.host is None and volume.state == "deleting"
