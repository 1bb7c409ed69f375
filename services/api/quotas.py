"""/os-quota-sets: limits of projects, and what they consume (api.md 8, lifecycles 2)."""

import msgspec
from starlette.responses import Response

from domain.errors import InvalidRequest
from services.api import rules
from services.api.call import Call
from services.api.quota_resources import Limit, LimitUsage, inside, shown
from services.api.routing import Parameter, Route
from services.commands.quota_limits import ChangeQuotaLimits, ResetQuotaLimits


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
    return call.json(200, QuotaSet({"id": project_id, **await shown(call, limits, consumed)}))


async def defaults(call: Call) -> Response:
    """The limits of a project that has none of its own."""
    project_id = _project(call)
    call.check(rules.QUOTAS_SHOW, (project_id, call.caller.user_id))
    limits = await call.application.default_limits()
    return call.json(200, QuotaSet({"id": project_id, **await shown(call, limits)}))


async def update(call: Call) -> Response:
    """Gives a project limits of its own. One below what is consumed already is refused."""
    project_id = _project(call)
    call.check(rules.QUOTAS_UPDATE, (project_id, call.caller.user_id))
    given = (await call.body(LimitsBody)).quota_set
    limits = await inside(call, given, of="quota_set")
    await call.application.execute(
        ChangeQuotaLimits(subject=project_id, limits=limits, at=call.moment())
    )
    return call.json(200, QuotaSet(await shown(call, await call.application.limits(project_id))))


async def delete(call: Call) -> Response:
    """Back to the defaults."""
    project_id = _project(call)
    call.check(rules.QUOTAS_DELETE, (project_id, call.caller.user_id))
    await call.application.execute(ResetQuotaLimits(subject=project_id, at=call.moment()))
    return call.empty(200)


def _project(call: Call) -> str:
    """The project whose limits these are. Raises InvalidRequest for what cannot be one."""
    project_id = call.part("quota_project_id")
    if len(project_id) > 255 or not project_id.isprintable():
        raise InvalidRequest("A project id is at most 255 printable characters.")
    return project_id


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
