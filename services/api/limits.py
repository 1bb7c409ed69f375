"""/limits: a project's limits as clients with little time want them (api.md 8)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from domain.quota import GIGABYTES, SNAPSHOTS, UNLIMITED, VOLUMES, Usage
from services.api import microversions, rules
from services.api.call import Call
from services.api.routing import Parameter, Route

MAXIMA: Mapping[str, str] = {
    "maxTotalVolumes": VOLUMES,
    "maxTotalSnapshots": SNAPSHOTS,
    "maxTotalVolumeGigabytes": GIGABYTES,
    "maxTotalBackups": "backups",
    "maxTotalBackupGigabytes": "backup_gigabytes",
}
USED: Mapping[str, str] = {
    "totalVolumesUsed": VOLUMES,
    "totalSnapshotsUsed": SNAPSHOTS,
    "totalGigabytesUsed": GIGABYTES,
    "totalBackupsUsed": "backups",
    "totalBackupGigabytesUsed": "backup_gigabytes",
}


class Limits(msgspec.Struct):
    """There are no rate limits."""

    absolute: dict[str, int]
    rate: list[dict[str, Any]] = []


class LimitsAnswer(msgspec.Struct):
    """GET /limits."""

    limits: Limits


async def show(call: Call) -> Response:
    """Of the caller's project; from 3.39 administrators may name another."""
    project_id = call.caller.project_id
    if call.has(microversions.LIMITS_OF_PROJECT) and call.is_admin:
        project_id = call.query.get("project_id") or project_id
    limits = await call.application.limits(project_id)
    absolute = {name: limits.get(resource, UNLIMITED) for name, resource in MAXIMA.items()}
    if call.allows(rules.USED_LIMITS, (project_id, call.caller.user_id)):
        usage = await call.application.usage(project_id)
        for name, resource in USED.items():
            absolute[name] = usage.get(resource, Usage()).consumed
    return call.json(200, LimitsAnswer(Limits(absolute)))


ROUTES = (
    Route(
        method="GET",
        path="/limits",
        handler=show,
        summary="Show limits and usage",
        query=(
            Parameter(
                "project_id",
                "Of another project (administrators)",
                str,
                microversions.LIMITS_OF_PROJECT,
            ),
        ),
        answer=LimitsAnswer,
    ),
)
