"""The actions by which a volume is attached and detached (api.md 3, lifecycles 7)."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.responses import Response

from domain.aggregates.volume.connecting import Connected
from domain.errors import InvalidRequest
from projections import attachments
from projections.volumes import VolumeRow
from services.api import rules, service_token, volume_lookup
from services.api.action import Action, Nothing
from services.api.bodies import Words
from services.api.call import Call
from services.commands.attaching import (
    HOLDS,
    AttachVolume,
    ConnectNode,
    DetachVolume,
    DisconnectNode,
    HoldVolume,
)

Connector = dict[str, Any]
Mode = Literal["rw", "ro"]


class Attach(msgspec.Struct, forbid_unknown_fields=True):
    """Who has it, as what, and whether to write to it."""

    mountpoint: Annotated[str, Meta(min_length=1, max_length=255)]
    instance_uuid: UUID | None = None
    host_name: Words | None = None
    mode: Mode = "rw"


class Detach(msgspec.Struct, forbid_unknown_fields=True):
    """Which attachment; null: the only one."""

    attachment_id: UUID | None = None


class Connect(msgspec.Struct, forbid_unknown_fields=True):
    """What the node says of itself."""

    connector: Connector


class ForceDetach(msgspec.Struct, forbid_unknown_fields=True):
    """Which attachment, and the node whose connection ends as well."""

    attachment_id: UUID | None = None
    connector: Connector | None = None


def _holding(wish: str, rule: str) -> Callable[[Call, Any], Awaitable[Response]]:
    assert wish in HOLDS

    async def hold(call: Call, _: Nothing | None) -> Response:
        row = await _permitted(call, rule)
        await call.application.execute(
            HoldVolume(id=row.id, project_id=call.visible_project, wish=wish, at=call.moment())
        )
        return call.empty(202)

    return hold


async def attach(call: Call, wish: Attach) -> Response:
    """Records who has it; the backend is not asked."""
    row = await _permitted(call, rules.ATTACH)
    if wish.instance_uuid is None and not wish.host_name:
        raise InvalidRequest("Invalid request: instance_uuid or host_name must be given.")
    await call.application.execute(
        AttachVolume(
            id=row.id,
            project_id=call.visible_project,
            attachment_id=call.application.new_id(),
            server_id=None if wish.instance_uuid is None else str(wish.instance_uuid),
            node=wish.host_name or None,
            device=wish.mountpoint,
            mode=wish.mode,
            at=call.moment(),
        )
    )
    return call.empty(202)


async def detach(call: Call, which: Detach | None) -> Response:
    """Answers once its backend has let go of it."""
    row = await _permitted(call, rules.DETACH)
    await _check_not_a_servers(call, row)
    await _end(call, row, which.attachment_id if which else None)
    return call.empty(202)


async def force_detach(call: Call, which: ForceDetach) -> Response:
    """As `terminate_connection` and `detach` together, whoever uses it."""
    row = await _permitted(call, rules.FORCE_DETACH)
    if which.connector:
        await _disconnect(call, row, which.connector)
    await _end(call, row, which.attachment_id)
    return call.empty(202)


async def initialize_connection(call: Call, wish: Connect) -> Response:
    """How the node reaches it, once its backend lets it."""
    row = await _permitted(call, rules.INITIALIZE_CONNECTION)
    made = await call.application.carry_out(
        ConnectNode(
            id=row.id,
            project_id=call.visible_project,
            connector=wish.connector,
            at=call.moment(),
        )
    )
    assert isinstance(made, Connected)
    multipath = bool(wish.connector.get("enforce_multipath", False))
    return call.json(200, {"connection_info": {**made.connection, "enforce_multipath": multipath}})


async def terminate_connection(call: Call, wish: Connect) -> Response:
    """Answers once its backend lets the node reach it no longer."""
    row = await _permitted(call, rules.TERMINATE_CONNECTION)
    await _check_not_a_servers(call, row)
    await _disconnect(call, row, wish.connector)
    return call.empty(202)


async def _permitted(call: Call, rule: str) -> VolumeRow:
    row = await volume_lookup.named(call)
    call.check(rule, volume_lookup.owner(row))
    return row


async def _check_not_a_servers(call: Call, row: VolumeRow) -> None:
    found = await call.application.views.read(attachments.of_volumes, [row.id])
    for each in found.get(row.id, ()):
        service_token.check(call, each)


async def _end(call: Call, row: VolumeRow, attachment_id: UUID | None) -> None:
    await call.application.carry_out(
        DetachVolume(
            id=row.id,
            project_id=call.visible_project,
            attachment_id=attachment_id,
            at=call.moment(),
        )
    )


async def _disconnect(call: Call, row: VolumeRow, connector: Connector) -> None:
    await call.application.carry_out(
        DisconnectNode(
            id=row.id, project_id=call.visible_project, connector=connector, at=call.moment()
        )
    )


ACTIONS = (
    Action("os-reserve", Nothing | None, _holding("reserve", rules.RESERVE)),
    Action("os-unreserve", Nothing | None, _holding("unreserve", rules.UNRESERVE)),
    Action(
        "os-begin_detaching", Nothing | None, _holding("begin detaching", rules.BEGIN_DETACHING)
    ),
    Action("os-roll_detaching", Nothing | None, _holding("roll detaching", rules.ROLL_DETACHING)),
    Action("os-attach", Attach, attach),
    Action("os-detach", Detach | None, detach),
    Action("os-force_detach", ForceDetach, force_detach),
    Action("os-initialize_connection", Connect, initialize_connection),
    Action("os-terminate_connection", Connect, terminate_connection),
)
