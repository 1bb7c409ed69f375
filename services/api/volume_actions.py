"""POST /volumes/{id}/action: what can be done to a volume besides its own methods (api.md 3)."""

from starlette.responses import Response

from services.api import (
    rules,
    volume_attaching,
    volume_extension,
    volume_lookup,
    volume_moving,
    volume_properties,
    volume_reset,
    volume_reversion,
    volume_uploading,
)
from services.api.action import Action, Actions, Nothing
from services.api.call import Call
from services.api.routing import Route
from services.commands.volume import DeleteVolume


async def force_delete(call: Call, _: Nothing | None) -> Response:
    """Deletes it whatever its status, unless it is attached."""
    row = await volume_lookup.named(call)
    call.check(rules.ACTION_FORCE_DELETE, volume_lookup.owner(row))
    call.check(rules.DELETE, volume_lookup.owner(row))
    await call.application.execute(
        DeleteVolume(id=row.id, project_id=call.visible_project, force=True, at=call.moment())
    )
    return call.empty(202)


ACTIONS = Actions(
    "ActionBody",
    (
        Action("os-force_delete", Nothing | None, force_delete),
        *volume_extension.ACTIONS,
        *volume_attaching.ACTIONS,
        *volume_properties.ACTIONS,
        *volume_reset.ACTIONS,
        *volume_reversion.ACTIONS,
        *volume_moving.ACTIONS,
        *volume_uploading.ACTIONS,
    ),
)


async def act(call: Call) -> Response:
    """Does what the body names."""
    return await ACTIONS.act(call)


ROUTES = (
    Route(
        method="POST",
        path="/volumes/{volume_id}/action",
        handler=act,
        summary="Do something to a volume",
        status=202,
        body=ACTIONS.body,
        refuses=(409, 413, 500, 503),
    ),
)
