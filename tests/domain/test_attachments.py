"""Decisions about the attachments of a volume, and what the volume is then to its users."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.volume import Volume, attaching, connecting, detaching, holding
from domain.aggregates.volume.attachment import Attachment, attach_status
from domain.aggregates.volume.attachments import known
from domain.errors import (
    InvalidRequest,
    LapilliError,
    NotAllowed,
    NotFound,
    OutOfStep,
    Superseded,
)
from domain.machines.attachment import ATTACHMENT, OWED, VISIBLE
from domain.machines.volume import VISIBLE_ATTACHMENT
from tests.domain.test_moving import migrate, retype
from tests.support.builders import PATHS, a_moment, a_volume, an_id

NOW = a_moment(60)
A, B = an_id(0xA1), an_id(0xB1)
NODE = {"host": "node-1", "mountpoint": "/dev/vdb"}
ELSEWHERE = {"host": "node-2"}
REACHED: Mapping[str, Any] = {"driver_volume_type": "fake", "data": {}}
Step = Callable[[Volume, UUID], Any]


def attempt(volume: Volume, id: UUID) -> int:
    attachment = known(volume, id)
    return attachment.attempt if attachment else 0


def reserve(volume: Volume, id: UUID, *, server: str | None = "s", mode: str | None = None) -> None:
    attaching.reserve(volume, id, server_id=server, mode=mode, at=NOW)


def attach(volume: Volume, id: UUID, **changes: Any) -> None:
    wanted: dict[str, Any] = {"server_id": "s", "node": None, "device": "/dev/vdb", "mode": "rw"}
    attaching.attach(volume, id, **{**wanted, **changes}, at=NOW)


STEPS: dict[str, Step] = {
    "reserve": reserve,
    "attach": attach,
    "connect": lambda v, id: connecting.connect(v, id, NODE, at=NOW),
    "start": lambda v, id: connecting.start(v, id, "worker-1", NOW),
    "connected": lambda v, id: connecting.connected(v, id, attempt(v, id), REACHED, NOW),
    "connected, late": lambda v, id: connecting.connected(v, id, 99, REACHED, NOW),
    "refused": lambda v, id: connecting.refused(v, id, attempt(v, id), "no iqn", at=NOW),
    "failed": lambda v, id: connecting.failed(v, id, attempt(v, id), "broken", at=NOW),
    "failed, late": lambda v, id: connecting.failed(v, id, 99, "broken", at=NOW),
    "complete": lambda v, id: attaching.complete(v, id, NOW),
    "remove": lambda v, id: detaching.request(v, id, NOW),
    "abandon": lambda v, id: detaching.abandon(v, id, "too late", NOW),
    "give up": lambda v, id: detaching.give_up(v, id, "too late", NOW),
    "start to disconnect": lambda v, id: detaching.start(v, id, "worker-1", NOW),
    "not disconnected": lambda v, id: detaching.failed(v, id, attempt(v, id), "broken", NOW),
    "not disconnected, late": lambda v, id: detaching.failed(v, id, 99, "broken", NOW),
}

_CONNECTED = ["reserve", "connect", "start", "connected"]
WAYS: dict[str, list[str]] = {
    "new": [],
    "reserved": ["reserve"],
    "connection_requested": ["reserve", "connect"],
    "connecting": ["reserve", "connect", "start"],
    "connected": _CONNECTED,
    "attached": [*_CONNECTED, "complete"],
    "removal_requested": [*_CONNECTED, "complete", "remove"],
    "disconnecting": [*_CONNECTED, "complete", "remove", "start to disconnect"],
    "error_attaching": ["reserve", "connect", "start", "failed"],
    "error_detaching": [*_CONNECTED, "remove", "start to disconnect", "not disconnected"],
}
"""How an attachment gets into each of its states."""

LEGAL: dict[str, dict[str, list[str]]] = {
    # there is no second of the same id: this is its server, which may have the volume again
    "reserve": {"new": ["attachment_reserved"]},
    "attach": {"new": ["attached"], "attached": []},
    "connect": {
        "reserved": ["attachment_connection_requested"],
        "connection_requested": [],
        "connecting": [],
        "connected": ["attachment_connection_requested"],
    },
    "start": {
        "connection_requested": ["attachment_connection_started"],
        "connecting": ["attachment_connection_started"],
    },
    "connected": {"connecting": ["attachment_connected"]},
    "refused": {"connecting": ["attachment_connector_refused"]},
    "failed": {"connecting": ["attachment_connection_failed"]},
    "complete": {"connected": ["attachment_completed"], "attached": []},
    "remove": {
        "reserved": ["attachment_removed"],
        "connection_requested": ["attachment_abandoned"],
        "connecting": ["attachment_abandoned"],
        "connected": ["attachment_removal_requested"],
        "attached": ["attachment_removal_requested"],
        "removal_requested": [],
        "disconnecting": [],
        "error_attaching": ["attachment_removal_requested"],
        "error_detaching": ["attachment_removal_requested"],
    },
    "abandon": {
        "connection_requested": ["attachment_abandoned"],
        "connecting": ["attachment_abandoned"],
        "connected": ["attachment_abandoned"],
        "error_attaching": ["attachment_abandoned"],
    },
    "give up": {
        "connection_requested": ["attachment_abandoned"],
        "connecting": ["attachment_abandoned"],
    },
    "start to disconnect": {
        "removal_requested": ["attachment_disconnection_started"],
        "disconnecting": ["attachment_disconnection_started"],
    },
    "not disconnected": {"disconnecting": ["attachment_disconnection_failed"]},
}
"""Each decision in every state of the attachment with what follows; elsewhere it is refused."""

SHOWN = {
    "new": "available",
    "reserved": "reserved",
    "connection_requested": "reserved",
    "connecting": "reserved",
    "connected": "attaching",
    "attached": "in-use",
    "removal_requested": "detaching",
    "disconnecting": "detaching",
    "error_attaching": "available",
    "error_detaching": "in-use",
}
"""The status of a volume whose only attachment is in this state."""


def volume_with(state: str, *, id: UUID = A, volume: Volume | None = None) -> Volume:
    volume = volume or a_volume()
    for step in WAYS[state]:
        STEPS[step](volume, id)
    found = known(volume, id)
    assert (found.state if found else "new") == state
    return volume.settled()


def verbs(volume: Volume) -> list[str]:
    return [recorded.event.verb for recorded in volume.pending]


def test_every_state_of_an_attachment_is_shown_here():
    assert {*WAYS, "removed"} == set(ATTACHMENT.states)
    assert VISIBLE.keys() == set(ATTACHMENT.states) - {"new"}


@pytest.mark.parametrize("state", WAYS)
@pytest.mark.parametrize("decision", STEPS)
def test_every_decision_in_every_state_leads_to_its_event_or_is_refused(decision, state):
    volume = volume_with(state)
    before = volume.settled()
    expected = LEGAL.get(decision, {}).get(state)
    if expected is None:
        with pytest.raises((NotAllowed, NotFound, Superseded, OutOfStep)):
            STEPS[decision](volume, A)
        assert volume == before
    else:
        STEPS[decision](volume, A)
        assert verbs(volume) == expected


@pytest.mark.parametrize("state", WAYS)
def test_the_volume_shows_what_its_attachment_makes_of_it(state):
    volume = volume_with(state)
    assert volume.status == SHOWN[state]
    assert volume.at_rest == (state not in OWED)


@pytest.mark.parametrize("state", [state for state in PATHS if state != "available"])
def test_only_a_volume_that_is_well_can_be_attached(state):
    for wish in (
        lambda v: reserve(v, A, server="another"),
        lambda v: attach(v, A, server_id="another"),
        lambda v: holding.reserve(v, NOW),
    ):
        volume = a_volume(in_state=state)
        with pytest.raises(NotAllowed):
            wish(volume)
        assert not volume.pending


@pytest.mark.parametrize(
    ("begin", "shown"), [(migrate, "available"), (retype, "retyping")], ids=["migrate", "retype"]
)
def test_a_volume_that_may_be_on_its_way_to_another_pool_stays_unattached(begin, shown):
    for wish in (
        lambda v: reserve(v, A),
        lambda v: attach(v, A),
        lambda v: holding.reserve(v, NOW),
        lambda v: connecting.connect_node(v, NODE, NOW),
    ):
        volume = a_volume()
        begin(volume)
        before = len(volume.pending)
        assert volume.status == shown
        with pytest.raises(NotAllowed, match=r"retyping|migrating"):
            wish(volume)
        assert len(volume.pending) == before


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([], "detached"),
        (["reserved"], "reserved"),
        (["reserved", "attached"], "attached"),
        (["reserved", "connected"], "attaching"),
        (["reserved", "disconnecting"], "detaching"),
        (["connected", "removal_requested"], "attaching"),
        (["error_attaching"], "detached"),
        (["error_attaching", "reserved"], "reserved"),
        (["error_detaching", "reserved"], "attached"),
    ],
)
def test_of_several_attachments_the_first_by_name_counts(states, status):
    # one whose connection failed is released by the very event
    there = [
        Attachment(id=str(n), state=state, shown=True, released=state == "error_attaching")
        for n, state in enumerate(states)
    ]
    assert attach_status(there) == status
    assert attach_status(reversed(there)) == status


def test_a_connection_of_a_node_makes_nothing_of_the_volume():
    volume = a_volume()
    id = connecting.connect_node(volume, NODE, NOW)
    for step in ("start", "connected"):
        STEPS[step](volume, id)
    assert (volume.status, volume.attach_status) == ("available", "detached")
    assert connecting.connect_node(volume, NODE, NOW) == id
    assert connecting.connect_node(volume, ELSEWHERE, NOW) != id


@pytest.mark.parametrize("connector", [{}, {"ip": "192.0.2.1"}, {"host": ""}, {"host": 7}])
def test_a_connector_must_name_its_node(connector):
    volume = volume_with("reserved")
    with pytest.raises(InvalidRequest, match="which host"):
        connecting.connect(volume, A, connector, at=NOW)
    with pytest.raises(InvalidRequest, match="which host"):
        connecting.connect_node(volume, connector, NOW)
    assert not volume.pending


@pytest.mark.parametrize(
    ("asked", "of_connector", "mode"),
    [
        (None, None, "rw"),
        (None, "ro", "ro"),
        ("rw", "ro", "rw"),
        ("ro", "rw", "ro"),
        ("ro", None, "ro"),
    ],
)
def test_what_its_user_asked_for_decides_the_mode_then_the_connector(asked, of_connector, mode):
    volume = a_volume()
    reserve(volume, A, mode=asked)
    connecting.connect(volume, A, {**NODE, "mode": of_connector}, at=NOW)
    [*_, requested] = [recorded.event for recorded in volume.pending]
    assert isinstance(requested, connecting.ConnectionRequested)
    assert requested.mode == mode


def test_a_mode_that_there_is_not_is_refused():
    volume = volume_with("reserved")
    with pytest.raises(InvalidRequest, match="'r' is not one of"):
        connecting.connect(volume, A, {**NODE, "mode": "r"}, at=NOW)


# one volume, several who want it


def test_a_volume_that_is_not_shared_is_reserved_once():
    for state in ("reserved", "connected", "attached", "removal_requested", "error_detaching"):
        volume = volume_with(state)
        with pytest.raises(NotAllowed):
            reserve(volume, B, server="another")
        with pytest.raises(NotAllowed):
            reserve(volume, B, server=None)
        with pytest.raises(NotAllowed):
            attach(volume, B, server_id="another")
        with pytest.raises(NotAllowed):
            holding.reserve(volume, NOW)


def test_a_server_that_moves_may_have_its_volume_on_two_nodes():
    volume = volume_with("attached")
    reserve(volume, B)
    connecting.connect(volume, B, ELSEWHERE, at=NOW)
    assert volume.status == "in-use"


@pytest.mark.parametrize("connector", [NODE, ELSEWHERE])
def test_what_is_not_shared_is_connected_once(connector):
    volume = volume_with("reserved", id=A)
    reserve(volume, B)  # the same server again, before it had a connector
    connecting.connect(volume, A, NODE, at=NOW)
    if connector is NODE:
        with pytest.raises(OutOfStep, match="not shared"):
            connecting.connect(volume, B, connector, at=NOW)
    else:
        connecting.connect(volume, B, connector, at=NOW)


def test_a_shared_volume_in_use_is_reserved_and_connected_again():
    volume = a_volume()
    volume.change_multiattach(True, NOW)
    volume = volume_with("attached", volume=volume)
    reserve(volume, B, server="another")
    connecting.connect(volume, B, NODE, at=NOW)
    detaching.request(volume, A, NOW)
    STEPS["start to disconnect"](volume, A)
    detaching.removed(volume, A, NOW)
    assert volume.status == "reserved"
    assert list(volume.attachments) == [str(B)]


def test_nothing_is_connected_to_a_volume_in_error():
    volume = a_volume(in_state="error_extending")
    volume.attachments = {str(A): Attachment(id=str(A), state="reserved", shown=True)}
    with pytest.raises(OutOfStep, match="error_extending"):
        connecting.connect(volume, A, NODE, at=NOW)


# a volume that is to go


@pytest.mark.parametrize("state", WAYS)
def test_a_volume_is_deleted_only_when_nobody_has_it_and_by_force_when_nobody_uses_it(state):
    volume = volume_with(state)
    if SHOWN[state] == "available":
        volume.request_deletion(NOW)
        assert verbs(volume) == ["deletion_requested"]
    else:
        with pytest.raises(NotAllowed):
            volume.request_deletion(NOW)
        assert not volume.pending
    forced = volume_with(state)
    if SHOWN[state] == "in-use":
        with pytest.raises(NotAllowed, match="detached"):
            forced.request_deletion(NOW, force=True)
        return
    detaching.let_go(forced, "by force", NOW)
    forced.request_deletion(NOW, force=True)
    assert forced.state == "deleting"
    forced.start_deletion("worker-1", NOW)
    detaching.all_removed(forced, NOW)
    forced.deleted(NOW)
    assert (forced.attachments, forced.at_rest) == ({}, True)


@pytest.mark.parametrize(
    ("reserved_by", "status"), [("action", "attaching"), ("attachment", "reserved")]
)
def test_a_volume_that_is_held_cannot_grow(reserved_by, status):
    volume = a_volume()
    if reserved_by == "action":
        holding.reserve(volume, NOW)
    else:
        reserve(volume, A)
    assert volume.status == status
    with pytest.raises(NotAllowed, match="must be available or in-use"):
        volume.check_free("extend")


def test_holding_by_the_actions():
    volume = a_volume()
    holding.end_reservation(volume, NOW)
    holding.end_detaching(volume, NOW)
    assert not volume.pending
    holding.reserve(volume, NOW)
    assert (volume.status, volume.at_rest) == ("attaching", True)
    attach(volume, A)
    assert volume.status == "in-use"
    with pytest.raises(NotAllowed):
        holding.reserve(volume, NOW)
    holding.begin_detaching(volume, NOW)
    assert (volume.status, volume.at_rest) == ("detaching", True)
    holding.end_detaching(volume, NOW)
    assert volume.status == "in-use"
    holding.begin_detaching(volume, NOW)
    detaching.request(volume, A, NOW)
    assert verbs(volume)[-2:] == ["detaching_ended", "attachment_removal_requested"]


def test_which_attachment_is_meant_without_an_id():
    volume = a_volume()
    assert detaching.one_of(volume, None) is None
    volume = volume_with("attached")
    found = detaching.one_of(volume, None)
    assert found is not None and found.id == str(A)
    with pytest.raises(NotFound):
        detaching.one_of(volume, B)
    reserve(volume, B)
    with pytest.raises(InvalidRequest, match="2 attachments"):
        detaching.one_of(volume, None)


@given(st.lists(st.tuples(st.sampled_from(list(STEPS)), st.sampled_from([A, B])), max_size=25))
def test_whatever_is_done_replay_equals_life_and_every_attachment_can_go(steps):
    volume = a_volume()
    volume.change_multiattach(len(steps) % 2 == 0, NOW)
    for step, id in steps:
        before = volume.settled()
        pending = len(volume.pending)
        try:
            STEPS[step](volume, id)
        except LapilliError:
            assert (volume.settled(), len(volume.pending)) == (before, pending)
        assert volume.attach_status == attach_status(volume.attachments.values())
        assert volume.status in VISIBLE_ATTACHMENT.values()
    replayed = a_volume()
    for recorded in volume.pending:
        replayed.replay(recorded)
    assert replayed == volume.settled()
    for id in (A, B):
        if known(volume, id):
            detaching.request(volume, id, NOW)
        if known(volume, id):
            detaching.start(volume, id, "worker-1", NOW)
            detaching.removed(volume, id, NOW)
    assert (volume.attachments, volume.status) == ({}, "available")
