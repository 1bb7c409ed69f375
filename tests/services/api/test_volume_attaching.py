"""The actions that attach and detach: every precondition, and what the volume is afterwards."""

from typing import Any

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault
from tests.services.api.stage import OTHER, Stage
from tests.services.api.test_attachments import (
    NODE,
    SERVER,
    a_shared_volume,
    attachment,
    volume_now,
)
from tests.services.api.test_http import refused

DEVICE = {"mountpoint": "/dev/vdc"}


async def act(stage: Stage, volume: dict[str, Any], name: str, arguments: Any = None) -> Any:
    path = f"/volumes/{volume['id']}/action"
    return await stage.ask("POST", path, {name: arguments}, mv="3.0")


async def done(stage: Stage, volume: dict[str, Any], *actions: Any) -> str:
    """The volume's status after these actions."""
    for action in actions:
        name, arguments = action if isinstance(action, tuple) else (action, None)
        answer = await act(stage, volume, name, arguments)
        assert answer.status_code in (200, 202), (action, answer.text)
    status: str = (await volume_now(stage, volume))["status"]
    return status


ATTACH = ("os-attach", {**DEVICE, "instance_uuid": SERVER, "mode": "rw"})
INITIALIZE = ("os-initialize_connection", {"connector": NODE})
TERMINATE = ("os-terminate_connection", {"connector": NODE})

WAYS: dict[str, list[Any]] = {
    "available": [],
    "attaching": ["os-reserve"],
    "in-use": ["os-reserve", INITIALIZE, ATTACH],
    "detaching": [ATTACH, "os-begin_detaching"],
}

ALLOWED: list[tuple[Any, dict[str, str | int]]] = [
    ("os-reserve", {"available": "attaching"}),
    ("os-unreserve", {"available": "available", "attaching": "available", "in-use": "in-use",
                      "detaching": "detaching"}),
    ("os-begin_detaching", {"in-use": "detaching"}),
    ("os-roll_detaching", {"available": "available", "attaching": "attaching",
                           "in-use": "in-use", "detaching": "in-use"}),
    (ATTACH, {"available": "in-use", "attaching": "in-use", "in-use": "in-use",
              "detaching": "detaching"}),
    (("os-attach", {**DEVICE, "host_name": "node-9"}),
     {"available": "in-use", "attaching": "in-use"}),
    ("os-detach", dict.fromkeys(WAYS, "available")),
    (("os-force_detach", {}), dict.fromkeys(WAYS, "available")),
    (INITIALIZE, {status: status for status in WAYS}),
    (TERMINATE, {"available": "available", "attaching": "available", "in-use": "in-use",
                 "detaching": "detaching"}),
]  # fmt: skip
"""Each action with the status that follows; in other statuses it is 400 and changes nothing."""


@pytest.mark.parametrize("status", WAYS)
@pytest.mark.parametrize(("action", "allowed"), ALLOWED, ids=lambda value: str(value)[:30])
async def test_every_action_in_every_status(stage, action, allowed, status):
    volume = await stage.available()
    assert await done(stage, volume, *WAYS[status]) == status
    if status in allowed:
        assert await done(stage, volume, action) == allowed[status]
        return
    before = await stage.recorded()
    name, arguments = action if isinstance(action, tuple) else (action, None)
    message = refused(await act(stage, volume, name, arguments), 400)
    assert status in message
    assert await stage.recorded() == before


@pytest.mark.parametrize(("action", "allowed"), ALLOWED, ids=lambda value: str(value)[:30])
async def test_what_is_not_made_yet_or_not_seen(stage, member, action, allowed):
    name, arguments = action if isinstance(action, tuple) else (action, None)
    creating = await stage.volume()
    if name not in ("os-unreserve", "os-roll_detaching", "os-detach", "os-force_detach",
                    "os-terminate_connection"):  # fmt: skip
        before = await stage.recorded()
        refused(await act(stage, creating, name, arguments), 400)
        assert await stage.recorded() == before
    theirs = await stage.volume(project=OTHER)
    refused(await act(member, theirs, name, arguments), 404)


async def test_how_a_connection_is_shown(stage):
    volume = await stage.available()
    answer = await act(stage, volume, "os-initialize_connection", {"connector": NODE})
    assert answer.json() == {
        "connection_info": {
            "driver_volume_type": "fake",
            "data": {
                "volume_id": volume["id"],
                "access_mode": "rw",
                "encrypted": False,
                "qos_specs": None,
            },
            "enforce_multipath": False,
        }
    }
    again = await act(stage, volume, "os-initialize_connection", {"connector": NODE})
    assert again.json() == answer.json()
    assert len(await stage.application.driver.connections()) == 1
    assert (await stage.ask("GET", "/attachments")).json() == {"attachments": []}
    await done(stage, volume, TERMINATE)
    assert await stage.application.driver.connections() == set()


async def test_the_whole_way_of_the_actions(stage):
    volume = await stage.available()
    status = await done(stage, volume, "os-reserve", INITIALIZE, ATTACH)
    assert status == "in-use"
    shown = await volume_now(stage, volume)
    [attached] = shown["attachments"]
    assert (attached["server_id"], attached["device"]) == (SERVER, "/dev/vdc")
    assert shown["metadata"] == {"attached_mode": "rw"}
    assert await done(stage, volume, "os-begin_detaching", TERMINATE) == "detaching"
    which = ("os-detach", {"attachment_id": attached["attachment_id"]})
    assert await done(stage, volume, which) == "available"
    assert await stage.application.driver.connections() == set()


async def test_the_last_detachment_ends_connections_that_nobody_ended(stage):
    volume = await stage.available()
    await done(stage, volume, "os-reserve", INITIALIZE, ATTACH, "os-detach")
    await stage.application.backend_works()
    assert await stage.application.driver.connections() == set()


async def test_a_volume_with_a_connection_that_nobody_ended_can_be_deleted(stage):
    volume = await stage.available()
    await done(stage, volume, INITIALIZE)
    assert (await stage.ask("DELETE", f"/volumes/{volume['id']}")).status_code == 202


async def test_several_attachments_need_to_be_told_apart(stage):
    volume = await a_shared_volume(stage)
    other = ("os-attach", {**DEVICE, "host_name": "node-2"})
    assert await done(stage, volume, "os-reserve", ATTACH, "os-reserve", other) == "in-use"
    attached = (await volume_now(stage, volume))["attachments"]
    before = await stage.recorded()
    assert "2 attachments" in refused(await act(stage, volume, "os-detach"), 400)
    assert await stage.recorded() == before
    for number, status in ((0, "in-use"), (1, "available")):
        which = ("os-detach", {"attachment_id": attached[number]["attachment_id"]})
        assert await done(stage, volume, which) == status


async def test_what_fails_to_connect_is_500_with_the_reason_and_leaves_nothing(stage):
    volume = await stage.available()
    failure = DriverFailure("the array is offline", False)
    stage.application.faults.plan("connect_volume", Fault(failure=failure))
    answer = await act(stage, volume, *INITIALIZE)
    assert "the array is offline" in refused(answer, 500)
    await stage.application.backend_works()
    assert await stage.application.driver.connections() == set()
    assert await done(stage, volume, INITIALIZE) == "available"


async def test_what_fails_to_disconnect_is_500_and_still_in_use(stage):
    volume = await stage.available()
    made = await attachment(stage, volume, connector=NODE)
    failure = DriverFailure("the array is offline", False)
    stage.application.faults.plan("disconnect_volume", Fault(failure=failure))
    refused(await act(stage, volume, "os-detach", {"attachment_id": made["id"]}), 500)
    assert (await volume_now(stage, volume))["status"] == "in-use"
    assert await done(stage, volume, "os-detach") == "available"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("os-reserve", {"a": 1}),
        ("os-attach", None),
        ("os-attach", {}),
        ("os-attach", DEVICE),
        ("os-attach", {"instance_uuid": SERVER}),
        ("os-attach", {**DEVICE, "instance_uuid": "server-1"}),
        ("os-attach", {**DEVICE, "instance_uuid": SERVER, "mode": "r"}),
        ("os-attach", {"mountpoint": "", "host_name": "n"}),
        ("os-attach", {"mountpoint": "x" * 256, "host_name": "n"}),
        ("os-attach", {**DEVICE, "host_name": "n", "unknown": 1}),
        ("os-detach", {"attachment_id": "x"}),
        ("os-detach", {"attachment_id": 1}),
        ("os-initialize_connection", None),
        ("os-initialize_connection", {}),
        ("os-initialize_connection", {"connector": {}}),
        ("os-initialize_connection", {"connector": {"ip": "192.0.2.1"}}),
        ("os-initialize_connection", {"connector": []}),
        ("os-terminate_connection", {"connector": {}}),
        ("os-force_detach", {"attachment_id": "x"}),
    ],
)
async def test_what_makes_no_sense_is_400_and_changes_nothing(stage, name, arguments):
    volume = await stage.available()
    before = await stage.recorded()
    refused(await act(stage, volume, name, arguments), 400)
    assert await stage.recorded() == before


async def test_an_attachment_that_is_not_there_is_404(stage):
    volume = await stage.available()
    await done(stage, volume, ATTACH)
    before = await stage.recorded()
    refused(await act(stage, volume, "os-detach", {"attachment_id": SERVER}), 404)
    assert await stage.recorded() == before


async def test_a_force_detachment_is_for_administrators(stage, member):
    volume = await stage.available()
    await done(stage, volume, ATTACH)
    refused(await act(member, volume, "os-force_detach", {}), 403)
    assert await done(stage, volume, ("os-force_detach", {"connector": NODE})) == "available"


async def test_volumes_are_listed_by_whether_they_are_attached_and_shared(stage):
    shared, plain = await a_shared_volume(stage), await stage.available()
    await done(stage, plain, ATTACH)

    async def found(query: str) -> list[str]:
        volumes = (await stage.ask("GET", f"/volumes?{query}")).json()["volumes"]
        return [each["id"] for each in volumes]

    assert await found("attach_status=attached") == [plain["id"]]
    assert await found("multiattach=true") == [shared["id"]]
    assert await found("multiattach=perhaps") == []
    assert await found("status=in-use") == [plain["id"]]
