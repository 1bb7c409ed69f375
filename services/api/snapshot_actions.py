"""POST /snapshots/{id}/action: what can be done to a snapshot beside its methods (api.md 4)."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from services.api import rules, snapshot_lookup
from services.api.action import Action, Actions, Nothing
from services.api.bodies import Name
from services.api.call import Call
from services.api.routing import Route
from services.commands.snapshot import DeleteSnapshot, ResetSnapshot
from services.commands.snapshot_report import ReportSnapshot


class SnapshotReset(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be true from now on."""

    status: Name


class StatusReport(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody else knows of the making or deletion of a snapshot."""

    status: Name
    progress: Annotated[str, Meta(max_length=255, pattern=r"^([0-9]|[1-9][0-9]|100)%$")] | None = (
        None
    )


async def force_delete(call: Call, _: Nothing | None) -> Response:
    """Deletes it whatever its status."""
    row = await snapshot_lookup.named(call)
    call.check(rules.SNAPSHOT_FORCE_DELETE, snapshot_lookup.owner(row))
    await call.application.execute(
        DeleteSnapshot(id=row.id, project_id=call.visible_project, force=True, at=call.moment())
    )
    return call.empty(202)


async def reset_status(call: Call, wanted: SnapshotReset) -> Response:
    """Says what its status is, whatever it was."""
    row = await snapshot_lookup.named(call)
    call.check(rules.SNAPSHOT_RESET_STATUS, snapshot_lookup.owner(row))
    await call.application.execute(
        ResetSnapshot(
            id=row.id,
            project_id=call.visible_project,
            status=wanted.status.lower(),
            at=call.moment(),
        )
    )
    return call.empty(202)


async def update_status(call: Call, told: StatusReport) -> Response:
    """Takes note of what somebody else says of its making or deletion.

    Cinder lets the compute service tell how far it is with snapshots that it makes for a backend.
    Here every backend makes its own: only that it failed changes anything.
    """
    row = await snapshot_lookup.named(call)
    call.check(rules.SNAPSHOT_UPDATE_STATUS, snapshot_lookup.owner(row))
    await call.application.execute(
        ReportSnapshot(
            id=row.id, project_id=call.visible_project, status=told.status, at=call.moment()
        )
    )
    return call.empty(202)


ACTIONS = Actions(
    "SnapshotActionBody",
    (
        Action("os-force_delete", Nothing | None, force_delete),
        Action("os-reset_status", SnapshotReset, reset_status),
        Action("os-update_snapshot_status", StatusReport, update_status),
    ),
)


async def act(call: Call) -> Response:
    """Does what the body names."""
    return await ACTIONS.act(call)


ROUTES = (
    Route(
        method="POST",
        path="/snapshots/{snapshot_id}/action",
        handler=act,
        summary="Do something to a snapshot",
        status=202,
        body=ACTIONS.body,
        refuses=(409, 503),
    ),
)
