"""Situations of volumes and types that requests can come to."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.service import FreezeBackend
from services.commands.volume import (
    FinishDeletion,
    FinishProvisioning,
    PlaceVolume,
    StartDeletion,
    StartProvisioning,
)
from tests.services.api.stage import OTHER, PROJECT, Stage, a_pool

NOWHERE = "00000000-0000-4000-0000-00000000abcd"
Words = dict[str, str]
Situation = Callable[[Stage], Awaitable[Words]]
"""Brings it about; what there is then, by name."""


async def available(stage: Stage) -> Words:
    return {"id": (await stage.available(size=2, metadata={"k": "v"}))["id"]}


async def creating(stage: Stage) -> Words:
    return {"id": (await stage.volume())["id"]}


async def provisioning(stage: Stage) -> Words:
    words = await creating(stage)
    id, run, at = UUID(words["id"]), stage.application.execute, stage.application.moment()
    await run(PlaceVolume(id=id, pools=[a_pool()], at=at))
    await run(StartProvisioning(id=id, worker="w", at=at))
    return words


async def failed(stage: Stage) -> Words:
    words = await provisioning(stage)
    at = stage.application.moment()
    outcome = FinishProvisioning(id=UUID(words["id"]), attempt=1, failure="no", at=at)
    await stage.application.execute(outcome)
    return words


async def deleting(stage: Stage) -> Words:
    words = await available(stage)
    await stage.ask("DELETE", f"/volumes/{words['id']}")
    return words


async def undeletable(stage: Stage) -> Words:
    words = await deleting(stage)
    id, run, at = UUID(words["id"]), stage.application.execute, stage.application.moment()
    attempt = await run(StartDeletion(id=id, worker="w", at=at))
    await run(FinishDeletion(id=id, attempt=attempt, failure="no", at=at))
    return words


async def extending(stage: Stage) -> Words:
    words = await available(stage)
    await stage.ask("POST", f"/volumes/{words['id']}/action", {"os-extend": {"new_size": 3}})
    return words


async def offered(stage: Stage) -> Words:
    words = await available(stage)
    body = {"transfer": {"volume_id": words["id"]}}
    transfer = (await stage.ask("POST", "/volume-transfers", body)).json()["transfer"]
    return {**words, "transfer": transfer["id"], "key": transfer["auth_key"]}


async def frozen(stage: Stage) -> Words:
    words = await available(stage)
    at = stage.application.moment()
    await stage.application.execute(FreezeBackend(host="host1@files", at=at))
    return words


async def elsewhere(stage: Stage) -> Words:
    return {"id": (await stage.volume(project=OTHER))["id"]}


async def typed(stage: Stage) -> Words:
    """Types: `type` in use, of 2 to 4 GiB and zone nova; `private`; and QoS specs of `type`."""
    specs = {
        "provisioning:min_vol_size": "2",
        "provisioning:max_vol_size": "4",
        "RESKEY:availability_zones": "nova,moon",
    }
    words: Words = {}
    for name, more in (
        ("type", {"extra_specs": specs}),
        ("private", {"os-volume-type-access:is_public": False}),
        ("lunar", {"extra_specs": {"RESKEY:availability_zones": "moon"}}),
    ):
        answer = await stage.ask("POST", "/types", {"volume_type": {"name": name, **more}})
        words[name] = answer.json()["volume_type"]["id"]
    for name in ("fast", "slow"):
        qos = await stage.ask("POST", "/qos-specs", {"qos_specs": {"name": name, "iops": "9"}})
        words[name] = qos.json()["qos_specs"]["id"]
    path = f"/qos-specs/{words['fast']}/associate?vol_type_id={words['type']}"
    assert (await stage.ask("GET", path)).status_code == 202
    access = {"addProjectAccess": {"project": OTHER}}
    await stage.ask("POST", f"/types/{words['private']}/action", access)
    words["id"] = (await stage.available(size=2, volume_type="type"))["id"]
    return words


async def poor(stage: Stage) -> Words:
    """A project with one volume of 2 GiB, and no quota for more; OTHER has none at all."""
    words = await offered(stage)
    at = stage.application.moment()
    for project, volumes, gigabytes in ((PROJECT, 1, 2), (OTHER, 1, 1)):
        limits = {"volumes": volumes, "gigabytes": gigabytes}
        await stage.application.execute(ChangeQuotaLimits(subject=project, limits=limits, at=at))
    return words


async def ceiling(stage: Stage) -> Words:
    """No volume may be larger than 2 GiB."""
    words = await available(stage)
    limits = {"quota_set": {"per_volume_gigabytes": 2}}
    await stage.ask("PUT", f"/os-quota-sets/{PROJECT}", limits)
    return words


async def nothing(stage: Stage) -> Words:
    return {"id": NOWHERE}


SITUATIONS: dict[str, Situation] = {
    "nothing": nothing,
    "available": available,
    "creating": creating,
    "provisioning": provisioning,
    "error": failed,
    "deleting": deleting,
    "error_deleting": undeletable,
    "extending": extending,
    "awaiting-transfer": offered,
    "frozen": frozen,
    "another project's": elsewhere,
    "types": typed,
    "no quota left": poor,
    "a ceiling": ceiling,
}


async def brought_about(stage: Stage, name: str) -> Words:
    """The situation of this name, in a deployment that also has types `wide` and `tiny`."""
    for type_name, specs in (("wide", {}), ("tiny", {"provisioning:max_vol_size": "1"})):
        body = {"volume_type": {"name": type_name, "extra_specs": specs}}
        assert (await stage.ask("POST", "/types", body)).status_code == 200
    return await SITUATIONS[name](stage)
