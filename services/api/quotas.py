"""/os-quota-sets: limits of projects, and what they consume (api.md 8, lifecycles 2)."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from domain.errors import InvalidRequest
from domain.quota import CEILING, GIGABYTES, MAX_USAGE, SNAPSHOTS, UNLIMITED, VOLUMES, Usage
from services.api import rules
from services.api.call import Call
from services.api.routing import Parameter, Route
from services.commands.quota_limits import ChangeQuotaLimits, ResetQuotaLimits

TYPED = (VOLUMES, SNAPSHOTS, GIGABYTES)
RESOURCES = (VOLUMES, SNAPSHOTS, GIGABYTES, CEILING, "backups", "backup_gigabytes", "groups")
NOT_RESOURCES = ("id", "tenant_id", "project_id")
"""What clients put between the limits."""

Limit = Annotated[int, Meta(ge=UNLIMITED, le=MAX_USAGE, description="-1: no limit")]


class LimitUsage(msgspec.Struct):
    """A limit, and what counts against it."""

    limit: int
    in_use: int
    reserved: int


class QuotaSet(msgspec.Struct):
    """Limits by resource: numbers, or with usage; `id` is the project."""

    quota_set: dict[str, int | str | LimitUsage]


class LimitsBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /os-quota-sets/{project}: limits by resource."""

    quota_set: dict[str, Limit | str | None]


async def show(call: Call) -> Response:
    """A project's limits, with `usage` also what it consumes."""
    project_id, usage = _project(call), call.flag("usage")
    call.check(rules.QUOTAS_SHOW, (project_id, call.caller.user_id))
    limits = await call.application.limits(project_id)
    consumed = await call.application.usage(project_id) if usage else None
    shown = await _shown(call, limits, consumed)
    return call.json(200, QuotaSet({"id": project_id, **shown}))


async def defaults(call: Call) -> Response:
    """The limits of a project that has none of its own."""
    project_id = _project(call)
    call.check(rules.QUOTAS_SHOW, (project_id, call.caller.user_id))
    shown = await _shown(call, call.application.default_limits())
    return call.json(200, QuotaSet({"id": project_id, **shown}))


async def update(call: Call) -> Response:
    """Gives a project limits of its own. One below what is consumed already is refused."""
    project_id = _project(call)
    call.check(rules.QUOTAS_UPDATE, (project_id, call.caller.user_id))
    given = (await call.body(LimitsBody)).quota_set
    limits = await _inside(call, given)
    await call.application.execute(
        ChangeQuotaLimits(project_id=project_id, limits=limits, at=call.moment())
    )
    return call.json(200, QuotaSet(await _shown(call, await call.application.limits(project_id))))


async def delete(call: Call) -> Response:
    """Back to the defaults."""
    project_id = _project(call)
    call.check(rules.QUOTAS_DELETE, (project_id, call.caller.user_id))
    await call.application.execute(ResetQuotaLimits(project_id=project_id, at=call.moment()))
    return call.empty(200)


def _project(call: Call) -> str:
    """The project whose limits these are. Raises InvalidRequest for what cannot be one."""
    project_id = call.part("quota_project_id")
    if len(project_id) > 255 or not project_id.isprintable():
        raise InvalidRequest("A project id is at most 255 printable characters.")
    return project_id


async def _shown(
    call: Call, limits: Mapping[str, int], usage: Mapping[str, Usage] | None = None
) -> dict[str, int | str | LimitUsage]:
    """Every resource under its name outside, those of volume types under the types' names."""
    shown: dict[str, int | str | LimitUsage] = {}
    for outside, inside in (await _names(call)).items():
        limit = limits.get(inside, UNLIMITED)
        if usage is None:
            shown[outside] = limit
        else:
            used = usage.get(inside, Usage())
            shown[outside] = LimitUsage(limit, used.in_use, used.reserved)
    return shown


async def _inside(call: Call, given: Mapping[str, int | str | None]) -> dict[str, int]:
    """The limits under their names inside. Raises InvalidRequest for others, naming them."""
    names = await _names(call)
    asked = {name: limit for name, limit in given.items() if name not in NOT_RESOURCES}
    unknown = sorted(name[:64] for name in asked if name not in names)
    if unknown:
        raise InvalidRequest(f"Bad key(s) in quota set: {', '.join(unknown[:16])}.")
    limits: dict[str, int] = {}
    for name, limit in asked.items():
        if not isinstance(limit, int):
            raise InvalidRequest(
                f"Invalid input for field/attribute {name}: an integer is expected."
            )
        limits[names[name]] = limit
    if not limits:
        raise InvalidRequest("Invalid input for field/attribute quota_set. It sets no limit.")
    return limits


async def _names(call: Call) -> dict[str, str]:
    """Resources by the name that the API shows: `volumes_<type name>` is `volumes_<type id>`."""
    names = {resource: resource for resource in RESOURCES}
    for row in await call.catalogue.all():
        names.update({f"{resource}_{row.name}": f"{resource}_{row.id}" for resource in TYPED})
    return names


_ONE = "/os-quota-sets/{quota_project_id}"

ROUTES = (
    Route(
        method="GET",
        path=_ONE,
        handler=show,
        summary="Show the limits of a project",
        query=(Parameter("usage", "With what is consumed", bool),),
        answer=QuotaSet,
    ),
    Route(
        method="PUT",
        path=_ONE,
        handler=update,
        summary="Set limits of a project",
        body=LimitsBody,
        answer=QuotaSet,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=delete,
        summary="Let a project follow the default limits",
        refuses=(409, 503),
    ),
    Route(
        method="GET",
        path=f"{_ONE}/defaults",
        handler=defaults,
        summary="Show the default limits",
        answer=QuotaSet,
    ),
)
