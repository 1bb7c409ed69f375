"""A volume type of the catalogue."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import volume_type as events
from domain.aggregates.volume_type import VolumeType
from domain.encryption import Encryption
from domain.errors import AlreadyExists, InUse, InvalidRequest, NotAllowed, NotFound
from tests.support.builders import A_TYPE, a_moment, an_id, bare

NOW = a_moment(60)
QOS = an_id(0x0905)
LUKS = Encryption(provider="luks", cipher="aes-xts-plain64", key_size=256)


def a_new_type(**changes: Any) -> VolumeType:
    said: dict[str, Any] = {
        "name": "gold",
        "description": "fast",
        "is_public": False,
        "extra_specs": {"volume_backend_name": "gold"},
    }
    return VolumeType.create(A_TYPE, **{**said, **changes}, at=a_moment())


def a_type(**changes: Any) -> VolumeType:
    return a_new_type(**changes).settled()


def test_a_type_is_created_with_all_that_was_said():
    assert bare(a_new_type().pending) == [
        events.Created(
            name="gold",
            description="fast",
            is_public=False,
            extra_specs={"volume_backend_name": "gold"},
        )
    ]
    assert a_type().state == "available"


def test_a_type_is_created_once():
    volume_type = a_new_type()
    with pytest.raises(NotAllowed):
        volume_type.record(volume_type.pending[0].event, a_moment())


Decision = Callable[[VolumeType], Any]

DECISIONS: list[tuple[Decision, list[Any]]] = [
    (lambda t: t.rename("silver", NOW), [events.Renamed(name="silver", formerly="gold")]),
    (lambda t: t.rename("gold", NOW), []),
    (lambda t: t.describe(None, NOW), [events.Described(description=None)]),
    (lambda t: t.describe("fast", NOW), []),
    (lambda t: t.publish(NOW), [events.Published()]),
    (lambda t: t.make_private(NOW), []),
    (lambda t: t.change_extra_specs({"a": "b"}, NOW),
     [events.ExtraSpecsChanged(extra_specs={"a": "b"})]),
    (lambda t: t.change_extra_specs({"volume_backend_name": "gold"}, NOW), []),
    (lambda t: t.grant_access("p", NOW),
     [events.AccessGranted(project_id="p", projects=["p"])]),
    (lambda t: t.associate_qos(QOS, NOW), [events.QosAssociated(qos_specs_id=str(QOS))]),
    (lambda t: t.disassociate_qos(NOW), []),
    (lambda t: t.encrypt(QOS, LUKS, NOW),
     [events.EncryptionAdded(encryption_id=str(QOS), encryption=LUKS)]),
    (lambda t: t.become_default_of("p", NOW), [events.MadeDefault(project_id="p")]),
    (lambda t: t.delete(NOW), [events.Deleted(name="gold")]),
]  # fmt: skip


@pytest.mark.parametrize(("decide", "expected"), DECISIONS)
def test_a_decision_records_what_changes_and_nothing_else(decide, expected):
    volume_type = a_type()
    decide(volume_type)
    assert bare(volume_type.pending) == expected


def granted(volume_type: VolumeType) -> None:
    volume_type.grant_access("p", NOW)


def a_default(volume_type: VolumeType) -> None:
    volume_type.become_default_of("p", NOW)


def with_qos(volume_type: VolumeType) -> None:
    volume_type.associate_qos(QOS, NOW)


def public(volume_type: VolumeType) -> None:
    volume_type.publish(NOW)


def deleted(volume_type: VolumeType) -> None:
    volume_type.delete(NOW)


REFUSED: list[tuple[Decision, Decision, type[Exception]]] = [
    (granted, granted, AlreadyExists),
    (public, granted, InvalidRequest),
    (public, lambda t: t.revoke_access("p", NOW), InvalidRequest),
    (granted, lambda t: t.revoke_access("q", NOW), NotFound),
    (with_qos, with_qos, InvalidRequest),
    (a_default, deleted, InUse),
    (deleted, lambda t: t.rename("x", NOW), NotAllowed),
    (deleted, deleted, NotAllowed),
    (deleted, lambda t: t.visible_to(None), NotFound),
    (granted, lambda t: t.visible_to("q"), NotFound),
]


@pytest.mark.parametrize(("before", "decide", "error"), REFUSED)
def test_what_cannot_be_is_refused(before, decide, error):
    volume_type = a_type()
    before(volume_type)
    with pytest.raises(error):
        decide(volume_type)


def test_a_private_type_is_seen_by_whom_it_was_granted_to():
    volume_type = a_type()
    volume_type.grant_access("p", NOW)
    assert volume_type.visible_to("p") is volume_type
    volume_type.revoke_access("p", NOW)
    with pytest.raises(NotFound):
        volume_type.visible_to("p")
    assert volume_type.visible_to(None) is volume_type


def test_access_outlives_a_time_in_public():
    volume_type = a_type()
    volume_type.grant_access("p", NOW)
    volume_type.publish(NOW)
    assert volume_type.visible_to("anyone") is volume_type
    volume_type.make_private(NOW)
    assert volume_type.projects == ("p",)


def test_what_is_no_longer_a_default_can_be_deleted():
    volume_type = a_type()
    volume_type.become_default_of("p", NOW)
    volume_type.end_default_of("p", NOW)
    volume_type.delete(NOW)
    assert volume_type.state == "deleted"


BOUNDS = {"provisioning:min_vol_size": "2", "provisioning:max_vol_size": "4"}


@pytest.mark.parametrize(("size_gib", "allowed"), [(1, False), (2, True), (4, True), (5, False)])
def test_sizes_are_bounded_by_extra_specs(size_gib, allowed):
    volume_type = a_type(extra_specs=BOUNDS)
    if allowed:
        volume_type.check_size(size_gib)
    else:
        with pytest.raises(InvalidRequest, match=f"{size_gib} GiB"):
            volume_type.check_size(size_gib)


@pytest.mark.parametrize(
    "specs",
    [
        {"provisioning:min_vol_size": "large"},
        {"provisioning:max_vol_size": "-1"},
        {"provisioning:min_vol_size": "5", "provisioning:max_vol_size": "4"},
        {"a key": "v"},
        {"": "v"},
        {"k": "v" * 256},
        {"k": "\x00"},
    ],
)
def test_extra_specs_that_cannot_be_kept_are_refused(specs):
    with pytest.raises(InvalidRequest):
        a_new_type(extra_specs=specs)
    with pytest.raises(InvalidRequest):
        a_type().change_extra_specs(specs, NOW)


STEPS: list[Decision] = [
    *(decide for decide, _ in DECISIONS[:-1]),
    public,
    lambda t: t.make_private(NOW),
    lambda t: t.revoke_access("p", NOW),
    lambda t: t.disassociate_qos(NOW),
    lambda t: t.end_default_of("p", NOW),
]


@given(steps=st.lists(st.sampled_from(STEPS), max_size=12))
def test_replay_and_snapshots_equal_what_was_lived(steps):
    lived = a_new_type()
    for step in steps:
        with suppress(InvalidRequest, AlreadyExists, NotFound):
            step(lived)
    kept = lived.settled()
    assert VolumeType.from_history(A_TYPE, lived.pending) == kept
    assert msgspec.json.decode(msgspec.json.encode(kept), type=VolumeType) == kept
