"""POST /volumes/{id}/action: what can be done to a volume besides its own methods (api.md 3)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from domain.errors import InvalidRequest
from services.api import rules, volume_lookup
from services.api.call import Call
from services.api.routing import Route
from services.commands.volume import DeleteVolume


class Nothing(msgspec.Struct):
    """An action without arguments."""


class ActionBody(msgspec.Struct, kw_only=True):
    """Exactly one action, by its name."""

    force_delete: Nothing | None = msgspec.field(name="os-force_delete")


async def act(call: Call) -> Response:
    """Runs the one action that the body names. Raises InvalidRequest for one that is unknown."""
    body = await call.body(dict[str, Any])
    if len(body) != 1:
        raise InvalidRequest("The body must name exactly one action.")
    ((name, arguments),) = body.items()
    action = ACTIONS.get(name)
    if action is None:
        raise InvalidRequest(f"There is no such action: {name[:64]}.")
    return await action(call, arguments)


async def force_delete(call: Call, arguments: Any) -> Response:
    """Deletes it whatever its status."""
    if arguments not in (None, {}):
        raise InvalidRequest("Invalid input for field/attribute os-force_delete: null is expected.")
    row = await volume_lookup.named(call)
    call.check(rules.ACTION_FORCE_DELETE, volume_lookup.owner(row))
    call.check(rules.DELETE, volume_lookup.owner(row))
    await call.application.execute(
        DeleteVolume(id=row.id, project_id=call.visible_project, force=True, at=call.moment())
    )
    return call.empty(202)


ACTIONS: Mapping[str, Callable[[Call, Any], Awaitable[Response]]] = {
    "os-force_delete": force_delete,
}

ROUTES = (
    Route(
        method="POST",
        path="/volumes/{volume_id}/action",
        handler=act,
        summary="Force the deletion of a volume",
        status=202,
        body=ActionBody,
        refuses=(409, 503),
    ),
)
