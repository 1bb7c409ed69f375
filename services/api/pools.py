"""/scheduler-stats/get_pools: what the pools report, as placement sees it (api.md 8)."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from domain.aggregates.service import VOLUME_SERVICE
from projections import services
from services.api import microversions, rules
from services.api.application import PoolStatus
from services.api.call import Call
from services.api.routing import Parameter, Route
from services.api.volume_view import time


class Pool(msgspec.Struct, kw_only=True):
    """A pool; `name` is host@backend#pool."""

    name: str
    capabilities: dict[str, Any] | UnsetType = UNSET


class PoolList(msgspec.Struct):
    """GET /scheduler-stats/get_pools."""

    pools: list[Pool]


async def list_all(call: Call) -> Response:
    """Every pool that placement may choose, or those of which all filters hold (3.28)."""
    call.check(rules.POOLS)
    detail = call.flag("detail")
    wanted = await _wanted(call)
    closed = {
        row.host
        for row in await call.application.views.read(services.every)
        if row.binary == VOLUME_SERVICE and (row.disabled or row.frozen)
    }
    found = [
        _shown(pool, detail=detail)
        for pool in await call.application.pools()
        if pool.name.partition("#")[0] not in closed
        and all(_has(pool, name, value) for name, value in wanted.items())
    ]
    return call.json(200, PoolList(found))


async def _wanted(call: Call) -> dict[str, str]:
    """The filters. Raises NotFound for a volume type that does not exist."""
    if not call.has(microversions.POOL_FILTERS):
        return {}
    wanted = {name: value for name, value in call.query.items() if name != "detail"}
    volume_type = wanted.pop("volume_type", None)
    if volume_type is not None and call.has(microversions.POOL_TYPE_FILTER):
        await call.catalogue.find(volume_type, project_id=call.visible_project)
    return wanted


def _has(pool: PoolStatus, name: str, value: str) -> bool:
    """Whether a pool has this name, or a capability with this value."""
    if name == "name":
        return pool.name == value
    return name in pool.capabilities and str(pool.capabilities[name]) == value


def _shown(pool: PoolStatus, *, detail: bool) -> Pool:
    if not detail:
        return Pool(name=pool.name)
    return Pool(
        name=pool.name, capabilities={**pool.capabilities, "timestamp": time(pool.timestamp)}
    )


ROUTES = (
    Route(
        method="GET",
        path="/scheduler-stats/get_pools",
        handler=list_all,
        summary="List pools",
        query=(
            Parameter("detail", "With capabilities", bool),
            Parameter("name", "Of this name", str, microversions.POOL_FILTERS),
            Parameter(
                "volume_type", "That could hold this type", str, microversions.POOL_TYPE_FILTER
            ),
        ),
        answer=PoolList,
        refuses=(404,),
    ),
)
