"""Encryption of volume types and volumes: what is answered."""

from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.encryption_key import key_of
from services.commands.encryption_key import FinishKeyMaking
from tests.services.api.stage import PROJECT
from tests.services.api.test_http import refused
from tests.services.api.test_types import PRIVATE, a_type, done

LUKS = {
    "provider": "luks",
    "control_location": "front-end",
    "cipher": "aes-xts-plain64",
    "key_size": 256,
}
KEY = "0d2c7b1e-52f4-4f0b-9c57-3f6e8a1b9d44"


async def encrypted(stage, type_id: str, **changes: Any) -> dict[str, Any]:
    wish = {"encryption": {**LUKS, **changes}}
    answer = await stage.ask("POST", f"/types/{type_id}/encryption", wish)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()["encryption"]
    return shown


async def an_encrypted_type(stage, **changes: Any) -> str:
    id: str = (await a_type(stage, "secret"))["id"]
    await encrypted(stage, id, **changes)
    return id


async def has_key(stage, owner: dict[str, Any], key_id: str = KEY) -> None:
    """The key manager's part."""
    command = FinishKeyMaking(
        id=key_of(UUID(owner["id"])), key_id=key_id, at=stage.application.moment()
    )
    await stage.application.execute(command)


# types


async def test_the_encryption_of_a_type_lives_from_create_to_delete(stage):
    id = (await a_type(stage))["id"]
    path = f"/types/{id}/encryption"
    assert (await stage.ask("GET", path)).json() == {}
    made = await encrypted(stage, id)
    assert made == {**LUKS, "volume_type_id": id, "encryption_id": made["encryption_id"]}
    shown = (await stage.ask("GET", path)).json()
    assert shown == {
        **made, "created_at": shown["created_at"], "updated_at": None,
        "deleted": False, "deleted_at": None,
    }  # fmt: skip
    change = {"encryption": {"key_size": "512", "cipher": None}}
    changed = (await stage.ask("PUT", f"{path}/provider", change)).json()["encryption"]
    assert changed == {**made, "key_size": 512, "cipher": None}
    shown = (await stage.ask("GET", path)).json()
    assert (shown["key_size"], shown["cipher"], shown["provider"]) == (512, None, "luks")
    assert shown["updated_at"] > shown["created_at"]
    await done(stage, "DELETE", f"{path}/provider")
    assert (await stage.ask("GET", path)).json() == {}
    assert (await encrypted(stage, id))["encryption_id"] != made["encryption_id"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"cipher": None, "key_size": None}, {"cipher": None, "key_size": None}),
        ({"cipher": "", "key_size": ""}, {"cipher": None, "key_size": None}),
        ({"key_size": "128"}, {"key_size": 128}),
        ({"control_location": "back-end"}, {"control_location": "back-end"}),
    ],
)
async def test_what_clients_write_is_understood(stage, given, shown):
    made = await encrypted(stage, (await a_type(stage))["id"], **given)
    assert made.items() >= shown.items()


async def test_one_field_is_shown_by_its_name_and_all_by_the_id(stage):
    id = await an_encrypted_type(stage)
    path = f"/types/{id}/encryption"
    assert (await stage.ask("GET", f"{path}/cipher")).json() == {"cipher": "aes-xts-plain64"}
    assert (await stage.ask("GET", f"{path}/key_size")).json() == {"key_size": 256}
    shown = (await stage.ask("GET", path)).json()
    assert (await stage.ask("GET", f"{path}/{shown['encryption_id']}")).json() == shown
    for nothing in ("nothing", id, "__class__"):
        refused(await stage.ask("GET", f"{path}/{nothing}"), 404)


async def test_openstacksdk_changes_and_deletes_it_by_its_id(stage):
    path = f"/types/{await an_encrypted_type(stage)}/encryption"
    id = (await stage.ask("GET", path)).json()["encryption_id"]
    change = {"encryption": {"provider": "luks2"}}
    assert (await stage.ask("PUT", f"{path}/{id}", change)).status_code == 200
    assert (await stage.ask("GET", f"{path}/provider")).json() == {"provider": "luks2"}
    await done(stage, "DELETE", f"{path}/{id}")


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": ""},
        {"provider": None},
        {"provider": "l" * 256},
        {"provider": 5},
        {"control_location": "both"},
        {"control_location": None},
        {"cipher": "-xts"},
        {"cipher": "a" * 256},
        {"key_size": -1},
        {"key_size": 0},
        {"key_size": 100},
        {"key_size": "many"},
        {"key_size": 10**12},
        {"key_size": 2.5},
        {"surprise": "!"},
    ],
)
async def test_what_is_no_encryption_is_400_and_changes_nothing(stage, fields):
    plain, secret = (await a_type(stage))["id"], await an_encrypted_type(stage)
    before = await stage.recorded()
    path = f"/types/{plain}/encryption"
    refused(await stage.ask("POST", path, {"encryption": {**LUKS, **fields}}), 400)
    path = f"/types/{secret}/encryption/provider"
    refused(await stage.ask("PUT", path, {"encryption": fields}), 400)
    assert await stage.recorded() == before


@pytest.mark.parametrize("missing", ["provider", "control_location"])
async def test_what_is_needed_has_to_be_said(stage, missing):
    path = f"/types/{(await a_type(stage))['id']}/encryption"
    wish = {name: value for name, value in LUKS.items() if name != missing}
    refused(await stage.ask("POST", path, {"encryption": wish}), 400)
    refused(await stage.ask("POST", path, {}), 400)


async def test_a_type_is_encrypted_once(stage):
    path = f"/types/{await an_encrypted_type(stage)}/encryption"
    assert "already" in refused(await stage.ask("POST", path, {"encryption": LUKS}), 400)


async def test_a_type_in_use_stays_encrypted_as_it_is(stage):
    plain, secret = (await a_type(stage))["id"], await an_encrypted_type(stage)
    volumes = [await stage.volume(volume_type=each) for each in (plain, secret)]
    before = await stage.recorded()
    path = f"/types/{secret}/encryption"
    for method, where, body in (
        ("POST", f"/types/{plain}/encryption", {"encryption": LUKS}),
        ("PUT", f"{path}/provider", {"encryption": {"key_size": 128}}),
        ("DELETE", f"{path}/provider", None),
    ):
        assert "in use" in refused(await stage.ask(method, where, body), 400)
    assert await stage.recorded() == before
    for volume in volumes:
        await done(stage, "DELETE", f"/volumes/{volume['id']}")
    await done(stage, "DELETE", f"{path}/provider")


@pytest.mark.parametrize("field", ["provider", "nothing"])
async def test_what_is_not_there_is_404(stage, field):
    plain = (await a_type(stage))["id"]
    for id in (plain, "nowhere"):
        path = f"/types/{id}/encryption/{field}"
        refused(await stage.ask("GET", path), 404)
        refused(await stage.ask("PUT", path, {"encryption": {"provider": "luks"}}), 404)
        refused(await stage.ask("DELETE", path), 404)
    refused(await stage.ask("GET", "/types/nowhere/encryption"), 404)
    refused(await stage.ask("POST", "/types/nowhere/encryption", {"encryption": LUKS}), 404)


async def test_only_administrators_see_or_change_how_a_type_is_encrypted(stage, member):
    path = f"/types/{await an_encrypted_type(stage)}/encryption"
    hidden = f"/types/{(await a_type(stage, 'hidden', **PRIVATE))['id']}/encryption"
    for method, where, body in (
        ("GET", "", None),
        ("GET", "/cipher", None),
        ("PUT", "/cipher", {"encryption": {"cipher": "aes"}}),
        ("DELETE", "/cipher", None),
    ):
        refused(await member.ask(method, f"{path}{where}", body), 403)
        refused(await member.ask(method, f"{hidden}{where}", body), 404)


async def test_encryption_goes_with_its_type(stage):
    id = await an_encrypted_type(stage)
    await done(stage, "DELETE", f"/types/{id}")
    refused(await stage.ask("GET", f"/types/{id}/encryption"), 404)


# volumes


@pytest.mark.parametrize(("mv", "shown"), [("3.0", False), ("3.63", False), ("3.64", True)])
async def test_the_key_id_is_shown_from_3_64_once_there_is_one(stage, mv, shown):
    volume = await stage.volume(volume_type=await an_encrypted_type(stage))
    assert volume["encrypted"] is True and "encryption_key_id" not in volume
    await has_key(stage, volume)
    for path in (f"/volumes/{volume['id']}", "/volumes/detail"):
        answer = (await stage.ask("GET", path, mv=mv)).json()
        detail = answer["volume"] if "volume" in answer else answer["volumes"][0]
        assert detail["encrypted"] is True
        assert detail.get("encryption_key_id") == (KEY if shown else None)
        assert ("encryption_key_id" in detail) is shown


async def test_how_a_volume_is_encrypted_is_shown_whole_and_in_parts(stage):
    volume = await stage.volume(volume_type=await an_encrypted_type(stage))
    path = f"/volumes/{volume['id']}/encryption"
    assert (await stage.ask("GET", path)).json() == {"encryption_key_id": None, **LUKS}
    await has_key(stage, volume)
    shown = {"encryption_key_id": KEY, **LUKS}
    assert (await stage.ask("GET", path)).json() == shown
    for field, value in shown.items():
        assert (await stage.ask("GET", f"{path}/{field}")).json() == value
    for nothing in ("nothing", "__class__"):
        refused(await stage.ask("GET", f"{path}/{nothing}"), 404)


async def test_what_the_type_leaves_open_is_null(stage):
    type_id = await an_encrypted_type(stage, cipher=None, key_size=None)
    volume = await stage.volume(volume_type=type_id)
    shown = (await stage.ask("GET", f"/volumes/{volume['id']}/encryption")).json()
    assert shown == {"encryption_key_id": None, **LUKS, "cipher": None, "key_size": None}


async def test_of_a_volume_that_is_not_encrypted_there_is_only_a_key_id_of_null(stage):
    volume = await stage.volume()
    assert volume["encrypted"] is False and "encryption_key_id" not in volume
    path = f"/volumes/{volume['id']}/encryption"
    assert (await stage.ask("GET", path)).json() == {"encryption_key_id": None}
    assert (await stage.ask("GET", f"{path}/encryption_key_id")).json() is None
    refused(await stage.ask("GET", f"{path}/cipher"), 404)


async def test_volumes_are_filtered_by_whether_they_are_encrypted(stage):
    plain = await stage.volume()
    secret = await stage.volume(volume_type=await an_encrypted_type(stage))
    await has_key(stage, secret)
    for query, found in (
        ("encrypted=true", [secret["id"]]),
        ("encrypted=false", [plain["id"]]),
        (f"encryption_key_id={KEY}", [secret["id"]]),
        ("encryption_key_id=other", []),
    ):
        listed = (await stage.ask("GET", f"/volumes?{query}")).json()["volumes"]
        assert [each["id"] for each in listed] == found, query


async def test_a_volume_whose_key_failed_is_in_error(stage):
    volume = await stage.volume(volume_type=await an_encrypted_type(stage))
    failed = FinishKeyMaking(
        id=key_of(UUID(volume["id"])), failure="sealed", at=stage.application.moment()
    )
    await stage.application.execute(failed)
    assert (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"][
        "status"
    ] == "error"
    await done(stage, "DELETE", f"/volumes/{volume['id']}")


async def test_an_image_of_an_encrypted_volume_is_not_there_before_its_key_is(stage):
    volume = await stage.volume(volume_type=await an_encrypted_type(stage))
    await has_key(stage, volume)
    await stage.provisioned(volume)
    body = {"os-volume_upload_image": {"image_name": "golden"}}
    answer = await stage.ask("POST", f"/volumes/{volume['id']}/action", body)
    assert answer.status_code == 202, answer.text
    assert await stage.application.images.find("golden", project_id=PROJECT) == []
    await has_key(stage, {"id": answer.json()["os-volume_upload_image"]["image_id"]}, "another")
    verbs = [r.event.verb for r in await stage.application.store.events(UUID(volume["id"]))]
    assert verbs[-2:] == ["upload_requested", "upload_key_made"]


async def test_from_3_64_a_backup_of_an_encrypted_volume_shows_the_key_that_it_has(stage):
    volume = await stage.volume(volume_type=await an_encrypted_type(stage))
    await has_key(stage, volume)
    await stage.provisioned(volume)
    answer = await stage.ask("POST", "/backups", {"backup": {"volume_id": volume["id"]}})
    assert answer.status_code == 202, answer.text
    path = f"/backups/{answer.json()['backup']['id']}"

    async def shown(mv: str) -> Any:
        found = (await stage.ask("GET", path, mv=mv)).json()["backup"]
        return found.get("encryption_key_id", "nothing")

    assert await shown("3.64") == "nothing"
    await has_key(stage, answer.json()["backup"], "another")
    assert [await shown(mv) for mv in ("3.63", "3.64")] == ["nothing", "another"]


async def test_an_encrypted_type_that_is_multiattach_makes_no_volumes(stage):
    id = await an_encrypted_type(stage)
    specs = {"extra_specs": {"multiattach": "<is> True"}}
    assert (await stage.ask("POST", f"/types/{id}/extra_specs", specs)).status_code == 200
    body = {"volume": {"size": 1, "volume_type": id}}
    assert "multiattach" in refused(await stage.ask("POST", "/volumes", body), 400)


@pytest.mark.parametrize(
    ("mv", "fields", "code"),
    [
        ("3.69", {}, 400),
        ("3.70", {}, 202),
        ("3.70", {"no_snapshots": True}, 400),
        ("3.71", {"no_snapshots": False}, 202),
    ],
)
async def test_an_encrypted_volume_is_transferred_from_3_70_with_its_snapshots(
    stage, mv, fields, code
):
    volume = await stage.volume(volume_type=await an_encrypted_type(stage))
    await has_key(stage, volume)
    await stage.provisioned(volume)
    body = {"transfer": {"volume_id": volume["id"], "name": "for you", **fields}}
    answer = await stage.ask("POST", "/volume-transfers", body, mv=mv)
    assert answer.status_code == code, answer.text
