"""/os-quota-class-sets: limits by quota class (api.md 8, lifecycles 2).

The class `default` is what projects follow where they have no limit of their own. Any other can be
set and shown, as in Cinder, and limits nobody.
"""

import msgspec
from starlette.responses import Response

from domain.aggregates.quota_limits import quota_class
from domain.errors import InvalidRequest
from services.api import rules
from services.api.call import Call
from services.api.quota_resources import Limit, LimitUsage, inside, shown
from services.api.routing import Route
from services.commands.quota_limits import ChangeQuotaLimits

LONGEST = 249
"""With what tells classes from projects, a name is as long as the store keeps them: 255."""


class QuotaClassSet(msgspec.Struct):
    """Limits by resource; `id` is the class."""

    quota_class_set: dict[str, int | str | LimitUsage]


class ClassLimitsBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /os-quota-class-sets/{class}: limits by resource."""

    quota_class_set: dict[str, Limit | str | None]


async def show(call: Call) -> Response:
    """The limits of a class: its own over those that projects begin with."""
    call.check(rules.CLASSES_GET)
    name = _name(call)
    limits = await shown(call, await call.application.limits(quota_class(name)))
    return call.json(200, QuotaClassSet({"id": name, **limits}))


async def update(call: Call) -> Response:
    """Sets limits of a class. Those of `default` hold for every project from the next request on;
    what a project consumes already stays."""
    call.check(rules.CLASSES_UPDATE)
    subject = quota_class(_name(call))
    given = (await call.body(ClassLimitsBody)).quota_class_set
    limits = await inside(call, given, of="quota_class_set")
    await call.application.execute(
        ChangeQuotaLimits(subject=subject, limits=limits, at=call.moment())
    )
    return call.json(200, QuotaClassSet(await shown(call, await call.application.limits(subject))))


def _name(call: Call) -> str:
    name = call.part("quota_class")
    if len(name) > LONGEST or not name.isprintable():
        raise InvalidRequest(
            f"The name of a quota class is at most {LONGEST} printable characters."
        )
    return name


_ONE = "/os-quota-class-sets/{quota_class}"

ROUTES = (
    Route(
        method="GET",
        path=_ONE,
        handler=show,
        summary="Show the limits of a quota class",
        answer=QuotaClassSet,
    ),
    Route(
        method="PUT",
        path=_ONE,
        handler=update,
        summary="Set limits of a quota class; `default` is every project's",
        body=ClassLimitsBody,
        answer=QuotaClassSet,
        refuses=(409, 503),
    ),
)
