"""Volumes: given events, then rows."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given

from domain.aggregates.volume import migrating, moving, retyping
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
from tests.support import builders

MOVE_ID, NEW_TYPE = UUID(int=0x30), UUID(int=0xB)


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
        "multiattach": False,
        "snapshot_id": None,
        "source_volid": None,
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


def a_migration(volume, *, to="node@fast#other", policy=None):
    """A volume that is to move, and its move; what happens to either is in one log."""
    if policy is None:
        migrating.request(volume, to, move_id=str(MOVE_ID), lock=False, at=at(5))
    else:
        retyping.request(
            volume, str(NEW_TYPE), policy, move_id=str(MOVE_ID), reservation_id="r", at=at(5)
        )
    move = builders.a_move(volume, to=to)
    return move


def statuses(volume, move, *ends):
    """The migration status after each event, and the place in the end."""
    seen, last = [], {}
    log = [*log_of(volume)]
    row = fold(VOLUMES, log)[volume.id]
    seen.append(row["migration_status"])
    for recorded in log_of(move):
        log.append(recorded)
        row = fold(VOLUMES, log)[volume.id]
        seen.append(row["migration_status"])
    for end in ends:
        end(volume, move)
        last = fold(VOLUMES, [*log, *log_of(volume)[-1:]])[volume.id]
        log.append(log_of(volume)[-1])
        seen.append(last["migration_status"])
    return list(dict.fromkeys(seen)), last or row


def arrives(volume, move):
    moving.arrive(volume, move, "p-2", at(7))


def is_migrated(volume, move):
    migrating.succeed(volume, at(7))


def is_retyped(volume, move):
    retyping.succeed(volume, builders.a_volume_type(NEW_TYPE.int), at(7))


def is_not_migrated(volume, move):
    migrating.fail(volume, move, "broken", at(7))


def is_not_retyped(volume, move):
    retyping.fail(volume, move, "broken", at(7))


def test_a_migration_shows_how_it_stands_and_then_where_it_led():
    volume = an_available_volume()
    move = a_migration(volume)
    move.copied(move.attempt, at(6))
    shown, row = statuses(volume, move, arrives, is_migrated)
    assert shown == ["starting", "migrating", "completing", "success"]
    assert (row["host"], row["availability_zone"], row["provider_id"]) == (
        "node@fast#other",
        "attic",
        "p-2",
    )
    assert (row["version"], row["operation"]) == (volume.version, "idle")


def test_a_migration_that_fails_shows_it_and_the_place_that_it_never_left():
    volume = an_available_volume()
    shown, row = statuses(volume, a_migration(volume), is_not_migrated)
    assert shown == ["starting", "migrating", "error"]
    assert row["host"] == volume.host


def test_a_retype_in_its_own_pool_is_no_migration():
    for end in (is_retyped, is_not_retyped):
        volume = an_available_volume()
        move = a_migration(volume, to=volume.host, policy="never")
        shown, row = statuses(volume, move, end)
        assert shown == [None]
        assert row["volume_type_id"] == (NEW_TYPE if end is is_retyped else TYPE_ID)


def test_a_retype_elsewhere_is_one():
    volume = an_available_volume()
    shown, row = statuses(volume, a_migration(volume, policy="on-demand"), arrives, is_retyped)
    assert shown == [None, "migrating", "success"]
    assert (row["volume_type_id"], row["host"]) == (NEW_TYPE, "node@fast#other")
    volume = an_available_volume()
    shown, row = statuses(volume, a_migration(volume, policy="on-demand"), is_not_retyped)
    assert shown == [None, "migrating", "error"]


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
