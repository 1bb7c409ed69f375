"""Transfers over HTTP: what is answered, to whom, and in which microversion."""

import pytest

from services.api import rules
from tests.services.api.stage import OTHER, PROJECT, staged
from tests.services.api.test_http import refused

PATHS = ("/os-volume-transfer", "/volume-transfers")


async def an_offer(stage, path=PATHS[1], **fields):
    volume = await stage.available()
    body = {"transfer": {"volume_id": volume["id"], "name": "gift", **fields}}
    answer = await stage.ask("POST", path, body)
    assert answer.status_code == 202, answer.text
    return answer.json()["transfer"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_volume_changes_hands(stage, path):
    offer = await an_offer(stage, path)
    assert len(offer["auth_key"]) == 16 and offer["name"] == "gift"
    volume = f"/volumes/{offer['volume_id']}"
    assert (await stage.ask("GET", volume)).json()["volume"]["status"] == "awaiting-transfer"
    shown = (await stage.ask("GET", f"{path}/{offer['id']}")).json()["transfer"]
    assert shown == {key: value for key, value in offer.items() if key != "auth_key"}
    taken = await stage.ask(
        "POST", f"/v3/{OTHER}{path}/{offer['id']}/accept",
        {"accept": {"auth_key": offer["auth_key"]}},
    )  # fmt: skip
    assert taken.status_code == 202
    assert taken.json()["transfer"]["volume_id"] == offer["volume_id"]
    now = (await stage.ask("GET", f"/v3/{OTHER}{volume}")).json()["volume"]
    assert (now["os-vol-tenant-attr:tenant_id"], now["status"]) == (OTHER, "available")
    refused(await stage.ask("GET", f"{path}/{offer['id']}"), 404)


async def test_a_wrong_key_is_400(stage):
    offer = await an_offer(stage)
    path = f"/volume-transfers/{offer['id']}/accept"
    refused(await stage.ask("POST", path, {"accept": {"auth_key": "0" * 16}}), 400)


@pytest.mark.parametrize(
    ("mv", "path", "fields"),
    [
        ("3.0", PATHS[0], set()),
        ("3.55", PATHS[1], {"no_snapshots"}),
        ("3.57", PATHS[1],
         {"no_snapshots", "source_project_id", "destination_project_id", "accepted"}),
    ],
)  # fmt: skip
async def test_fields_come_with_their_microversion(stage, mv, path, fields):
    offer = await an_offer(stage)
    shown = (await stage.ask("GET", f"{path}/{offer['id']}", mv=mv)).json()["transfer"]
    assert shown.keys() == {"id", "created_at", "name", "volume_id", "links"} | fields


async def test_the_newer_path_is_unknown_before_its_microversion(stage):
    refused(await stage.ask("GET", "/volume-transfers", mv="3.54"), 404)
    assert (await stage.ask("GET", "/os-volume-transfer", mv="3.54")).status_code == 200


async def test_lists_are_oldest_first_and_in_pages_from_3_59(stage):
    offers = [(await an_offer(stage))["id"] for _ in range(3)]
    old = (await stage.ask("GET", "/os-volume-transfer?limit=1", mv="3.58")).json()
    assert [each["id"] for each in old["transfers"]] == offers
    new = (await stage.ask("GET", "/volume-transfers/detail?limit=2&sort=created_at:asc")).json()
    assert [each["id"] for each in new["transfers"]] == offers[:2]
    assert new["transfers_links"][0]["rel"] == "next"


async def test_others_do_not_see_it(stage, member):
    offer = await an_offer(stage)
    assert (await member.ask("GET", f"/volume-transfers/{offer['id']}")).status_code == 200
    listed = await member.ask("GET", f"/v3/{OTHER}/volume-transfers")
    assert listed.json()["transfers"] == [] or listed.status_code in (400, 403, 404)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 400),
        ({"transfer": {}}, 400),
        ({"transfer": {"volume_id": "no id"}}, 400),
        ({"transfer": {"volume_id": "00000000-0000-4000-0000-00000000dead"}}, 404),
        ({"transfer": {"volume_id": "00000000-0000-4000-0000-00000000dead", "x": 1}}, 400),
    ],
)
async def test_bad_offers(stage, body, code):
    refused(await stage.ask("POST", "/volume-transfers", body), code)


async def test_only_an_available_volume_can_be_offered_and_only_once(stage):
    creating = await stage.volume()
    refused(
        await stage.ask("POST", "/volume-transfers", {"transfer": {"volume_id": creating["id"]}}),
        400,
    )
    offer = await an_offer(stage)
    again = {"transfer": {"volume_id": offer["volume_id"]}}
    refused(await stage.ask("POST", "/volume-transfers", again), 400)
    refused(await stage.ask("DELETE", f"/volumes/{offer['volume_id']}"), 400)


async def test_what_is_withdrawn_is_available_again(stage):
    offer = await an_offer(stage)
    answer = await stage.ask("DELETE", f"/volume-transfers/{offer['id']}")
    assert (answer.status_code, answer.content) == (202, b"")
    shown = await stage.ask("GET", f"/volumes/{offer['volume_id']}")
    assert shown.json()["volume"]["status"] == "available"
    refused(await stage.ask("DELETE", f"/volume-transfers/{offer['id']}"), 404)


async def test_the_recipient_pays(stage):
    offer = await an_offer(stage)
    await stage.ask("PUT", f"/os-quota-sets/{OTHER}", {"quota_set": {"volumes": 0}})
    accept = {"accept": {"auth_key": offer["auth_key"]}}
    path = f"/v3/{OTHER}/volume-transfers/{offer['id']}/accept"
    refused(await stage.ask("POST", path, accept), 413)
    usage = (await stage.ask("GET", f"/os-quota-sets/{PROJECT}?usage=true")).json()["quota_set"]
    assert usage["volumes"]["in_use"] == 1


@pytest.mark.parametrize(
    ("rule", "method", "path"),
    [
        (rules.TRANSFER_GET, "GET", ""),
        (rules.TRANSFER_DELETE, "DELETE", ""),
        (rules.TRANSFER_ACCEPT, "POST", "/accept"),
    ],
)
async def test_each_rule_guards_its_request(stage, tmp_path, rule, method, path):
    offer = await an_offer(stage)
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{rule}": "!"\n')
    body = {"accept": {"auth_key": offer["auth_key"]}} if path else None
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        answer = await denied.ask(method, f"/volume-transfers/{offer['id']}{path}", body)
    assert rule in refused(answer, 403)
