"""Backups over HTTP: what is answered, to whom, and in which microversion."""

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from services.commands.backup_work import (
    FinishBackup,
    FinishImport,
    FinishRestore,
    RecordCaptured,
    StartBackup,
    StartRestore,
)
from tests.services.api.stage import OTHER, PROJECT, Stage, staged
from tests.services.api.test_http import refused

NOWHERE = "00000000-0000-4000-0000-00000000abcd"


async def asked(stage: Stage, volume_id: str, mv: str = "3.71", **fields: Any) -> dict[str, Any]:
    """A backup that was just asked for."""
    body = {"backup": {"volume_id": volume_id, "name": "night", **fields}}
    answer = await stage.ask("POST", "/backups", body, mv=mv)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()["backup"]
    return found


async def made(stage: Stage, id: str) -> None:
    """Its worker's part in it."""
    run, at = stage.application.execute, stage.application.moment
    attempt = await run(StartBackup(id=UUID(id), worker="w", at=at()))
    await run(RecordCaptured(id=UUID(id), attempt=attempt, at=at()))
    await run(FinishBackup(id=UUID(id), attempt=attempt, object_count=7, at=at()))


async def a_backup(stage: Stage, **fields: Any) -> dict[str, Any]:
    """One that is available, and its volume."""
    volume = await stage.available(size=2)
    id = (await asked(stage, volume["id"], **fields))["id"]
    await made(stage, id)
    return {"id": id, "volume_id": volume["id"]}


async def shown(stage: Stage, id: str, mv: str = "3.71") -> dict[str, Any]:
    answer = await stage.ask("GET", f"/backups/{id}", mv=mv)
    found: dict[str, Any] = answer.json()["backup"]
    return found


async def status(stage: Stage, volume_id: str) -> str:
    answer = await stage.ask("GET", f"/volumes/{volume_id}")
    return str(answer.json()["volume"]["status"])


async def test_a_backup_from_its_request_to_its_end(stage):
    volume = await stage.available(size=2)
    summary = await asked(stage, volume["id"], metadata={"k": "v"}, container="nightly")
    assert summary.keys() == {"id", "name", "links"} and summary["name"] == "night"
    assert (await shown(stage, summary["id"]))["status"] == "creating"
    assert await status(stage, volume["id"]) == "backing-up"
    await made(stage, summary["id"])
    assert await status(stage, volume["id"]) == "available"
    backup = await shown(stage, summary["id"])
    expected = {
        "status": "available", "size": 2, "object_count": 7, "container": "nightly",
        "fail_reason": None, "volume_id": volume["id"], "snapshot_id": None, "name": "night",
        "is_incremental": False, "has_dependent_backups": False, "metadata": {"k": "v"},
        "availability_zone": "nova", "description": None,
        "os-backup-project-attr:project_id": PROJECT,
    }  # fmt: skip
    assert expected.items() <= backup.items()
    for path in ("/backups/detail", f"/backups/detail?volume_id={volume['id']}&with_count=true"):
        assert (await stage.ask("GET", path)).json()["backups"] == [backup]
    change = {"backup": {"name": "day", "metadata": {}}}
    changed = await stage.ask("PUT", f"/backups/{summary['id']}", change)
    assert (changed.status_code, changed.json()["backup"]["name"]) == (200, "day")
    assert (await stage.ask("DELETE", f"/backups/{summary['id']}")).status_code == 202
    assert (await shown(stage, summary["id"]))["status"] == "deleting"


@pytest.mark.parametrize(
    ("mv", "fields"),
    [
        ("3.0", set()),
        ("3.18", {"os-backup-project-attr:project_id"}),
        ("3.43", {"os-backup-project-attr:project_id", "metadata"}),
        ("3.56", {"os-backup-project-attr:project_id", "metadata", "user_id"}),
    ],
)
async def test_fields_come_with_their_microversion(stage, mv, fields):
    found = await shown(stage, (await a_backup(stage))["id"], mv=mv)
    later = {"os-backup-project-attr:project_id", "metadata", "user_id"}
    assert found.keys() & later == fields


async def test_what_came_later_is_refused_before(stage):
    volume = await stage.available()
    for mv, fields in (("3.42", {"metadata": {}}), ("3.50", {"availability_zone": "nova"})):
        body = {"backup": {"volume_id": volume["id"], **fields}}
        refused(await stage.ask("POST", "/backups", body, mv=mv), 400)
    backup = await a_backup(stage)
    one = f"/backups/{backup['id']}"
    refused(await stage.ask("PUT", one, {"backup": {"name": "n"}}, mv="3.8"), 404)
    refused(await stage.ask("PUT", one, {"backup": {"metadata": {}}}, mv="3.42"), 400)
    refused(await stage.ask("GET", "/backups?sort=name:asc", mv="3.36"), 400)
    assert (await stage.ask("GET", "/backups?sort=name:asc", mv="3.37")).status_code == 200


async def test_what_cannot_be_backed_up_is_refused_and_nothing_is_recorded(stage):
    volume = await stage.available()
    busy = await stage.available()
    await asked(stage, busy["id"])
    creating = await stage.volume()
    before = await stage.recorded()
    for code, fields in (
        (404, {"volume_id": NOWHERE}),
        (404, {"volume_id": volume["id"], "snapshot_id": NOWHERE}),
        (400, {"volume_id": busy["id"]}),
        (400, {"volume_id": creating["id"]}),
        (400, {"volume_id": volume["id"], "incremental": True}),
        (400, {"volume_id": volume["id"], "container": "../etc"}),
        (400, {"volume_id": volume["id"], "container": ""}),
        (400, {"volume_id": volume["id"], "colour": "red"}),
        (400, {"name": "of nothing"}),
    ):
        refused(await stage.ask("POST", "/backups", {"backup": fields}), code)
    stage.application.makes_backups = False
    refused(await stage.ask("POST", "/backups", {"backup": {"volume_id": volume["id"]}}), 503)
    assert await stage.recorded() == before


async def test_an_increment_goes_on_from_the_newest_and_protects_it(stage):
    first = await a_backup(stage)
    second = (await asked(stage, first["volume_id"]))["id"]
    await made(stage, second)
    third = await asked(stage, first["volume_id"], incremental=True)
    assert (await shown(stage, third["id"]))["is_incremental"]
    assert (await shown(stage, second))["has_dependent_backups"]
    assert not (await shown(stage, first["id"]))["has_dependent_backups"]
    refused(await stage.ask("DELETE", f"/backups/{second}"), 400)


async def test_it_is_restored_into_a_volume_that_is_there_or_a_new_one(stage):
    backup = await a_backup(stage)
    target, small = await stage.available(size=3), await stage.available(size=1)
    path = f"/backups/{backup['id']}/restore"
    refused(await stage.ask("POST", path, {"restore": {"volume_id": small["id"]}}), 400)
    refused(await stage.ask("POST", path, {"restore": {"volume_id": NOWHERE}}), 404)
    answer = await stage.ask("POST", path, {"restore": {"volume_id": target["id"]}})
    assert answer.status_code == 202
    told = answer.json()["restore"]
    assert (told["backup_id"], told["volume_id"]) == (backup["id"], target["id"])
    assert await status(stage, target["id"]) == "restoring-backup"
    assert (await shown(stage, backup["id"]))["status"] == "restoring"
    refused(await stage.ask("DELETE", f"/backups/{backup['id']}"), 400)
    run, at, id = stage.application.execute, stage.application.moment, UUID(backup["id"])
    attempt = await run(StartRestore(id=id, worker="w", at=at()))
    await run(FinishRestore(id=id, attempt=attempt, at=at()))
    found = (await stage.ask("GET", f"/volumes/{target['id']}")).json()["volume"]
    assert (found["status"], found["metadata"]) == ("available", {"src_backup_id": backup["id"]})

    new = (await stage.ask("POST", path, {"restore": {}})).json()["restore"]
    assert new["volume_name"] == f"restore_backup_{backup['id']}"
    found = (await stage.ask("GET", f"/volumes/{new['volume_id']}")).json()["volume"]
    assert (found["size"], found["metadata"]) == (2, {"src_backup_id": backup["id"]})
    body = {"volume": {"size": 2, "backup_id": backup["id"]}}
    assert (await stage.ask("POST", "/volumes", body)).status_code == 202
    refused(await stage.ask("POST", "/volumes", {"volume": {**body["volume"], "size": 1}}), 400)
    missing = {"volume": {"size": 2, "backup_id": NOWHERE}}
    refused(await stage.ask("POST", "/volumes", missing), 404)


async def test_a_record_is_exported_and_imported_where_it_is_not_known(stage, tmp_path):
    backup = await a_backup(stage)
    exported = (await stage.ask("GET", f"/backups/{backup['id']}/export_record")).json()
    refused(await stage.ask("POST", "/backups/import_record", exported), 400)  # it is here
    record = json.loads(base64.b64decode(exported["backup-record"]["backup_url"]))
    assert record["id"] == backup["id"]
    for url in (
        "not base64!",
        base64.b64encode(b"{}").decode(),
        base64.b64encode(b"\xff").decode(),
    ):
        broken = {"backup-record": {"backup_service": "lapilli", "backup_url": url}}
        refused(await stage.ask("POST", "/backups/import_record", broken), 400)
    other = {"backup-record": {**exported["backup-record"], "backup_service": "ceph"}}
    refused(await stage.ask("POST", "/backups/import_record", other), 400)
    (tmp_path / "elsewhere").mkdir()
    async with staged(tmp_path / "elsewhere") as elsewhere:
        answer = await elsewhere.ask("POST", "/backups/import_record", exported)
        assert answer.status_code == 201
        assert answer.json()["backup"]["id"] == backup["id"]
        assert (await shown(elsewhere, backup["id"]))["status"] == "creating"
        at = elsewhere.application.moment()
        await elsewhere.application.execute(FinishImport(id=UUID(backup["id"]), at=at))
        found = await shown(elsewhere, backup["id"])
        assert (found["status"], found["volume_id"]) == ("available", backup["volume_id"])


async def test_administrators_say_what_it_is_and_force_it_to_go(stage):
    volume = await stage.available()
    id = (await asked(stage, volume["id"]))["id"]
    path = f"/backups/{id}/action"
    refused(await stage.ask("POST", path, {"os-reset_status": {"status": "available"}}), 400)
    refused(await stage.ask("POST", path, {"os-reset_status": {"status": "restoring"}}), 400)
    error = {"os-reset_status": {"status": "error"}}
    assert (await stage.ask("POST", path, error)).status_code == 202
    assert (await shown(stage, id))["status"] == "error"
    assert await status(stage, volume["id"]) == "available"
    again = (await asked(stage, volume["id"]))["id"]
    forced = await stage.ask("POST", f"/backups/{again}/action", {"os-force_delete": {}})
    assert forced.status_code == 202
    assert (await shown(stage, again))["status"] == "deleting"
    assert await status(stage, volume["id"]) == "available"


async def test_another_project_sees_nothing_of_it(stage):
    backup = await a_backup(stage)
    listed = await stage.ask("GET", f"/v3/{OTHER}/backups")
    assert listed.json()["backups"] == []
    every = await stage.ask("GET", f"/v3/{OTHER}/backups?all_tenants=1")
    assert [each["id"] for each in every.json()["backups"]] == [backup["id"]]
    for query, found in (("status=available", 1), ("status=error", 0), ("name=night", 1)):
        answer = await stage.ask("GET", f"/backups?{query}")
        assert len(answer.json()["backups"]) == found


async def test_who_may_do_what_with_it(stage, member, tmp_path):
    backup = await a_backup(stage)
    one, record = f"/backups/{backup['id']}", {"backup_service": "lapilli", "backup_url": "e30="}
    new = {"backup": {"volume_id": backup["volume_id"]}}
    administrators: list[tuple[str, str, Any]] = [
        ("GET", f"{one}/export_record", None),
        ("POST", "/backups/import_record", {"backup-record": record}),
        ("POST", f"{one}/action", {"os-reset_status": {"status": "error"}}),
        ("POST", f"{one}/action", {"os-force_delete": {}}),
    ]
    members: list[tuple[str, str, Any]] = [
        ("POST", "/backups", new),
        ("PUT", one, {"backup": {"name": "n"}}),
        ("POST", f"{one}/restore", {"restore": {}}),
        ("DELETE", one, None),
    ]
    async with staged(tmp_path, roles=("reader",), application=stage.application) as reader:
        before = await stage.recorded()
        for method, path, body in administrators:
            refused(await member.ask(method, path, body), 403)
            refused(await reader.ask(method, path, body), 403)
        assert await stage.recorded() == before
        for path in ("/backups", "/backups/detail", one):
            assert (await reader.ask("GET", path)).status_code == 200
        assert (
            not {"user_id", "os-backup-project-attr:project_id"}
            & (await shown(member, backup["id"])).keys()
        )
    for method, path, body in (members[1], members[3]):
        assert (await member.ask(method, path, body)).status_code in (200, 202), path
