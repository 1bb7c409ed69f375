"""What surrounds volumes: quotas, limits, types, services, pools, zones, extensions, projects."""

import pytest

from domain.aggregates.volume_type import VolumeType
from domain.errors import LimitBelowUsage
from tests.services.api.stage import HOST, LIMITS, OTHER, PROJECT
from tests.services.api.test_http import refused

TYPED = {f"{name}___DEFAULT__": -1 for name in ("volumes", "snapshots", "gigabytes")}


async def test_limits_of_a_project_begin_as_the_defaults(stage):
    for path in (f"/os-quota-sets/{OTHER}", f"/os-quota-sets/{OTHER}/defaults"):
        answer = await stage.ask("GET", path)
        assert answer.json() == {"quota_set": {"id": OTHER, **LIMITS, **TYPED}}


async def test_usage_stands_beside_the_limit(stage):
    await stage.volume(size=2)
    await stage.available(size=3)
    answer = await stage.ask("GET", f"/os-quota-sets/{PROJECT}?usage=True")
    shown = answer.json()["quota_set"]
    assert shown["gigabytes"] == {"limit": 1000, "in_use": 3, "reserved": 2}
    assert shown["gigabytes___DEFAULT__"] == {"limit": -1, "in_use": 3, "reserved": 2}
    assert shown["volumes"] == {"limit": 10, "in_use": 1, "reserved": 1}
    assert shown["backups"] == {"limit": 10, "in_use": 0, "reserved": 0}


async def test_limits_are_set_bind_and_are_reset(stage):
    path = f"/os-quota-sets/{PROJECT}"
    body = {"quota_set": {"tenant_id": PROJECT, "volumes": 1, "volumes___DEFAULT__": 5}}
    answer = await stage.ask("PUT", path, body)
    assert answer.status_code == 200
    expected = {**LIMITS, **TYPED, "volumes": 1, "volumes___DEFAULT__": 5}
    assert answer.json() == {"quota_set": expected}
    await stage.volume()
    refused(await stage.ask("POST", "/volumes", {"volume": {"size": 1}}), 413)
    deleted = await stage.ask("DELETE", path)
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert (await stage.ask("GET", path)).json()["quota_set"]["volumes"] == 10
    await stage.volume()


async def test_a_limit_below_what_is_used_is_refused(stage):
    await stage.volume(size=5)
    body = {"quota_set": {"gigabytes": 4}}
    before = await stage.recorded()
    message = refused(await stage.ask("PUT", f"/os-quota-sets/{PROJECT}", body), 400)
    assert message == str(LimitBelowUsage(resource="gigabytes", limit=4, consumed=5))
    assert await stage.recorded() == before


async def test_a_member_sees_the_own_quota_only_and_changes_none(member):
    assert (await member.ask("GET", f"/os-quota-sets/{PROJECT}")).status_code == 200
    refused(await member.ask("GET", f"/os-quota-sets/{OTHER}"), 403)
    body = {"quota_set": {"volumes": 99}}
    refused(await member.ask("PUT", f"/os-quota-sets/{PROJECT}", body), 403)
    refused(await member.ask("DELETE", f"/os-quota-sets/{PROJECT}"), 403)


@pytest.mark.parametrize("project", ["%00", "x" * 256])
async def test_the_quota_of_no_project_is_400(stage, project):
    refused(await stage.ask("GET", f"/os-quota-sets/{project}"), 400)


async def test_limits_tell_maxima_and_usage(stage, member):
    await stage.volume(size=2)
    absolute = (await member.ask("GET", "/limits")).json()["limits"]["absolute"]
    assert absolute == {
        "maxTotalVolumes": 10,
        "maxTotalSnapshots": 10,
        "maxTotalVolumeGigabytes": 1000,
        "maxTotalBackups": 10,
        "maxTotalBackupGigabytes": 1000,
        "totalVolumesUsed": 1,
        "totalSnapshotsUsed": 0,
        "totalGigabytesUsed": 2,
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    }


@pytest.mark.parametrize(
    ("who", "mv", "used"), [("admin", "3.39", 0), ("admin", "3.38", 1), ("member", "3.39", 1)]
)
async def test_administrators_see_limits_of_others_from_3_39(stage, member, who, mv, used):
    await stage.volume()
    caller = stage if who == "admin" else member
    answer = await caller.ask("GET", f"/limits?project_id={OTHER}", mv=mv)
    assert answer.json()["limits"]["absolute"]["totalVolumesUsed"] == used


async def test_types_show_what_the_caller_may_see(stage, member):
    (full,) = (await stage.ask("GET", "/types")).json()["volume_types"]
    (plain,) = (await member.ask("GET", "/types")).json()["volume_types"]
    assert full.keys() - plain.keys() == {"qos_specs_id"}
    assert (full["name"], full["is_public"]) == ("__DEFAULT__", True)
    assert (full["extra_specs"], full["os-volume-type-access:is_public"]) == ({}, True)
    for id in (full["id"], "default", "__DEFAULT__"):
        assert (await stage.ask("GET", f"/types/{id}")).json() == {"volume_type": full}
    refused(await stage.ask("GET", "/types/nothing"), 404)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?is_public=true", 1),
        ("?is_public=none", 1),
        ("?is_public=None", 1),
        ("?is_public=false", 0),
        ("?extra_specs={'a':'b'}", 0),
        ("?limit=0", 0),
        ("?sort=name:asc&limit=1", 1),
    ],
)
async def test_types_can_be_filtered(stage, query, found):
    page = (await stage.ask("GET", f"/types{query}")).json()
    assert len(page["volume_types"]) == found
    assert ("volume_type_links" in page) is query.endswith("limit=1")


async def test_services_are_listed_for_administrators(stage, member):
    refused(await member.ask("GET", "/os-services"), 403)
    services = (await stage.ask("GET", "/os-services")).json()["services"]
    assert [(each["binary"], each["state"], each["status"]) for each in services] == [
        ("cinder-scheduler", "up", "enabled"),
        ("cinder-volume", "up", "enabled"),
        ("cinder-volume", "down", "enabled"),
        ("cinder-backup", "up", "enabled"),
    ]
    assert services[1]["backend_state"] == "up"
    assert services[1]["updated_at"] == "2026-01-02T12:00:00.000000"
    assert "backend_state" not in services[0]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?binary=cinder-volume", 2),
        ("?host=host1", 3),
        ("?host=host1@files", 1),
        ("?host=host", 0),
        ("?host=host2&binary=cinder-volume", 1),
    ],
)
async def test_services_can_be_filtered(stage, query, found):
    assert len((await stage.ask("GET", f"/os-services{query}")).json()["services"]) == found


@pytest.mark.parametrize(("mv", "field", "there"), [
    ("3.6", "cluster", False), ("3.7", "cluster", True),
    ("3.48", "backend_state", False), ("3.49", "backend_state", True),
])  # fmt: skip
async def test_fields_of_services_follow_the_microversion(stage, mv, field, there):
    answer = await stage.ask("GET", "/os-services?binary=cinder-volume", mv=mv)
    assert (field in answer.json()["services"][0]) is there


@pytest.mark.parametrize(
    ("query", "mv", "names"),
    [
        ("", "3.71", [HOST]),
        ("?name=host1@files%23files", "3.71", [HOST]),
        ("?name=other", "3.71", []),
        ("?name=other", "3.27", [HOST]),
        ("?volume_backend_name=files", "3.28", [HOST]),
        ("?volume_backend_name=other", "3.28", []),
        ("?volume_type=__DEFAULT__", "3.35", [HOST]),
    ],
)
async def test_pools_are_listed_for_administrators(stage, member, query, mv, names):
    refused(await member.ask("GET", f"/scheduler-stats/get_pools{query}", mv=mv), 403)
    answer = await stage.ask("GET", f"/scheduler-stats/get_pools{query}", mv=mv)
    assert answer.json() == {"pools": [{"name": name} for name in names]}


async def test_pools_tell_capabilities_when_asked(stage):
    answer = await stage.ask("GET", "/scheduler-stats/get_pools?detail=True")
    (pool,) = answer.json()["pools"]
    assert pool["capabilities"]["total_capacity_gb"] == 10.0
    assert pool["capabilities"]["timestamp"] == "2026-01-02T12:00:00.000000"
    refused(await stage.ask("GET", "/scheduler-stats/get_pools?detail=perhaps"), 400)
    refused(await stage.ask("GET", "/scheduler-stats/get_pools?volume_type=none"), 404)


async def test_zones_are_for_everybody(member):
    zones = (await member.ask("GET", "/os-availability-zone")).json()["availabilityZoneInfo"]
    assert zones == [
        {"zoneName": "attic", "zoneState": {"available": True}},
        {"zoneName": "nova", "zoneState": {"available": True}},
    ]


async def test_extensions_can_be_probed(member):
    extensions = (await member.ask("GET", "/extensions")).json()["extensions"]
    assert all(each.keys() >= {"name", "alias", "description", "updated", "links"}
               for each in extensions)  # fmt: skip
    one = await member.ask("GET", "/extensions/os-quota-sets")
    assert one.json()["extension"]["name"] == "Quotas"
    refused(await member.ask("GET", "/extensions/nothing"), 404)


async def test_the_filters_that_everybody_may_use_are_told(member):
    listed = (await member.ask("GET", "/resource_filters")).json()["resource_filters"]
    assert {each["resource"] for each in listed} == {
        "volume",
        "snapshot",
        "backup",
        "message",
        "attachment",
        "pool",
        "volume_type",
    }
    (one,) = (await member.ask("GET", "/resource_filters?resource=volume")).json()[
        "resource_filters"
    ]
    assert "consumes_quota" in one["filters"]


async def test_clients_find_projects_where_there_is_no_identity_service(stage, member):
    project = {"id": OTHER, "name": OTHER, "domain_id": "default", "enabled": True}
    assert (await stage.ask("GET", f"/projects/{OTHER}")).json() == {"project": project}
    refused(await member.ask("GET", f"/projects/{OTHER}"), 404)
    assert (await member.ask("GET", f"/projects/{PROJECT}")).status_code == 200
    assert (await member.ask("GET", "/projects?name=x")).json() == {"projects": []}


async def test_private_types_and_sensitive_specs_are_for_administrators(stage, member):
    application = stage.application
    specs = {"multiattach": "<is> False", "volume_backend_name": "secret"}
    private, public = (
        VolumeType.create(
            application.new_id(),
            name=name,
            description=None,
            is_public=name == "public",
            extra_specs=specs,
            at=application.moment(),
        )
        for name in ("private", "public")
    )
    await application.commands.aggregates.write(private, public)
    await application.runner.catch_up()
    seen = (await stage.ask("GET", "/types/public")).json()["volume_type"]
    assert seen["extra_specs"] == specs
    seen = (await member.ask("GET", "/types/public")).json()["volume_type"]
    assert seen["extra_specs"] == {"multiattach": "<is> False"}
    assert (await stage.ask("GET", f"/types/{private.id}")).status_code == 200
    refused(await member.ask("GET", f"/types/{private.id}"), 404)
    body = {"volume": {"size": 1, "volume_type": "private"}}
    refused(await member.ask("POST", "/volumes", body), 404)
    for caller, query, found in (
        (stage, "", 2),
        (stage, "?is_public=none", 3),
        (member, "?is_public=none", 2),
    ):
        assert len((await caller.ask("GET", f"/types{query}")).json()["volume_types"]) == found
