"""What is told of each event, under which name, and what it says."""

from typing import Any
from uuid import UUID

import pytest

from domain.event import Event, event_types
from services.notifications.catalogue import FOLLOWED, NOTICES, SILENT
from tests.services.notifications.telling import a_life, a_log, a_snapshots_log, told
from tests.support.builders import A_TYPE, HOST, PROJECT, THERE, USER, an_id

CREATED = ["volume.create.start", "volume.create.end"]
DELETED = ["volume.delete.start", "volume.delete.end"]


def at_once(operation: str) -> list[str]:
    return [f"{operation}.start", f"{operation}.end"]


PATHS: list[tuple[str, list[str]]] = [
    ("place start made", CREATED),
    ("claim place start made", CREATED),
    ("place start failed", ["volume.create.start", "volume.create.error"]),
    ("image_chosen place start come made", CREATED),
    ("image_chosen keep place start made", CREATED),
    ("image_chosen place wait wait_no_longer start made", CREATED),
    ("image_chosen keep place start made delete remove gone", CREATED + DELETED),
    (
        "image_chosen place start copy_kept let_kept_go made",
        ["volume.create.start", "image_volume_cache.hit", "volume.create.end"],
    ),
    ("image_chosen place start come not_come", ["volume.create.start", "volume.create.error"]),
    ("encrypt key place start made", CREATED),
    ("claim place start made", CREATED),
    ("encrypt no_key", ["volume.create.start", "volume.create.error"]),
    (
        "unplaceable",
        ["volume.create.start", "scheduler.create_volume", "volume.create.error"],
    ),
    ("place start again_elsewhere place start made", CREATED),
    ("place start start made", CREATED),
    ("place start made delete remove gone", CREATED + DELETED),
    ("place start made delete remove remove gone", CREATED + DELETED),
    ("place start made cascade emptied remove gone", CREATED + DELETED),
    ("delete gone", ["volume.create.start", *DELETED]),
    ("place start delete made remove gone", ["volume.create.start", *DELETED]),
    (
        "place start made delete remove undeletable delete remove gone",
        [*CREATED, "volume.delete.start", "volume.delete.error", *DELETED],
    ),
    (
        "place start made delete remove busy",
        [*CREATED, "volume.delete.start", "volume.delete.error"],
    ),
    (
        "place start made extend room grow grow grown",
        [*CREATED, "volume.resize.start", "volume.resize.end"],
    ),
    (
        "place start made extend no_room",
        [*CREATED, "volume.resize.start", "scheduler.extend_volume", "volume.resize.error"],
    ),
    (
        "place start made extend room grow not_grown",
        [*CREATED, "volume.resize.start", "volume.resize.error"],
    ),
    (
        "place start made revert revert_begun reverted",
        [*CREATED, "volume.revert.start", "volume.revert.end"],
    ),
    (
        "place start made revert revert_begun not_reverted",
        [*CREATED, "volume.revert.start", "volume.revert.error"],
    ),
    (
        "place start made revert not_reverted",
        [*CREATED, "volume.revert.start", "volume.revert.error"],
    ),
    ("place start made upload send sent upload send not_sent", CREATED),
    ("encrypt key place start made upload image_key send sent", CREATED),
    ("place start made retype retyped", [*CREATED, "volume.retype"]),
    ("place start made retype arrive retyped", [*CREATED, "volume.retype"]),
    ("place start made retype no_such_pool", [*CREATED, "scheduler.retype"]),
    ("place start made retype not_retyped", CREATED),
    ("place start made migrate arrive migrated", CREATED),
    ("place start made migrate not_there", [*CREATED, "scheduler.migrate_volume_to_host"]),
    ("place start made migrate not_migrated", CREATED),
    (
        "place start made offer withdraw offer hand_over",
        [
            *CREATED,
            *at_once("volume.transfer.create"),
            *at_once("volume.transfer.delete"),
            *at_once("volume.transfer.create"),
            *at_once("volume.transfer.accept"),
        ],
    ),
    (
        "place start made say_error say_error_deleting say_error_extending say_available",
        [*CREATED, *at_once("volume.reset_status") * 4],
    ),
    ("place start made attach", [*CREATED, *at_once("volume.attach")]),
    (
        "place start made reserve reach connect connected use detach disconnect detached",
        [*CREATED, *at_once("volume.attach"), *at_once("volume.detach")],
    ),
    (
        "place start made reserve reach connect no_connection",
        [*CREATED, "volume.attach.error"],
    ),
    (
        "place start made reserve reach connect no_connector",
        [*CREATED, "volume.attach.error"],
    ),
    (
        "place start made attach detach disconnect not_disconnected detach disconnect detached",
        [
            *CREATED,
            *at_once("volume.attach"),
            "volume.detach.start",
            "volume.detach.error",
            *at_once("volume.detach"),
        ],
    ),
    ("place start made reserve reach abandon", CREATED),
    ("share place start made hold let_go", CREATED),
    (
        "place start made attach begin_detaching let_go cut_off back",
        [*CREATED, *at_once("volume.attach")],
    ),
    ("place start made boots readonly image", CREATED),
    ("place start made back_up backed_up", CREATED),
    ("place start made put_back restored", [*CREATED, *at_once("volume.update")]),
    ("place start made put_back not_restored", CREATED),
    ("place start made put_back cancel", CREATED),
    ("place start made describe", [*CREATED, "volume.update.start", "volume.update.end"]),
    ("place start made label", [*CREATED, "volume.update.start", "volume.update.end"]),
]


@pytest.mark.parametrize(("steps", "expected"), PATHS, ids=[steps for steps, _ in PATHS])
async def test_each_operation_is_told_from_its_start_to_its_end(steps: str, expected: list[str]):
    log = await a_log([steps.split()])
    assert [notice["type"] for notice in await told(log)] == expected


TAKEN = ["snapshot.create.start", "snapshot.create.end"]
DROPPED = ["snapshot.delete.start", "snapshot.delete.end"]

OF_SNAPSHOTS: list[tuple[str, list[str]]] = [
    ("room start made", TAKEN),
    ("room start start failed", ["snapshot.create.start", "snapshot.create.error"]),
    (
        "no_room",
        ["snapshot.create.start", "scheduler.create_snapshot", "snapshot.create.error"],
    ),
    ("room start made delete remove gone", TAKEN + DROPPED),
    ("room start delete made remove gone", ["snapshot.create.start", *DROPPED]),
    (
        "room start made delete remove undeletable delete remove busy",
        [*TAKEN, *["snapshot.delete.start", "snapshot.delete.error"] * 2],
    ),
    (
        "room start made describe label",
        [*TAKEN, *at_once("snapshot.update") * 2],
    ),
    (
        "room start made say_error say_error_deleting say_available",
        [*TAKEN, *at_once("snapshot.reset_status") * 3],
    ),
    ("room start made retyped hand_over", TAKEN),
    ("room start made back_up backed_up", TAKEN),
    (
        "room start made restore restored",
        [*TAKEN, "snapshot.revert.start", "snapshot.revert.end"],
    ),
    (
        "room start made restore not_restored",
        [*TAKEN, "snapshot.revert.start", "snapshot.revert.error"],
    ),
]


@pytest.mark.parametrize(("steps", "expected"), OF_SNAPSHOTS)
async def test_so_is_each_operation_on_a_snapshot(steps: str, expected: list[str]):
    log = await a_snapshots_log(steps.split())
    assert [notice["type"] for notice in await told(log)] == expected


async def test_a_snapshot_that_is_gone_has_cinder_s_fields():
    log = await a_snapshots_log(["room", "start", "made", "delete", "remove", "gone"])
    last = (await told(log))[-1]["data"]
    assert last["publisher_id"] == "volume.lapilli"
    assert last["payload"] == {
        "tenant_id": PROJECT,
        "user_id": USER,
        "availability_zone": "nova",
        "volume_id": str(an_id(1)),
        "volume_size": 2,
        "snapshot_id": str(an_id(0x51)),
        "display_name": "snapshot 81",
        "created_at": "2030-01-02T08:00:00+00:00",
        "status": "deleted",
        "deleted": True,
        "metadata": "{}",
    }


async def test_a_snapshot_without_room_is_told_as_the_scheduler_does():
    log = await a_snapshots_log(["no_room"])
    payload = (await told(log))[1]["data"]["payload"]
    assert (payload["method"], payload["reason"]) == ("create_snapshot", "no room")
    assert payload["state"] == {"status": "error"}


def test_every_event_of_what_is_followed_is_told_or_silent_for_a_reason():
    """A new event: add it to NOTICES, or to SILENT with the reason."""
    decided = {*NOTICES, *SILENT}
    undecided = [
        cls.type_name
        for cls in event_types().values()
        if cls.kind in FOLLOWED and cls not in decided
    ]
    assert undecided == []
    assert not NOTICES.keys() & SILENT.keys()


def test_the_paths_above_tell_every_notice_there_is():
    assert {name for _, names in PATHS + OF_SNAPSHOTS for name in names} == {
        notice.event_type
        for cls, notices in NOTICES.items()
        if cls.kind in ("volume", "snapshot")
        for notice in notices
    }


def test_only_what_fails_is_an_error():
    for notices in NOTICES.values():
        for notice in notices:
            failed = notice.event_type.endswith(".error") or "scheduler." in notice.event_type
            assert notice.priority == ("ERROR" if failed else "INFO")


# what they say


async def the(event_type: str, steps: str) -> dict[str, Any]:
    """The only notification of this type."""
    log = await a_log([steps.split()])
    [found] = [notice for notice in await told(log) if notice["type"] == event_type]
    return dict(found)


async def test_a_volume_that_was_made_has_cinder_s_fields():
    notice = await the("volume.create.end", "place start made")
    assert notice["data"]["payload"] == {
        "tenant_id": PROJECT,
        "user_id": USER,
        "host": HOST,
        "availability_zone": "nova",
        "volume_id": str(an_id(1)),
        "volume_type": str(A_TYPE),
        "display_name": "volume 1",
        "launched_at": "2030-01-02T08:00:03+00:00",
        "created_at": "2030-01-02T08:00:00+00:00",
        "status": "available",
        "snapshot_id": None,
        "size": 2,
        "replication_status": None,
        "replication_extended_status": None,
        "replication_driver_data": None,
        "metadata": [{"key": "tier", "value": "one"}],
        "volume_attachment": [],
    }


async def test_it_travels_in_openstack_s_envelope_within_a_cloud_event():
    notice = await the("volume.create.end", "place start made")
    data = notice.pop("data")
    data.pop("payload")
    id = f"{an_id(1)}:4:volume.create.end"
    assert notice == {
        "specversion": "1.0",
        "id": id,
        "source": "lapilli/notifications",
        "type": "volume.create.end",
        "subject": str(an_id(1)),
        "time": "2030-01-02T08:00:03Z",
        "datacontenttype": "application/json",
        "requestid": "req-1",
        "userid": USER,
        "projectid": PROJECT,
        "causationid": f"{an_id(1)}:4",
    }
    assert UUID(data.pop("message_id")).version == 5
    assert data == {
        "publisher_id": "volume.host1@gold",
        "event_type": "volume.create.end",
        "priority": "INFO",
        "timestamp": "2030-01-02 08:00:03.000000",
        "_context_request_id": "req-1",
        "_context_user_id": USER,
        "_context_project_id": PROJECT,
    }


async def test_before_it_is_launched_the_time_is_that_of_the_notification():
    payload = (await the("volume.create.error", "place start failed"))["data"]["payload"]
    assert payload["launched_at"] == "2030-01-02T08:00:03+00:00"


async def test_an_update_is_told_as_it_was_and_as_it_is():
    steps = "place start made describe"
    start = await the("volume.update.start", steps)
    end = await the("volume.update.end", steps)
    assert start["data"]["payload"]["display_name"] == "volume 1"
    assert end["data"]["payload"]["display_name"] == "renamed"
    assert start["data"]["message_id"] != end["data"]["message_id"]


async def test_an_extension_is_told_with_the_old_size_and_then_the_new():
    steps = "place start made extend room grow grown"
    start = (await the("volume.resize.start", steps))["data"]["payload"]
    end = (await the("volume.resize.end", steps))["data"]["payload"]
    assert (start["size"], start["status"]) == (2, "extending")
    assert (end["size"], end["status"]) == (5, "available")


async def test_a_volume_that_nobody_came_to_place_is_told_like_one_without_room():
    payload = (await the("scheduler.create_volume", "given_up"))["data"]["payload"]
    assert payload["reason"] == "nobody came"
    assert payload["request_spec"] == {"volume_id": str(an_id(1))}


async def test_an_extension_without_room_is_told_as_the_scheduler_does():
    notice = await the("scheduler.extend_volume", "place start made extend no_room")
    payload = notice["data"]["payload"]
    assert (payload["method"], payload["reason"]) == ("extend_volume", "no room")
    assert payload["state"] == {"status": "available"}
    assert payload["request_spec"] == {"volume_id": str(an_id(1)), "places": [HOST]}


async def test_a_retype_is_told_with_the_new_type_and_place():
    notice = await the("volume.retype", "place start made retype arrive retyped")
    payload = notice["data"]["payload"]
    assert (payload["volume_type"], payload["host"]) == (str(an_id(0xB)), THERE)
    assert payload["status"] == "available"


@pytest.mark.parametrize(
    ("event_type", "steps", "method"),
    [
        ("scheduler.retype", "retype no_such_pool", "retype"),
        ("scheduler.migrate_volume_to_host", "migrate not_there", "migrate_volume_to_host"),
    ],
)
async def test_what_no_pool_takes_is_told_as_the_scheduler_does(event_type, steps, method):
    payload = (await the(event_type, f"place start made {steps}"))["data"]["payload"]
    assert (payload["method"], payload["reason"]) == (method, "no room")
    assert payload["state"] == {"status": "available"}
    assert payload["request_spec"] == {"volume_id": str(an_id(1)), "places": [HOST]}
    assert payload["volume_properties"]["volume_type_id"] == str(A_TYPE)


async def test_a_transfer_is_told_with_the_old_owner_and_then_the_new():
    steps = "place start made offer hand_over"
    start = (await the("volume.transfer.accept.start", steps))["data"]["payload"]
    end = (await the("volume.transfer.accept.end", steps))["data"]["payload"]
    assert (start["tenant_id"], start["user_id"]) == (PROJECT, USER)
    assert start["status"] == "awaiting-transfer"
    assert (end["tenant_id"], end["user_id"]) == ("another", "bob")
    assert end["status"] == "available"


async def test_a_status_that_is_reset_is_told_as_it_was_and_as_it_is():
    steps = "place start made say_error"
    start = (await the("volume.reset_status.start", steps))["data"]["payload"]
    end = (await the("volume.reset_status.end", steps))["data"]["payload"]
    assert (start["status"], end["status"]) == ("available", "error")


async def test_what_is_deleted_is_told_as_it_was():
    payload = (await the("volume.delete.end", "place start made delete remove gone"))["data"][
        "payload"
    ]
    assert (payload["status"], payload["host"], payload["size"]) == ("deleted", HOST, 2)
    assert payload["launched_at"] == "2030-01-02T08:00:03+00:00"


@pytest.mark.parametrize(
    ("event_type", "steps", "status", "reason"),
    [
        ("volume.create.error", "place start failed", "error", "no space"),
        ("volume.create.error", "unplaceable", "error", "No backend is available."),
        (
            "volume.delete.error",
            "place start made delete remove undeletable",
            "error_deleting",
            "backend says no",
        ),
        ("volume.delete.error", "place start made delete remove busy", "available", "in use"),
    ],
)
async def test_a_failure_says_why(event_type: str, steps: str, status: str, reason: str):
    payload = (await the(event_type, steps))["data"]["payload"]
    assert payload["status"] == status
    assert reason in payload["reason"]


async def test_a_request_that_no_pool_takes_is_told_as_the_scheduler_does():
    notice = await the("scheduler.create_volume", "unplaceable")
    assert notice["data"]["publisher_id"] == "scheduler.lapilli"
    payload = notice["data"]["payload"]
    assert payload.keys() == {
        "request_spec",
        "volume_properties",
        "volume_id",
        "state",
        "method",
        "reason",
    }
    assert payload["volume_id"] == payload["request_spec"]["volume_id"] == str(an_id(1))
    assert payload["request_spec"]["size_gib"] == 1  # of the decision
    assert payload["volume_properties"]["size"] == 2
    assert (payload["state"], payload["method"]) == ({"status": "error"}, "create_volume")


async def test_the_steps_cover_every_event_that_is_followed():
    """Else an event could be told wrongly, and nobody would see."""
    happened: set[type[Event]] = set()
    for steps, _ in PATHS:
        happened |= {type(r.event) for r in a_life(1, steps.split()).pending}
    for steps, _ in OF_SNAPSHOTS:
        log = await a_snapshots_log(steps.split())
        happened |= {type(r.event) for r in await log.log(0, 100)}
    ours = ("volume", "snapshot")
    assert happened == {cls for cls in (*NOTICES, *SILENT) if cls.kind in ours}
