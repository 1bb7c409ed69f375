"""/attachments: reserve, connect, complete, list, show and delete them (api.md 5)."""

from typing import Any

import msgspec
from starlette.responses import Response

from domain.aggregates.volume.connecting import Connected
from domain.errors import InvalidRequest, NotFound
from domain.event import Event
from projections import attachments
from projections.attachments import ATTACHMENT_LIST, AttachmentRow
from projections.listing import Query
from services.api import (
    filters,
    lists,
    microversions,
    paging,
    rules,
    service_token,
    volume_lookup,
)
from services.api.action import Action, Actions, Nothing
from services.api.attachment_view import (
    AttachmentDetails,
    AttachmentList,
    CreateBody,
    OneAttachment,
    UpdateBody,
    detail,
    summary,
)
from services.api.call import Call
from services.api.lookup import as_id
from services.api.policy import Owner
from services.api.routing import Parameter, Route
from services.api.volume_attaching import Connector
from services.commands.attaching import (
    CompleteAttachment,
    ConnectAttachment,
    CreateAttachment,
    DetachVolume,
)


async def create(call: Call) -> Response:
    """Reserves a volume; given a connector, answers once its node can reach it."""
    wish = (await call.body(CreateBody)).attachment
    if wish.mode is not None and not call.has(microversions.ATTACHMENT_MODE):
        raise InvalidRequest(
            "Invalid input for field/attribute attachment. Additional properties are not allowed"
            " ('mode' unexpected)."
        )
    volume = await volume_lookup.by_id(call, wish.volume_uuid)
    call.check(rules.ATTACHMENT_CREATE, volume_lookup.owner(volume))
    if volume.multiattach and volume.bootable and volume.status == "in-use":
        call.check(rules.MULTIATTACH_BOOTABLE, volume_lookup.owner(volume))
    command = CreateAttachment(
        id=volume.id,
        project_id=call.visible_project,
        attachment_id=call.application.new_id(),
        server_id=None if wish.instance_uuid is None else str(wish.instance_uuid),
        mode=wish.mode,
        connector=wish.connector or None,
        at=call.moment(),
    )
    outcome = await call.application.carry_out(command)
    row = await call.application.views.read(attachments.find, command.attachment_id)
    return _one(call, row or _as_requested(command, volume.project_id, outcome), wish.connector)


async def update(call: Call) -> Response:
    """Answers once the connector's node can reach the volume."""
    connector = (await call.body(UpdateBody)).attachment.connector
    row = await _named(call)
    call.check(rules.ATTACHMENT_UPDATE, _owner(row))
    outcome = await call.application.carry_out(
        ConnectAttachment(
            id=row.volume_id,
            project_id=call.visible_project,
            attachment_id=row.id,
            connector=connector,
            at=call.moment(),
        )
    )
    now = await call.application.views.read(attachments.find, row.id)
    return _one(call, _connected(now or row, outcome), connector)


async def complete(call: Call, _: Nothing | str | None) -> Response:
    """The server uses it."""
    row = await _named(call)
    call.check(rules.ATTACHMENT_COMPLETE, _owner(row))
    await call.application.execute(
        CompleteAttachment(
            id=row.volume_id,
            project_id=call.visible_project,
            attachment_id=row.id,
            at=call.moment(),
        )
    )
    return call.empty(204)


async def delete(call: Call) -> Response:
    """Answers with those that are left, once its node can reach the volume no longer."""
    row = await _named(call)
    call.check(rules.ATTACHMENT_DELETE, _owner(row))
    service_token.check(call, row)
    await call.application.carry_out(
        DetachVolume(
            id=row.volume_id,
            project_id=call.visible_project,
            attachment_id=row.id,
            at=call.moment(),
        )
    )
    found = await call.application.views.read(attachments.of_volumes, [row.volume_id])
    left = [summary(each) for each in found.get(row.volume_id, ()) if each.id != row.id]
    return call.json(200, AttachmentList(left))


async def show(call: Call) -> Response:
    """One attachment."""
    return _one(call, await _named(call))


async def list_brief(call: Call) -> Response:
    """Ids, statuses, and who has which volume."""
    return call.json(200, AttachmentList([summary(row) for row in await _page(call)]))


async def list_detail(call: Call) -> Response:
    """All about them."""
    return call.json(200, AttachmentDetails([detail(row) for row in await _page(call)]))


async def _named(call: Call) -> AttachmentRow:
    """The attachment of the path. Raises NotFound if there is none that the caller may see."""
    text = call.part("attachment_id")
    id, read = as_id(text), call.application.views.read
    row = None if id is None else await read(attachments.find, id, call.visible_project)
    if row is None:
        raise NotFound(kind="attachment", id=text[:255])
    return row


def _owner(row: AttachmentRow) -> Owner:
    return row.project_id, ""


async def _page(call: Call) -> list[AttachmentRow]:
    part = paging.wanted(call, sort_keys=ATTACHMENT_LIST.keys)
    equals: dict[str, Any] = {}
    for name, text in filters.given(call, resource="attachment", without=paging.KEYS).items():
        known = name in ATTACHMENT_LIST.keys and name not in _TIMES
        equals[name if known else "id"] = filters.values(text, str) if known else ()
    if not part.limit:
        return []
    # Cinder takes the mere presence of all_tenants for a yes
    everywhere = call.is_admin and filters.ALL_TENANTS in call.query
    query = Query(
        project_id=None if everywhere else call.caller.project_id,
        equals=equals,
        sort=part.sort,
        marker=paging.marker_id(part, kind="attachment"),
        limit=part.limit,
        offset=part.offset,
    )
    return await call.application.views.read(attachments.page, query)


_TIMES = frozenset({"attached_at", "attach_time", "created_at", "updated_at", "volume_version"})
"""What cannot be compared with words."""


def _one(call: Call, row: AttachmentRow, connector: Connector | None = None) -> Response:
    shown = detail(row)
    if connector:
        shown.connection_info["enforce_multipath"] = bool(connector.get("enforce_multipath"))
    return call.json(200, OneAttachment(shown))


def _as_requested(
    command: CreateAttachment, project_id: str, outcome: Event | None
) -> AttachmentRow:
    """What the read model will show, when it is late."""
    row = AttachmentRow(
        id=command.attachment_id,
        volume_id=command.id,
        project_id=project_id,
        server_id=command.server_id,
        status="reserved",
        mode=command.mode,
        node=None,
        device=None,
        connection={},
        attached_at=None,
        created_at=command.at.at,
        updated_at=None,
        volume_version=0,
    )
    return _connected(row, outcome)


def _connected(row: AttachmentRow, outcome: Event | None) -> AttachmentRow:
    """With what is known of its connection, should the read model be late."""
    if not isinstance(outcome, Connected) or row.connection:
        return row
    return msgspec.structs.replace(
        row,
        status="attaching",
        mode=outcome.mode,
        connection=outcome.connection,
        attached_at=row.attached_at or row.created_at,
    )


ACTIONS = Actions(
    "AttachmentActionBody",
    # a word, too: openstacksdk says which attachment once more
    (
        Action(
            "os-complete",
            Nothing | str | None,
            complete,
            since=microversions.ATTACHMENT_COMPLETE,
        ),
    ),
)


async def act(call: Call) -> Response:
    """Does what the body names."""
    return await ACTIONS.act(call)


_LIST: dict[str, Any] = {
    "since": microversions.ATTACHMENTS,
    "query": (
        *paging.PARAMETERS,
        lists.ALL_TENANTS,
        Parameter("volume_id", "Of this volume"),
        Parameter("status", "The status"),
        Parameter("attach_status", "The same"),
        Parameter("instance_id", "Of this server"),
    ),
    "refuses": (404,),
}

ROUTES = (
    Route(
        method="POST",
        path="/attachments",
        handler=create,
        summary="Reserve a volume, or attach it",
        since=microversions.ATTACHMENTS,
        body=CreateBody,
        answer=OneAttachment,
        refuses=(404, 409, 500, 503),
    ),
    Route(
        method="GET",
        path="/attachments",
        handler=list_brief,
        summary="List attachments",
        answer=AttachmentList,
        **_LIST,
    ),
    Route(
        method="GET",
        path="/attachments/detail",
        handler=list_detail,
        summary="List attachments with details",
        answer=AttachmentDetails,
        **_LIST,
    ),
    Route(
        method="GET",
        path="/attachments/{attachment_id}",
        handler=show,
        summary="Show an attachment",
        since=microversions.ATTACHMENTS,
        answer=OneAttachment,
    ),
    Route(
        method="PUT",
        path="/attachments/{attachment_id}",
        handler=update,
        summary="Let a node reach the volume",
        since=microversions.ATTACHMENTS,
        body=UpdateBody,
        answer=OneAttachment,
        refuses=(409, 500, 503),
    ),
    Route(
        method="POST",
        path="/attachments/{attachment_id}/action",
        handler=act,
        summary="Say that an attachment is in use",
        status=204,
        since=microversions.ATTACHMENT_COMPLETE,
        body=ACTIONS.body,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path="/attachments/{attachment_id}",
        handler=delete,
        summary="Detach a volume",
        since=microversions.ATTACHMENTS,
        answer=AttachmentList,
        refuses=(409, 500, 503),
    ),
)
