"""Volumes: made, shown, changed, deleted; to whom and at which microversion."""

import pytest

from tests.services.api.stage import HOST, LIMITS, OTHER, PROJECT, USER
from tests.services.api.test_http import check_headers, refused

NOWHERE = "00000000-0000-4000-0000-00000000abcd"

BASIC = {
    "id", "name", "description", "status", "size", "availability_zone", "created_at", "updated_at",
    "volume_type", "user_id", "metadata", "links", "snapshot_id", "source_volid",
    "consistencygroup_id", "replication_status", "bootable", "encrypted", "multiattach",
    "attachments",
}  # fmt: skip
SINCE = {
    13: {"group_id"},
    48: {"shared_targets", "service_uuid"},
    63: {"volume_type_id"},
    65: {"consumes_quota"},
}
ADMIN_SINCE = {0: {"migration_status"}, 21: {"provider_id"}, 61: {"cluster_name"}}
OF_PROJECT = {"os-vol-tenant-attr:tenant_id"}
OF_ADMIN = {
    "os-vol-host-attr:host", "os-vol-mig-status-attr:migstat", "os-vol-mig-status-attr:name_id",
}  # fmt: skip


def fields(minor, *, admin, extended):
    found = set(BASIC)
    for table in (SINCE, ADMIN_SINCE) if admin else (SINCE,):
        for since, names in table.items():
            if minor >= since:
                found |= names
    if extended:
        found |= OF_PROJECT | (OF_ADMIN if admin else set())
    return found


async def test_a_new_volume_is_shown_as_it_was_asked_for(member):
    body = {"volume": {"size": 3, "name": " a ", "description": "d", "metadata": {"k": "v"}}}
    answer = await member.ask("POST", "/volumes", body)
    assert answer.status_code == 202
    check_headers(answer)
    volume = answer.json()["volume"]
    base = f"http://lapilli:8776/v3/{PROJECT}/volumes/{volume['id']}"
    expected = {
        "name": "a", "description": "d", "size": 3, "metadata": {"k": "v"}, "status": "creating",
        "availability_zone": "nova", "volume_type": "__DEFAULT__", "user_id": USER,
        "bootable": "false", "encrypted": False, "multiattach": False, "attachments": [],
        "snapshot_id": None, "source_volid": None, "consistencygroup_id": None, "group_id": None,
        "replication_status": None, "shared_targets": True, "service_uuid": None,
        "consumes_quota": True, "updated_at": None,
    }  # fmt: skip
    assert {name: volume[name] for name in expected} == expected
    assert volume["created_at"] == "2026-01-02T12:00:01.000000"
    assert volume["links"][0] == {"rel": "self", "href": base}
    assert volume["links"][1]["href"] == base.replace("/v3", "")


@pytest.mark.parametrize("minor", [0, 12, 13, 20, 21, 47, 48, 60, 61, 62, 63, 64, 65, 71])
@pytest.mark.parametrize("who", ["admin", "member"])
async def test_fields_follow_microversion_and_role(stage, member, minor, who):
    caller, admin, mv = stage if who == "admin" else member, who == "admin", f"3.{minor}"
    made = await caller.ask("POST", "/volumes", {"volume": {"size": 1}}, mv=mv)
    volume = made.json()["volume"]
    assert set(volume) == fields(minor, admin=admin, extended=False)
    shown = await caller.ask("GET", f"/volumes/{volume['id']}", mv=mv)
    assert set(shown.json()["volume"]) == fields(minor, admin=admin, extended=True)
    (listed,) = (await caller.ask("GET", "/volumes/detail", mv=mv)).json()["volumes"]
    assert set(listed) == fields(minor, admin=admin, extended=True)
    body = {"volume": {"name": "n"}}
    changed = await caller.ask("PUT", f"/volumes/{volume['id']}", body, mv=mv)
    assert set(changed.json()["volume"]) == fields(minor, admin=admin, extended=False)


async def test_an_administrator_sees_where_a_volume_is(stage):
    volume = await stage.available()
    shown = (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"]
    assert (shown["status"], shown["os-vol-host-attr:host"]) == ("available", HOST)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"name": "a", "display_name": "b"}, ("a", None)),
        ({"display_name": "b", "display_description": "c"}, ("b", "c")),
        ({"name": None, "description": None}, (None, None)),
        ({"name": ""}, ("", None)),
        ({"name": "x" * 255}, ("x" * 255, None)),
        ({"name": "\u706b\u5c71 \U0001f30b"}, ("\u706b\u5c71 \U0001f30b", None)),
    ],
)
async def test_names_have_two_spellings(stage, given, shown):
    volume = await stage.volume(**given)
    assert (volume["name"], volume["description"]) == shown


async def test_null_means_absent(stage):
    """As python-openstackclient sends what was not given."""
    absent = (
        "name", "description", "volume_type", "availability_zone", "snapshot_id", "source_volid",
        "backup_id", "group_id", "consistencygroup_id", "imageRef", "image_id", "metadata",
        "multiattach",
    )  # fmt: skip
    volume = await stage.volume(**dict.fromkeys(absent))
    assert (volume["availability_zone"], volume["volume_type"]) == ("nova", "__DEFAULT__")


async def test_unknown_fields_are_ignored_below_3_53(stage):
    body = {"volume": {"size": 1, "colour": "red"}}
    assert (await stage.ask("POST", "/volumes", body, mv="3.52")).status_code == 202
    refused(await stage.ask("POST", "/volumes", body, mv="3.53"), 400)


@pytest.mark.parametrize(("field", "since"), [("backup_id", "3.47"), ("group_id", "3.13")])
async def test_sources_are_ignored_before_their_microversion(stage, field, since):
    body = {"volume": {"size": 1, field: NOWHERE}}
    before = f"3.{int(since[2:]) - 1}"
    assert (await stage.ask("POST", "/volumes", body, mv=before)).status_code == 202
    refused(await stage.ask("POST", "/volumes", body, mv=since), 404)


async def test_a_type_may_be_named_by_id_or_name(stage):
    (volume_type,) = (await stage.ask("GET", "/types")).json()["volume_types"]
    for name in (volume_type["id"], volume_type["name"]):
        assert (await stage.volume(volume_type=name))["volume_type_id"] == volume_type["id"]


async def test_a_zone_may_be_chosen(stage):
    assert (await stage.volume(availability_zone="attic"))["availability_zone"] == "attic"


async def test_hints_are_taken_in_both_places(stage):
    hints = {"same_host": [NOWHERE]}
    for body in (
        {"volume": {"size": 1}, "OS-SCH-HNT:scheduler_hints": hints},
        {"volume": {"size": 1, "OS-SCH-HNT:scheduler_hints": hints}},
    ):
        assert (await stage.ask("POST", "/volumes", body)).status_code == 202


async def test_a_create_answers_even_when_the_lists_are_late(stage):
    await stage.ask("GET", "/types")
    stage.application.late = True
    volume = await stage.volume(name="early")
    assert (volume["name"], volume["status"]) == ("early", "creating")
    assert set(volume) == fields(71, admin=True, extended=False)


async def test_beyond_quota_is_413_and_leaves_no_volume(stage):
    body = {"volume": {"size": LIMITS["gigabytes"] + 1}}
    assert "gigabytes" in refused(await stage.ask("POST", "/volumes", body), 413)
    assert (await stage.ask("GET", "/volumes")).json() == {"volumes": []}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"volume": {"name": "n"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-force_delete": None}),
        ("GET", "/metadata", None),
        ("POST", "/metadata", {"metadata": {"k": "v"}}),
        ("PUT", "/metadata", {"metadata": {"k": "v"}}),
        ("GET", "/metadata/k", None),
        ("PUT", "/metadata/k", {"meta": {"k": "v"}}),
        ("DELETE", "/metadata/k", None),
        ("GET", "/encryption", None),
        ("GET", "/encryption/encryption_key_id", None),
    ],
)
async def test_what_cannot_be_seen_is_404_whatever_is_wanted(stage, member, method, path, body):
    theirs = await stage.volume(project=OTHER, metadata={"k": "v"})
    before = await stage.recorded()
    for id in (theirs["id"], NOWHERE, "nonsense", theirs["id"].replace("-", "")):
        refused(await member.ask(method, f"/volumes/{id}{path}", body), 404)
    assert await stage.recorded() == before


async def test_an_administrator_reaches_other_projects_volumes_by_id(stage):
    theirs = await stage.volume(project=OTHER)
    path = f"/volumes/{theirs['id']}"
    assert (await stage.ask("GET", path)).status_code == 200
    assert (await stage.ask("PUT", path, {"volume": {"name": "n"}})).status_code == 200
    assert (await stage.ask("DELETE", path)).status_code == 202


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "n"}, ("n", "d", {"k": "v"})),
        ({"description": None}, ("a", None, {"k": "v"})),
        ({"display_name": "n", "display_description": "e"}, ("n", "e", {"k": "v"})),
        ({"metadata": {"x": "y"}}, ("a", "d", {"x": "y"})),
        ({"metadata": {}}, ("a", "d", {})),
    ],
)
async def test_an_update_changes_what_it_names(stage, given, expected):
    volume = await stage.volume(name="a", description="d", metadata={"k": "v"})
    answer = await stage.ask("PUT", f"/volumes/{volume['id']}", {"volume": given})
    changed = answer.json()["volume"]
    assert answer.status_code == 200
    assert (changed["name"], changed["description"], changed["metadata"]) == expected


async def test_an_update_of_nothing_is_fine_below_3_53(stage):
    volume = await stage.volume(name="a")
    path = f"/volumes/{volume['id']}"
    answer = await stage.ask("PUT", path, {"volume": {}}, mv="3.52")
    assert (answer.status_code, answer.json()["volume"]["name"]) == (200, "a")


async def test_a_volume_that_a_backend_holds_is_deleted_by_it(stage):
    volume = await stage.available()
    answer = await stage.ask("DELETE", f"/volumes/{volume['id']}?cascade=False&force=False")
    assert (answer.status_code, answer.content) == (202, b"")
    shown = await stage.ask("GET", f"/volumes/{volume['id']}")
    assert shown.json()["volume"]["status"] == "deleting"
    await stage.finish_deletion(volume["id"])
    refused(await stage.ask("GET", f"/volumes/{volume['id']}"), 404)


async def test_a_volume_in_the_wrong_status_is_not_deleted_unless_forced(stage):
    volume = await stage.available()
    path = f"/volumes/{volume['id']}"
    await stage.ask("DELETE", path)
    assert "deleting" in refused(await stage.ask("DELETE", path), 400)
    assert (await stage.ask("DELETE", f"{path}?force=true")).status_code == 202


@pytest.mark.parametrize(
    ("mv", "query", "status"),
    [
        ("3.22", "?force=true", 202),
        ("3.23", "?force=true", 403),
        ("3.71", "?force=false", 202),
        ("3.71", "?cascade=1", 202),
        ("3.71", "?cascade=perhaps", 400),
        ("3.71", "?force=perhaps", 400),
    ],
)
async def test_only_administrators_force_a_deletion_and_from_3_23(member, mv, query, status):
    volume = await member.available()
    answer = await member.ask("DELETE", f"/volumes/{volume['id']}{query}", mv=mv)
    assert answer.status_code == status


async def test_force_delete_is_an_action_of_administrators(stage, member):
    volume = await stage.available()
    path, body = f"/volumes/{volume['id']}/action", {"os-force_delete": None}
    refused(await member.ask("POST", path, body), 403)
    assert (await stage.ask("POST", path, body)).status_code == 202
