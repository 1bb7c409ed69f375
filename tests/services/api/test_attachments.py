"""/attachments: what it accepts and shows, what it refuses, and that refusals change nothing."""

from typing import Any
from uuid import uuid4

import pytest

from adapters.drivers.contract import DriverFailure, InvalidConnector
from adapters.drivers.memory import Fault
from services.api import rules
from services.api.identity import Caller, Credentials
from tests.services.api.stage import OTHER, PROJECT, USER, Stage, staged
from tests.services.api.test_http import refused

SERVER = "a81d4fae-7dec-41d0-a765-00a0c91e6bf6"
NODE = {"host": "node-1", "ip": "192.0.2.1", "mountpoint": "/dev/vdb"}


async def create(stage: Stage, volume: dict[str, Any], *, mv: str = "3.71", **fields: Any) -> Any:
    body = {"attachment": {"volume_uuid": volume["id"], **fields}}
    return await stage.ask("POST", "/attachments", body, mv=mv)


async def attachment(stage: Stage, volume: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = await create(stage, volume, **fields)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["attachment"]
    return made


async def update(stage: Stage, made: dict[str, Any], connector: Any = NODE) -> Any:
    body = {"attachment": {"connector": connector}}
    return await stage.ask("PUT", f"/attachments/{made['id']}", body)


async def complete(stage: Stage, made: dict[str, Any], **more: Any) -> Any:
    body = {"os-complete": None}
    return await stage.ask("POST", f"/attachments/{made['id']}/action", body, **more)


async def delete(stage: Stage, made: dict[str, Any], **more: Any) -> Any:
    return await stage.ask("DELETE", f"/attachments/{made['id']}", **more)


async def volume_now(stage: Stage, volume: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"]
    return shown


async def listed(stage: Stage, query: str = "") -> list[str]:
    answer = await stage.ask("GET", f"/attachments{query}")
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["attachments"]]


async def a_shared_volume(stage: Stage) -> dict[str, Any]:
    specs = {"multiattach": "<is> True"}
    body = {"volume_type": {"name": "shared", "extra_specs": specs}}
    await stage.ask("POST", "/types", body)
    return await stage.available(volume_type="shared")


async def in_state(stage: Stage, state: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A volume and its attachment that shows this status."""
    volume = await stage.available()
    faults = stage.application.faults
    made = await attachment(stage, volume, instance_uuid=SERVER)
    if state == "error_attaching":
        faults.plan("connect_volume", Fault(failure=DriverFailure("broken", False)))
        refused(await update(stage, made), 500)
    elif state != "reserved":
        assert (await update(stage, made)).status_code == 200
    if state in ("attached", "error_detaching", "detaching"):
        assert (await complete(stage, made)).status_code == 204
    if state == "error_detaching":
        faults.plan("disconnect_volume", Fault(failure=DriverFailure("broken", False)))
        refused(await delete(stage, made), 500)
    if state == "detaching":
        stage.application.silent = True
        refused(await delete(stage, made), 503)
    shown = (await stage.ask("GET", f"/attachments/{made['id']}")).json()["attachment"]
    assert shown["status"] == state
    return volume, shown


async def test_a_reservation_is_shown_as_cinder_shows_it(stage):
    volume = await stage.available()
    made = await attachment(stage, volume, instance_uuid=SERVER)
    assert made == {
        "id": made["id"],
        "status": "reserved",
        "instance": SERVER,
        "volume_id": volume["id"],
        "attached_at": "",
        "detached_at": "",
        "attach_mode": "null",
        "connection_info": {},
    }
    now = await volume_now(stage, volume)
    assert (now["status"], now["attachments"], now["metadata"]) == ("reserved", [], {})


async def test_with_a_connector_the_answer_tells_how_the_volume_is_reached(stage):
    volume = await stage.available()
    made = await attachment(stage, volume, instance_uuid=SERVER, connector=NODE, mode="ro")
    assert (made["status"], made["attach_mode"]) == ("attaching", "ro")
    assert made["attached_at"].endswith("000000")
    assert made["connection_info"] == {
        "driver_volume_type": "fake",
        "volume_id": volume["id"],
        "attachment_id": made["id"],
        "access_mode": "ro",
        "encrypted": False,
        "qos_specs": None,
        "enforce_multipath": False,
    }
    assert (await volume_now(stage, volume))["status"] == "attaching"


async def test_from_reserving_to_deleting(stage):
    volume = await stage.available()
    made = await attachment(stage, volume, instance_uuid=SERVER)
    connected = (await update(stage, made, {**NODE, "enforce_multipath": True})).json()
    assert connected["attachment"]["connection_info"]["enforce_multipath"] is True
    assert (await complete(stage, made)).status_code == 204
    now = await volume_now(stage, volume)
    assert (now["status"], now["metadata"]) == ("in-use", {"attached_mode": "rw"})
    assert now["attachments"] == [
        {
            "id": volume["id"],
            "attachment_id": made["id"],
            "volume_id": volume["id"],
            "server_id": SERVER,
            "host_name": "node-1",
            "device": "/dev/vdb",
            "attached_at": connected["attachment"]["attached_at"],
        }
    ]
    assert len(await stage.application.driver.connections()) == 1
    assert (await delete(stage, made)).json() == {"attachments": []}
    assert await stage.application.driver.connections() == set()
    now = await volume_now(stage, volume)
    assert (now["status"], now["attachments"], now["metadata"]) == ("available", [], {})
    refused(await stage.ask("GET", f"/attachments/{made['id']}"), 404)


async def test_nodes_are_for_administrators_to_know(stage, member):
    volume, _ = await in_state(stage, "attached")
    [seen] = (await volume_now(member, volume))["attachments"]
    assert (seen["host_name"], seen["server_id"]) == (None, SERVER)
    detail = (await member.ask("GET", "/volumes/detail")).json()["volumes"]
    assert [each["attachments"] for each in detail] == [[seen]]


async def test_a_shared_volume_is_attached_twice_and_in_use_until_both_are_gone(stage):
    volume = await a_shared_volume(stage)
    assert volume["multiattach"] is True
    one = await attachment(stage, volume, instance_uuid=SERVER, connector=NODE)
    await complete(stage, one)
    two = await attachment(stage, volume, connector={"host": "node-2"})
    await complete(stage, two)
    assert len((await volume_now(stage, volume))["attachments"]) == 2
    left = (await delete(stage, one)).json()["attachments"]
    assert left == [
        {"id": two["id"], "status": "attached", "instance": None, "volume_id": volume["id"]}
    ]
    assert (await volume_now(stage, volume))["status"] == "in-use"
    await delete(stage, two)
    assert (await volume_now(stage, volume))["status"] == "available"


# what fails leaves nothing reserved


@pytest.mark.parametrize(
    ("failure", "code"),
    [(DriverFailure("the array is offline", False), 500), (InvalidConnector("no iqn"), 400)],
)
async def test_a_creation_that_fails_says_why_and_leaves_nothing(stage, failure, code):
    volume = await stage.available()
    stage.application.faults.plan("connect_volume", Fault(failure=failure))
    message = refused(await create(stage, volume, connector=NODE), code)
    assert failure.reason in message
    assert (await volume_now(stage, volume))["status"] == "available"
    assert await listed(stage) == []
    assert (await create(stage, volume, connector=NODE)).status_code == 200


async def test_a_backend_that_does_not_answer_in_time_is_503_and_nothing_stays_reserved(stage):
    volume = await stage.available()
    stage.application.silent = True
    refused(await create(stage, volume, connector=NODE), 503)
    assert (await volume_now(stage, volume))["status"] == "available"
    await stage.application.backend_works()
    assert await listed(stage) == []


async def test_an_update_that_fails_releases_the_volume_and_one_refused_keeps_it(stage):
    volume = await stage.available()
    made = await attachment(stage, volume)
    faults = stage.application.faults
    faults.plan("connect_volume", Fault(failure=InvalidConnector("no iqn")))
    assert "no iqn" in refused(await update(stage, made), 400)
    assert (await volume_now(stage, volume))["status"] == "reserved"
    faults.plan("connect_volume", Fault(failure=DriverFailure("offline", False)))
    assert "offline" in refused(await update(stage, made), 500)
    shown = (await stage.ask("GET", f"/attachments/{made['id']}")).json()["attachment"]
    assert shown["status"] == "error_attaching"
    assert (await volume_now(stage, volume))["status"] == "available"
    assert (await delete(stage, made)).status_code == 200


async def test_a_detachment_that_fails_can_be_tried_again(stage):
    volume, made = await in_state(stage, "error_detaching")
    assert (await volume_now(stage, volume))["status"] == "in-use"
    refused(await create(stage, volume), 400)
    assert (await delete(stage, made)).status_code == 200
    assert (await volume_now(stage, volume))["status"] == "available"


# refusals


@pytest.mark.parametrize(
    "fields",
    [
        {"volume_uuid": "x"},
        {"volume_uuid": None},
        {"instance_uuid": "server-1"},
        {"connector": []},
        {"connector": "node"},
        {"mode": "r"},
        {"mode": 1},
        {"unknown": 1},
        {"connector": {"ip": "192.0.2.1"}},
        {"connector": {"host": "n", "mode": "r"}},
    ],
    ids=str,
)
async def test_a_creation_that_makes_no_sense_is_400_and_changes_nothing(stage, fields):
    volume = await stage.available()
    before = await stage.recorded()
    refused(await create(stage, volume, **fields), 400)
    assert await stage.recorded() == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"attachment": {}},
        {"attachment": {"connector": {}}},
        {"attachment": {"connector": None}},
        {"attachment": {"connector": NODE, "mode": "rw"}},
        {"attachment": {"connector": {"ip": "192.0.2.1"}}},
    ],
    ids=str,
)
async def test_an_update_that_makes_no_sense_is_400_and_changes_nothing(stage, body):
    made = await attachment(stage, await stage.available())
    before = await stage.recorded()
    refused(await stage.ask("PUT", f"/attachments/{made['id']}", body), 400)
    assert await stage.recorded() == before


@pytest.mark.parametrize(
    "body", [{}, {"os-complete": 1}, {"os-fly": None}, {"os-complete": {"a": 1}}]
)
async def test_an_action_that_makes_no_sense_is_400(stage, body):
    _, made = await in_state(stage, "attaching")
    before = await stage.recorded()
    refused(await stage.ask("POST", f"/attachments/{made['id']}/action", body), 400)
    assert await stage.recorded() == before


async def test_a_volume_that_is_creating_or_held_cannot_be_reserved(stage):
    refused(await create(stage, await stage.volume()), 400)
    reserved = await stage.available()
    await attachment(stage, reserved, instance_uuid=SERVER)
    for fields in ({}, {"instance_uuid": str(uuid4())}, {"connector": NODE}):
        before = await stage.recorded()
        refused(await create(stage, reserved, **fields), 400)
        assert await stage.recorded() == before
    assert (await create(stage, reserved, instance_uuid=SERVER)).status_code == 200


async def test_a_volume_in_error_cannot_be_reserved_400_or_connected_409(stage):
    volume, made = await in_state(stage, "reserved")
    await stage.application.in_error(volume["id"])
    refused(await create(stage, volume), 400)
    refused(await update(stage, made), 409)


async def test_what_is_not_shared_is_connected_once(stage):
    volume = await stage.available()
    one = await attachment(stage, volume, instance_uuid=SERVER)
    two = await attachment(stage, volume, instance_uuid=SERVER)
    assert (await update(stage, one)).status_code == 200
    assert "not shared" in refused(await update(stage, two), 409)
    assert (await update(stage, two, {"host": "node-2"})).status_code == 200  # the server moves


@pytest.mark.parametrize("state", ["reserved", "error_attaching", "error_detaching"])
async def test_only_what_is_connected_is_completed(stage, state):
    _, made = await in_state(stage, state)
    before = await stage.recorded()
    assert state in refused(await complete(stage, made), 400)
    assert await stage.recorded() == before


async def test_what_is_completed_can_be_completed_again_but_not_connected(stage):
    _, made = await in_state(stage, "attached")
    assert (await complete(stage, made)).status_code == 204
    refused(await update(stage, made), 400)


@pytest.mark.parametrize("state", ["reserved", "attaching", "attached", "detaching"])
async def test_an_attached_volume_is_not_deleted(stage, state):
    volume, _ = await in_state(stage, state)
    before = await stage.recorded()
    message = refused(await stage.ask("DELETE", f"/volumes/{volume['id']}"), 400)
    assert "volume" in message
    if state == "attached":
        refused(await stage.ask("DELETE", f"/volumes/{volume['id']}?force=true"), 400)
        body = {"os-force_delete": None}
        refused(await stage.ask("POST", f"/volumes/{volume['id']}/action", body), 400)
        assert await stage.recorded() == before


async def test_an_attached_volume_grows_from_3_42(stage):
    volume, _ = await in_state(stage, "attached")
    path, body = f"/volumes/{volume['id']}/action", {"os-extend": {"new_size": 5}}
    refused(await stage.ask("POST", path, body, mv="3.41"), 400)
    assert (await stage.ask("POST", path, body, mv="3.42")).status_code == 202
    held, _ = await in_state(stage, "reserved")
    refused(await stage.ask("POST", f"/volumes/{held['id']}/action", body), 400)


# who may


@pytest.mark.parametrize(
    ("rule", "method", "path", "body"),
    [
        (rules.ATTACHMENT_CREATE, "POST", "/attachments", {"attachment": {"volume_uuid": ""}}),
        (rules.ATTACHMENT_UPDATE, "PUT", "/attachments/{id}", {"attachment": {"connector": NODE}}),
        (rules.ATTACHMENT_COMPLETE, "POST", "/attachments/{id}/action", {"os-complete": None}),
        (rules.ATTACHMENT_DELETE, "DELETE", "/attachments/{id}", None),
    ],
)
async def test_each_rule_guards_its_request(stage, tmp_path, rule, method, path, body):
    volume = await stage.available()
    made = await attachment(stage, volume)
    if method == "POST" and path == "/attachments":
        body = {"attachment": {"volume_uuid": volume["id"]}}
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{rule}": "!"\n')
    before = await stage.recorded()
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        answer = await denied.ask(method, path.format(id=made["id"]), body)
    assert rule in refused(answer, 403)
    assert await stage.recorded() == before


async def test_sharing_volumes_and_bootable_ones_has_rules_of_its_own(stage, tmp_path):
    volume = await a_shared_volume(stage)
    first = await attachment(stage, volume, connector=NODE)
    await complete(stage, first)
    body = {"os-set_bootable": {"bootable": True}}
    await stage.ask("POST", f"/volumes/{volume['id']}/action", body)
    file = tmp_path / "policy.yaml"
    both = (rules.MULTIATTACH, rules.MULTIATTACH_BOOTABLE)
    file.write_text("".join(f'"{rule}": "!"\n' for rule in both))
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        wish = {"volume": {"size": 1, "volume_type": "shared"}}
        assert both[0] in refused(await denied.ask("POST", "/volumes", wish), 403)
        assert both[1] in refused(await create(denied, volume), 403)
    assert (await create(stage, volume)).status_code == 200


async def test_a_read_only_volume_is_only_read_and_one_that_is_not_is_written_to(stage):
    for readonly, mode in ((True, "ro"), (False, "rw")):
        volume = await stage.available()
        body = {"os-update_readonly_flag": {"readonly": readonly}}
        path = f"/volumes/{volume['id']}/action"
        assert (await stage.ask("POST", path, body)).status_code == 202
        made = await attachment(stage, volume, connector=NODE)
        assert made["attach_mode"] == made["connection_info"]["access_mode"] == mode
        await delete(stage, made)
        attach = {"os-attach": {"mountpoint": "/dev/vdb", "host_name": "n", "mode": "rw"}}
        answer = await stage.ask("POST", path, attach)
        assert answer.status_code == (400 if readonly else 202)


async def test_another_projects_attachments_cannot_be_seen(stage, member):
    theirs = await stage.available(project=OTHER)
    path = f"/v3/{OTHER}/attachments"
    body = {"attachment": {"volume_uuid": theirs["id"]}}
    made = (await stage.ask("POST", path, body)).json()["attachment"]
    refused(await create(member, theirs), 404)
    refused(await member.ask("GET", f"/attachments/{made['id']}"), 404)
    refused(await update(member, made), 404)
    refused(await complete(member, made), 404)
    refused(await delete(member, made), 404)
    assert await listed(member) == await listed(stage) == []
    assert await listed(member, "?all_tenants=1") == []
    assert await listed(stage, "?all_tenants=0") == [made["id"]]
    assert (await stage.ask("GET", f"/attachments/{made['id']}")).status_code == 200


@pytest.mark.parametrize("id", ["00000000-0000-4000-0000-00000000dead", "x", "summary"])
async def test_what_is_not_there_is_404(stage, id):
    refused(await stage.ask("GET", f"/attachments/{id}"), 404)
    refused(await delete(stage, {"id": id}), 404)
    refused(await update(stage, {"id": id}), 404)
    refused(await create(stage, {"id": str(uuid4())}), 404)


class Users:
    """Everybody is a member; one token is that of the compute service."""

    async def caller(self, credentials: Credentials) -> Caller:
        speaks = ("service",) if credentials.token == "compute" else ()
        return Caller(USER, PROJECT, ("member", "reader"), service_roles=speaks)


async def test_what_a_server_uses_is_ended_by_a_service_only(stage, tmp_path):
    volume, made = await in_state(stage, "attached")
    async with staged(tmp_path, application=stage.application, callers=Users()) as users:
        before = await stage.recorded()
        assert SERVER in refused(await delete(users, made), 409)
        for body in ({"os-detach": None}, {"os-terminate_connection": {"connector": NODE}}):
            refused(await users.ask("POST", f"/volumes/{volume['id']}/action", body), 409)
        assert await stage.recorded() == before
        answer = await delete(users, made, headers={"X-Auth-Token": "compute"})
        assert answer.status_code == 200
        reserved = await attachment(users, volume, instance_uuid=SERVER)
        assert (await delete(users, reserved)).status_code == 200


# lists and versions


async def test_lists_are_filtered_sorted_and_paged(stage):
    made = []
    for number in range(3):
        volume = await stage.available(name=f"v{number}")
        made.append(await attachment(stage, volume, instance_uuid=SERVER if number else None))
    await update(stage, made[0])
    ids = [each["id"] for each in made]
    assert await listed(stage) == ids[::-1]
    assert await listed(stage, "?sort=created_at:asc") == ids
    assert await listed(stage, "?limit=1") == [ids[2]]
    assert await listed(stage, f"?limit=2&marker={ids[2]}") == [ids[1], ids[0]]
    assert await listed(stage, "?limit=0") == []
    assert await listed(stage, f"?volume_id={made[1]['volume_id']}") == [ids[1]]
    assert await listed(stage, f"?instance_id={SERVER}") == [ids[2], ids[1]]
    assert await listed(stage, "?status=reserved") == [ids[2], ids[1]]
    assert await listed(stage, "?attach_status=attaching") == [ids[0]]
    assert await listed(stage, "?nonsense=1") == []
    detail = (await stage.ask("GET", "/attachments/detail?limit=3")).json()
    assert detail.keys() == {"attachments"}
    assert detail["attachments"][2]["connection_info"]["driver_volume_type"] == "fake"
    refused(await stage.ask("GET", "/attachments?sort=nonsense"), 400)
    refused(await stage.ask("GET", f"/attachments?marker={uuid4()}"), 404)


async def test_filters_that_are_not_configured_are_for_administrators(member):
    refused(await member.ask("GET", "/attachments?node=node-1"), 400)
    assert (await member.ask("GET", "/attachments?node=x", mv="3.30")).status_code == 200


async def test_they_are_there_from_3_27_completed_from_3_44_and_have_modes_from_3_54(stage):
    volume = await stage.available()
    refused(await create(stage, volume, mv="3.26"), 404)
    refused(await create(stage, volume, mv="3.53", mode="ro"), 400)
    made = await attachment(stage, volume, mv="3.27")
    refused(await stage.ask("GET", "/attachments", mv="3.26"), 404)
    await update(stage, made)
    refused(await complete(stage, made, mv="3.43"), 404)
    assert (await complete(stage, made, mv="3.44")).status_code == 204


async def test_an_answer_that_is_late_tells_what_is_known(stage):
    volume = await stage.available()
    stage.application.late = True
    made = await attachment(stage, volume, connector=NODE)
    assert (made["status"], made["attach_mode"]) == ("attaching", "rw")
    assert made["connection_info"]["volume_id"] == volume["id"]
