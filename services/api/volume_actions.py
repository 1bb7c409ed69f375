"""POST /volumes/{id}/action: what can be done to a volume besides its own methods (api.md 3)."""

from typing import Any

import msgspec
from starlette.responses import Response

from domain.errors import InvalidRequest
from services.api import (
    rules,
    volume_extension,
    volume_lookup,
    volume_moving,
    volume_properties,
    volume_reset,
)
from services.api.action import Action, Nothing
from services.api.call import Call
from services.api.routing import Route
from services.commands.volume import DeleteVolume


async def act(call: Call) -> Response:
    """Runs the one action that the body names. Raises InvalidRequest for one that is unknown."""
    body = await call.body(dict[str, Any])
    if len(body) != 1:
        raise InvalidRequest("The body must name exactly one action.")
    (name,) = body
    action = _ACTIONS.get(name)
    if action is None or not call.has(action.since):
        raise InvalidRequest(f"There is no such action: {name[:64]}.")
    return await action.run(call, action.arguments(body))


async def force_delete(call: Call, _: Nothing | None) -> Response:
    """Deletes it whatever its status."""
    row = await volume_lookup.named(call)
    call.check(rules.ACTION_FORCE_DELETE, volume_lookup.owner(row))
    call.check(rules.DELETE, volume_lookup.owner(row))
    await call.application.execute(
        DeleteVolume(id=row.id, project_id=call.visible_project, force=True, at=call.moment())
    )
    return call.empty(202)


ACTIONS = (
    Action("os-force_delete", Nothing | None, force_delete),
    *volume_extension.ACTIONS,
    *volume_properties.ACTIONS,
    *volume_reset.ACTIONS,
    *volume_moving.ACTIONS,
)
_ACTIONS = {action.name: action for action in ACTIONS}

ActionBody = msgspec.defstruct(
    "ActionBody",
    [action.field for action in ACTIONS],
    namespace={"__doc__": "Exactly one action, by its name."},
    kw_only=True,
)

ROUTES = (
    Route(
        method="POST",
        path="/volumes/{volume_id}/action",
        handler=act,
        summary="Do something to a volume",
        status=202,
        body=ActionBody,
        refuses=(409, 413, 503),
    ),
)
