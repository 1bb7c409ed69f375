"""os-retype, os-migrate_volume and its completion: accepted, refused, and shown while they last."""

from typing import Any
from uuid import UUID

import pytest

from domain.placement import Pool
from services.commands.move import FinishMove, PlaceMove, RecordCopied, StartMove
from tests.services.api.stage import HOST, OTHER, PROJECT, Stage
from tests.services.api.test_http import refused

BESIDE = "host1@files#more"


async def act(stage: Stage, volume: Any, name: str, given: Any, **more: Any) -> Any:
    return await stage.ask("POST", f"/volumes/{volume['id']}/action", {name: given}, **more)


async def a_type(stage: Stage, name: str = "silver", **fields: Any) -> str:
    answer = await stage.ask("POST", "/types", {"volume_type": {"name": name, **fields}})
    assert answer.status_code == 200, answer.text
    id: str = answer.json()["volume_type"]["id"]
    return id


async def shown(stage: Stage, volume: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"]
    return found


class Work:
    """What placement and backends do about the only move there is."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._run, self._at = stage.application.execute, stage.application.moment

    async def id(self) -> UUID:
        log = await self._stage.application.store.log(0, 1_000)
        return [r.aggregate_id for r in log if r.event.kind == "move"][-1]

    async def place(self, *hosts: str) -> None:
        pools = [
            Pool(
                name=host,
                zone="nova",
                total_gib=100,
                free_gib=100,
                provisioned_gib=0,
                allocated_gib=0,
                reserved_percentage=0,
                over_subscription_ratio=1,
                thin=False,
            )
            for host in hosts
        ]
        await self._run(PlaceMove(id=await self.id(), pools=pools, at=self._at()))

    async def start(self, host: str) -> None:
        await self._run(StartMove(id=await self.id(), host=host, worker="w", at=self._at()))

    async def copied(self) -> None:
        await self._run(RecordCopied(id=await self.id(), attempt=1, at=self._at()))

    async def finish(self, failure: str | None = None) -> None:
        command = FinishMove(id=await self.id(), attempt=1, failure=failure, at=self._at())
        await self._run(command)


@pytest.mark.parametrize("by", ["name", "id"])
@pytest.mark.parametrize("policy", [{}, {"migration_policy": "never"}, {"migration_policy": None}])
async def test_a_retype_is_accepted_and_the_type_is_the_old_one_until_it_has_happened(
    stage, by, policy
):
    id = await a_type(stage)
    volume, work = await stage.available(), Work(stage)
    wanted = {"new_type": id if by == "id" else "silver", **policy}
    answer = await act(stage, volume, "os-retype", wanted)
    assert (answer.status_code, answer.content) == (202, b"")
    seen = await shown(stage, volume)
    assert (seen["status"], seen["volume_type"]) == ("retyping", "__DEFAULT__")
    usage = (await stage.ask("GET", f"/os-quota-sets/{PROJECT}?usage=true")).json()["quota_set"]
    assert usage["volumes_silver"]["reserved"] == 1
    assert usage["volumes___DEFAULT__"]["in_use"] == 1
    await work.place(HOST)
    await work.start(HOST)
    await work.finish()
    seen = await shown(stage, volume)
    assert (seen["status"], seen["volume_type"]) == ("available", "silver")
    assert seen["volume_type_id"] == id
    assert seen["migration_status"] is None
    usage = (await stage.ask("GET", f"/os-quota-sets/{PROJECT}?usage=true")).json()["quota_set"]
    assert (usage["volumes_silver"]["in_use"], usage["volumes_silver"]["reserved"]) == (1, 0)
    assert usage["volumes___DEFAULT__"]["in_use"] == 0


BAD_RETYPES = [
    ({"new_type": "no such type"}, 404),
    ({"new_type": "__DEFAULT__"}, 400),
    ({"new_type": "large"}, 400),
    ({}, 400),
    ({"new_type": None}, 400),
    ({"new_type": ""}, 400),
    ({"new_type": "x" * 256}, 400),
    ({"new_type": 7}, 400),
    ({"new_type": "silver", "migration_policy": "always"}, 400),
    ({"new_type": "silver", "colour": "red"}, 400),
    ("silver", 400),
    (None, 400),
]


@pytest.mark.parametrize(("wanted", "code"), BAD_RETYPES)
async def test_a_retype_that_makes_no_sense_is_refused_and_changes_nothing(stage, wanted, code):
    await a_type(stage)
    await a_type(stage, "large", extra_specs={"provisioning:min_vol_size": "5"})
    volume = await stage.available()
    before = await stage.recorded()
    refused(await act(stage, volume, "os-retype", wanted), code)
    assert await stage.recorded() == before


async def test_only_one_that_is_well_and_on_which_nothing_is_under_way_can_be_retyped(stage):
    await a_type(stage)
    creating = await stage.volume()
    refused(await act(stage, creating, "os-retype", {"new_type": "silver"}), 400)
    busy = await stage.available()
    assert (await act(stage, busy, "os-retype", {"new_type": "silver"})).status_code == 202
    said = refused(await act(stage, busy, "os-retype", {"new_type": "silver"}), 400)
    assert "retyping" in said
    refused(await act(stage, busy, "os-migrate_volume", {"host": "host1@files"}), 400)
    refused(await act(stage, busy, "os-extend", {"new_size": 5}), 400)
    refused(await stage.ask("DELETE", f"/volumes/{busy['id']}"), 400)


async def test_a_retype_beyond_the_type_s_quota_is_413_and_the_volume_is_as_it_was(stage):
    await a_type(stage)
    body = {"quota_set": {"volumes_silver": 0}}
    assert (await stage.ask("PUT", f"/os-quota-sets/{PROJECT}", body)).status_code == 200
    volume = await stage.available()
    said = refused(await act(stage, volume, "os-retype", {"new_type": "silver"}), 413)
    assert "volumes_silver" in said
    assert (await shown(stage, volume))["status"] == "available"


async def test_what_cannot_be_seen_is_404(stage, member):
    await a_type(stage)
    theirs = await stage.volume(project=OTHER)
    refused(await act(member, theirs, "os-retype", {"new_type": "silver"}), 404)
    mine = await stage.available()
    await a_type(stage, "secret", **{"os-volume-type-access:is_public": False})
    refused(await act(member, mine, "os-retype", {"new_type": "secret"}), 404)


# migrations


async def test_a_migration_shows_how_it_stands_and_where_it_led(stage):
    volume, work = await stage.available(), Work(stage)
    answer = await act(stage, volume, "os-migrate_volume", {"host": BESIDE})
    assert (answer.status_code, answer.content) == (202, b"")

    async def stands() -> tuple[str, str, str]:
        seen = await shown(stage, volume)
        assert seen["os-vol-mig-status-attr:migstat"] == seen["migration_status"]
        assert seen["os-vol-mig-status-attr:name_id"] is None
        return seen["status"], seen["migration_status"], seen["os-vol-host-attr:host"]

    assert await stands() == ("available", "starting", HOST)
    await work.place(HOST, BESIDE)
    await work.start(BESIDE)
    assert await stands() == ("available", "migrating", HOST)
    await work.copied()
    assert await stands() == ("available", "completing", HOST)
    await work.finish()
    assert await stands() == ("available", "success", BESIDE)
    for wanted, count in (("success", 1), ("error", 0), ("None", 0)):
        listed = await stage.ask("GET", f"/volumes?migration_status={wanted}")
        assert len(listed.json()["volumes"]) == count


async def test_one_that_is_locked_is_under_maintenance_until_it_failed(stage):
    volume, work = await stage.available(), Work(stage)
    wanted = {"host": BESIDE, "lock_volume": "True", "force_host_copy": True}
    assert (await act(stage, volume, "os-migrate_volume", wanted)).status_code == 202
    assert (await shown(stage, volume))["status"] == "maintenance"
    await work.place(BESIDE)
    await work.start(BESIDE)
    await work.finish("the shelf is full")
    seen = await shown(stage, volume)
    assert (seen["status"], seen["migration_status"]) == ("available", "error")
    assert seen["os-vol-host-attr:host"] == HOST


async def test_only_administrators_see_how_a_migration_stands(stage, member):
    volume = await stage.available()
    await act(stage, volume, "os-migrate_volume", {"host": BESIDE})
    seen = await shown(member, volume)
    assert "migration_status" not in seen
    assert "os-vol-mig-status-attr:migstat" not in seen


BAD_MIGRATIONS = [
    ({"host": HOST}, "already"),
    ({"host": "host2@far#p"}, "no backend 'host2@far' that is up"),
    ({"host": "nowhere"}, "no backend 'nowhere'"),
    ({"host": "host1"}, "no backend 'host1'"),
    ({}, "must be named"),
    ({"host": None}, "must be named"),
    ({"cluster": "c"}, "no clusters"),
    ({"host": BESIDE, "cluster": "c"}, "no clusters"),
    ({"host": ""}, "host"),
    ({"host": "x" * 256}, "host"),
    ({"host": 7}, "host"),
    ({"host": BESIDE, "lock_volume": "maybe"}, "lock_volume"),
    ({"host": BESIDE, "force_host_copy": 7}, "force_host_copy"),
    ({"host": BESIDE, "colour": "red"}, "colour"),
    (None, "os-migrate_volume"),
]


@pytest.mark.parametrize(("wanted", "said"), BAD_MIGRATIONS)
async def test_a_migration_that_makes_no_sense_is_400_and_changes_nothing(stage, wanted, said):
    volume = await stage.available()
    before = await stage.recorded()
    assert said in refused(await act(stage, volume, "os-migrate_volume", wanted), 400)
    assert await stage.recorded() == before


async def test_clusters_were_not_known_before_3_16(stage):
    volume = await stage.available()
    given = {"cluster": "c"}
    said = refused(await act(stage, volume, "os-migrate_volume", given, mv="3.15"), 400)
    assert "must be named" in said


# completion


async def test_a_compute_service_is_told_which_volume_goes_on(stage):
    old, new = await stage.available(), await stage.available()
    for given, going_on in (
        ({"new_volume": new["id"]}, new),
        ({"new_volume": new["id"], "error": False}, new),
        ({"new_volume": new["id"], "error": "true"}, old),
    ):
        answer = await act(stage, old, "os-migrate_volume_completion", given)
        assert (answer.status_code, answer.json()) == (200, {"save_volume_id": going_on["id"]})


async def test_no_compute_service_completes_what_a_backend_does(stage):
    old, new = await stage.available(), await stage.available()
    await act(stage, old, "os-migrate_volume", {"host": BESIDE})
    for source, target in ((old, new), (new, old)):
        given = {"new_volume": target["id"]}
        said = refused(await act(stage, source, "os-migrate_volume_completion", given), 400)
        assert f"Volume {old['id']} is migrating to no other volume" in said


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"new_volume": "00000000-0000-0000-0000-000000000000"}, 404),
        ({"new_volume": "x"}, 400),
        ({}, 400),
        ({"new_volume": None}, 400),
    ],
)
async def test_a_completion_that_makes_no_sense_is_refused(stage, given, code):
    volume = await stage.available()
    refused(await act(stage, volume, "os-migrate_volume_completion", given), code)
