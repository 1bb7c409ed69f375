"""/snapshots: made, listed, shown, changed, deleted, with their volume or without it."""

from typing import Any

import pytest

from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.service import FreezeBackend
from tests.services.api.stage import BACKEND, PROJECT, staged
from tests.services.api.test_http import refused

NOWHERE = "00000000-0000-4000-0000-00000000abcd"
BASE = {
    "id", "name", "description", "volume_id", "status", "size", "created_at", "updated_at",
    "metadata",
}  # fmt: skip
EXTENDED = {
    "os-extended-snapshot-attributes:project_id",
    "os-extended-snapshot-attributes:progress",
}


async def shown(stage, id, mv="3.71") -> dict[str, Any]:
    return dict((await stage.ask("GET", f"/snapshots/{id}", mv=mv)).json()["snapshot"])


async def ids(stage, query, mv="3.71") -> list[str]:
    answer = await stage.ask("GET", f"/snapshots{query}", mv=mv)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["snapshots"]]


async def test_one_is_accepted_made_and_shown(stage):
    volume = await stage.available(size=2)
    accepted = await stage.snapshot(of=volume["id"], name="before", metadata={"k": "v"})
    assert accepted.keys() == BASE | {"group_snapshot_id", "user_id", "consumes_quota"}
    assert (accepted["status"], accepted["size"], accepted["volume_id"]) == (
        "creating", 2, volume["id"],
    )  # fmt: skip
    made = await stage.taken(of=volume["id"])
    assert made.keys() == accepted.keys() | EXTENDED
    assert (made["status"], made["os-extended-snapshot-attributes:progress"]) == (
        "available", "100%",
    )  # fmt: skip
    waiting = await shown(stage, accepted["id"])
    assert waiting["os-extended-snapshot-attributes:progress"] == "0%"
    assert waiting["os-extended-snapshot-attributes:project_id"] == PROJECT


@pytest.mark.parametrize(
    ("mv", "more"),
    [
        ("3.13", set()),
        ("3.14", {"group_snapshot_id"}),
        ("3.41", {"group_snapshot_id", "user_id"}),
        ("3.65", {"group_snapshot_id", "user_id", "consumes_quota"}),
    ],
)
async def test_each_field_is_there_from_its_microversion(stage, mv, more):
    made = await stage.snapshot()
    assert (await shown(stage, made["id"], mv)).keys() == BASE | EXTENDED | more


async def test_only_detailed_lists_tell_how_far_they_are(stage):
    await stage.snapshot()
    [brief] = (await stage.ask("GET", "/snapshots")).json()["snapshots"]
    [full] = (await stage.ask("GET", "/snapshots/detail")).json()["snapshots"]
    assert full.keys() - brief.keys() == EXTENDED


@pytest.mark.parametrize(
    ("mv", "force", "code"),
    [
        ("3.65", None, 400),
        ("3.65", False, 400),
        ("3.65", True, 202),
        ("3.66", None, 202),
        ("3.66", True, 202),
        ("3.66", False, 400),
    ],
)
async def test_of_a_volume_in_use_by_force_and_from_3_66_always(stage, mv, force, code):
    volume = await stage.available()
    attached = {"os-attach": {"host_name": "n", "mountpoint": "/dev/vdb"}}
    assert (await stage.ask("POST", f"/volumes/{volume['id']}/action", attached)).is_success
    wish = {"volume_id": volume["id"]} | ({} if force is None else {"force": force})
    answer = await stage.ask("POST", "/snapshots", {"snapshot": wish}, mv=mv)
    assert answer.status_code == code, answer.text


@pytest.fixture
async def three(stage):
    """Of one volume, and one of another."""
    volume = await stage.available()
    for name, words in (("a", {"k": "1"}), ("b", {"k": "2"})):
        await stage.snapshot(of=volume["id"], name=name, metadata=words)
    await stage.taken(name="c")
    return volume["id"]


LISTS = [
    ("", ["c", "b", "a"]),
    ("?limit=1", ["c"]),
    ("?volume_id={volume}", ["b", "a"]),
    ("?status=available", ["c"]),
    ("?name=b", ["b"]),
    ("?name~=B", ["b"]),
    ("?metadata={{'k':'2'}}", ["b"]),
    ("?availability_zone=nova&sort=name:asc", ["a", "b", "c"]),
    ("?sort=size,name", ["c", "b", "a"]),
    ("?consumes_quota=false", []),
    ("?group_snapshot_id=None", ["c", "b", "a"]),
    ("?no_such_column=1", []),
    ("?size=2", ["c"]),
]


@pytest.mark.parametrize(("query", "found"), LISTS)
async def test_lists_are_filtered_and_sorted(stage, three, query, found):
    assert await ids(stage, query.format(volume=three)) == found


async def test_a_page_has_a_link_to_the_next_and_a_count(stage, three):
    answer = (await stage.ask("GET", "/snapshots?limit=2&with_count=true")).json()
    assert (len(answer["snapshots"]), answer["count"]) == (2, 3)
    marker = answer["snapshots"][-1]["id"]
    assert marker in answer["snapshots_links"][0]["href"]
    assert await ids(stage, f"?limit=2&marker={marker}") == ["a"]


@pytest.mark.parametrize(
    ("mv", "query", "code"),
    [
        ("3.71", "?marker=" + NOWHERE, 404),
        ("3.71", "?sort=host", 400),
        ("3.29", "?sort_key=name", 400),
        ("3.71", "?metadata=x", 400),
    ],
)
async def test_lists_that_make_no_sense_are_refused(stage, mv, query, code):
    refused(await stage.ask("GET", f"/snapshots{query}", mv=mv), code)


async def test_metadata_is_no_filter_before_3_22(stage, three):
    assert await ids(stage, "?metadata={'k':'2'}", mv="3.21") == ["c", "b", "a"]


async def test_words_change(stage):
    made = await stage.snapshot(name="old", description="d")
    path = f"/snapshots/{made['id']}"
    answer = await stage.ask("PUT", path, {"snapshot": {"name": "new"}})
    assert answer.status_code == 200
    assert answer.json()["snapshot"].items() >= {"name": "new", "description": "d"}.items()
    refused(await stage.ask("PUT", path, {"snapshot": {}}), 400)
    refused(await stage.ask("PUT", path, {"snapshot": {"size": 3}}), 400)


async def test_metadata_is_read_added_replaced_and_removed_without_etags(stage):
    made = await stage.snapshot(metadata={"a": "1"})
    path = f"/snapshots/{made['id']}/metadata"
    assert (await stage.ask("POST", path, {"metadata": {"b": "2"}})).json() == {
        "metadata": {"a": "1", "b": "2"}
    }
    assert (await stage.ask("PUT", f"{path}/a", {"meta": {"a": "0"}})).json() == {
        "meta": {"a": "0"}
    }
    assert (await stage.ask("DELETE", f"{path}/b")).status_code == 200
    answer = await stage.ask("GET", path)
    assert answer.json() == {"metadata": {"a": "0"}} and "etag" not in answer.headers
    anyway = {"If-Match": "something else"}
    body = {"metadata": {"c": "3"}}
    assert (await stage.ask("PUT", path, body, headers=anyway)).json() == body
    assert "snapshot_metadata" not in refused(await stage.ask("GET", f"{path}/z"), 404)


async def test_it_is_deleted_and_gone_when_its_backend_is_done(stage):
    made = await stage.taken()
    assert (await stage.ask("DELETE", f"/snapshots/{made['id']}")).status_code == 202
    assert (await shown(stage, made["id"]))["status"] == "deleting"
    await stage.application.backend_works()
    refused(await stage.ask("GET", f"/snapshots/{made['id']}"), 404)


async def test_a_volume_goes_with_its_snapshots_or_not_at_all(stage):
    made = await stage.taken()
    path = f"/volumes/{made['volume_id']}"
    assert made["id"] in refused(await stage.ask("DELETE", path), 400)
    assert (await stage.ask("DELETE", f"{path}?cascade=true")).status_code == 202
    assert (await stage.ask("GET", path)).json()["volume"]["status"] == "deleting"
    await stage.application.backend_works()
    refused(await stage.ask("GET", f"/snapshots/{made['id']}"), 404)
    await stage.finish_deletion(made["volume_id"])
    refused(await stage.ask("GET", path), 404)
    assert (await stage.application.usage(PROJECT))["snapshots"].consumed == 0


async def test_quota_refuses_it_and_limits_show_it(stage):
    made = await stage.taken()
    absolute = (await stage.ask("GET", "/limits")).json()["limits"]["absolute"]
    assert (absolute["totalSnapshotsUsed"], absolute["totalGigabytesUsed"]) == (1, 4)
    at = stage.application.moment()
    limits = ChangeQuotaLimits(subject=PROJECT, limits={"snapshots": 1}, at=at)
    await stage.application.execute(limits)
    body = {"snapshot": {"volume_id": made["volume_id"]}}
    said = refused(await stage.ask("POST", "/snapshots", body), 413)
    assert "Maximum number of snapshots allowed (1)" in said


# refusals


ACTIONS = [
    ("os-reset_status", {"status": "error"}, 202),
    ("os-reset_status", {"status": "creating"}, 400),
    ("os-reset_status", {"status": "available"}, 400),  # nobody knows that a backend has it
    ("os-reset_status", {}, 400),
    ("os-force_delete", None, 202),
    ("os-update_snapshot_status", {"status": "creating", "progress": "50%"}, 202),
    ("os-update_snapshot_status", {"status": "creating", "progress": "150%"}, 400),
    ("os-update_snapshot_status", {"status": "available"}, 202),
    ("os-update_snapshot_status", {"status": "deleting"}, 400),
    ("os-update_snapshot_status", {"status": "error_deleting"}, 400),
    ("os-unmanage", None, 400),
]


@pytest.mark.parametrize(("action", "arguments", "code"), ACTIONS)
async def test_what_can_be_done_to_one_that_is_being_made(stage, action, arguments, code):
    made, before = await stage.snapshot(), await stage.recorded()
    answer = await stage.ask("POST", f"/snapshots/{made['id']}/action", {action: arguments})
    assert answer.status_code == code, answer.text
    if code == 400 or action == "os-update_snapshot_status":
        assert await stage.recorded() == before


BAD = [
    ({"volume_id": NOWHERE}, 404),
    ({"volume_id": "x"}, 400),
    ({}, 400),
    ({"volume_id": "{id}", "name": "x" * 256}, 400),
    ({"volume_id": "{id}", "metadata": {"": "v"}}, 400),
    ({"volume_id": "{id}", "metadata": {"k": 1}}, 400),
    ({"volume_id": "{id}", "force": "perhaps"}, 400),
    ({"volume_id": "{id}", "size": 1}, 400),
]


@pytest.mark.parametrize(("wish", "code"), BAD)
async def test_a_wish_that_makes_no_sense_is_refused_and_changes_nothing(stage, wish, code):
    volume = await stage.available()
    if wish.get("volume_id") == "{id}":
        wish = {**wish, "volume_id": volume["id"]}
    before = await stage.recorded()
    refused(await stage.ask("POST", "/snapshots", {"snapshot": wish}), code)
    assert await stage.recorded() == before


async def test_on_a_frozen_backend_nothing_is_made_or_deleted(stage):
    made = await stage.taken()
    at = stage.application.moment()
    await stage.application.execute(FreezeBackend(host=BACKEND, at=at))
    body = {"snapshot": {"volume_id": made["volume_id"]}}
    assert "frozen" in refused(await stage.ask("POST", "/snapshots", body), 400)
    assert "frozen" in refused(await stage.ask("DELETE", f"/snapshots/{made['id']}"), 400)


async def test_a_volume_being_made_has_no_snapshots(stage):
    volume = await stage.volume()
    body = {"snapshot": {"volume_id": volume["id"]}}
    said = refused(await stage.ask("POST", "/snapshots", body), 400)
    assert "available or in-use" in said


async def test_another_project_s_are_not_there(stage, tmp_path):
    made = await stage.taken()
    async with staged(tmp_path, roles=("member",), application=stage.application) as theirs:
        other = "/v3/fedcba9876543210fedcba9876543210"
        for path in (f"{other}/snapshots/{made['id']}", f"{other}/snapshots/x"):
            refused(await theirs.ask("GET", path), 404)
        assert (await theirs.ask("GET", f"{other}/snapshots")).json() == {"snapshots": []}
        body = {"snapshot": {"volume_id": made["volume_id"]}}
        refused(await theirs.ask("POST", f"{other}/snapshots", body), 404)


async def test_it_is_shown_as_requested_when_the_read_models_are_late(stage):
    volume = await stage.available()
    stage.application.late = True
    accepted = await stage.snapshot(of=volume["id"], name="early")
    assert (accepted["name"], accepted["status"]) == ("early", "creating")
