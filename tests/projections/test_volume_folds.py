"""Volumes: given events, then rows."""

from datetime import timedelta

import pytest
from hypothesis import given

from domain.aggregates.volume.encryption import fix, key_failed, key_made
from domain.encryption import Encryption
from domain.event import event_types
from domain.machines.volume import VISIBLE_STATUS, VOLUME
from projections.projection import fold
from projections.volumes import _LEADS_TO, VOLUMES
from tests.projections.histories import (
    CHOSEN,
    NONE_FITS,
    START,
    TYPE_ID,
    a_volume,
    an_available_volume,
    at,
    log_of,
    volumes_lived,
)


def row_of(volume):
    return fold(VOLUMES, log_of(volume)).get(volume.id)


def test_a_requested_volume_is_a_whole_row():
    volume = a_volume("v", description="d", size_gib=3, metadata={"a": "b"})
    assert row_of(volume) == {
        "id": volume.id,
        "project_id": "project",
        "user_id": "user",
        "name": "v",
        "description": "d",
        "size_gib": 3,
        "availability_zone": None,
        "volume_type_id": TYPE_ID,
        "metadata": {"a": "b"},
        "host": None,
        "bootable": False,
        "readonly": None,
        "image_metadata": {},
        "provider_id": None,
        "created_at": START,
        "updated_at": None,
        "launched_at": None,
        "version": 1,
        "state": "requested",
        "operation": "idle",
        "attach_status": "detached",
        "encrypted": False,
        "encryption": None,
        "encryption_key_id": None,
        "migration_status": None,
    }


def test_an_encrypted_volume_shows_how_and_then_its_key():
    volume = a_volume("v")
    fix(volume, Encryption(provider="luks", key_size=256), at(0))
    row = row_of(volume)
    assert (row["encrypted"], row["encryption_key_id"]) == (True, None)
    assert row["encryption"] == {
        "provider": "luks",
        "control_location": "front-end",
        "key_size": "256",
    }
    key_made(volume, "k", at(1))
    row = row_of(volume)
    assert (row["encryption_key_id"], row["state"]) == ("k", "requested")


def test_a_volume_without_its_key_is_in_error():
    volume = a_volume("v")
    fix(volume, Encryption(provider="luks"), at(0))
    key_failed(volume, "sealed", at(1))
    row = row_of(volume)
    assert (row["encrypted"], row["encryption_key_id"], row["state"]) == (True, None, "error")


def placed(volume):
    volume.place(CHOSEN, at(1))


def placed_nowhere(volume):
    volume.place(NONE_FITS, at(1))


def provisioned(volume):
    placed(volume)
    volume.provisioned(volume.start_provisioning("worker", at(2)), "p-1", at(3))


def described(volume):
    volume.describe("new", "words", at(1))


def tagged(volume):
    volume.change_metadata({"k": "v"}, at(1))


def being_deleted(volume):
    provisioned(volume)
    volume.request_deletion(at(4))


def not_deletable(volume):
    being_deleted(volume)
    volume.deletion_failed(volume.start_deletion("worker", at(5)), "broken", at(6))


def after(seconds):
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (placed, {"state": "placed", "host": "node@fast#pool"}),
        (placed, {"availability_zone": "nova", "version": 2, "updated_at": after(1)}),
        (placed_nowhere, {"state": "error", "host": None}),
        (provisioned, {"state": "available", "provider_id": "p-1", "launched_at": after(3)}),
        (described, {"name": "new", "description": "words", "state": "requested", "version": 2}),
        (tagged, {"metadata": {"k": "v"}, "updated_at": after(1)}),
        (being_deleted, {"state": "deleting", "launched_at": after(3)}),
        (not_deletable, {"state": "error_deleting", "updated_at": after(6), "version": 7}),
    ],
)
def test_events_change_the_row(happens, expected):
    volume = a_volume()
    happens(volume)
    row = row_of(volume)
    assert row is not None
    assert {key: row[key] for key in expected} == expected


def test_a_deleted_volume_has_no_row():
    volume = an_available_volume()
    volume.request_deletion(at(4))
    volume.start_deletion("worker", at(5))
    volume.deleted(at(6))
    assert row_of(volume) is None


def test_every_event_of_the_lifecycle_leads_to_a_visible_status():
    verbs = {cls.verb for cls in event_types().values() if cls.kind == "volume"}
    assert verbs >= set(VOLUME.events)
    assert set(_LEADS_TO.values()) <= set(VISIBLE_STATUS)


@given(volumes_lived())
def test_rows_tell_what_the_aggregates_tell(lived):
    volumes, log = lived
    rows = fold(VOLUMES, log)
    assert set(rows) == {volume.id for volume in volumes if volume.state != "deleted"}
    for volume in volumes:
        for key in (
            "state",
            "operation",
            "attach_status",
            "version",
            "name",
            "description",
            "metadata",
            "host",
            "size_gib",
        ):
            if volume.id in rows:
                assert rows[volume.id][key] == getattr(volume, key), key
