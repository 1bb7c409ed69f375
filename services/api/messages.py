"""/messages: what users are told of failures (api.md 12, from 3.3)."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from starlette.responses import Response

from domain.errors import NotFound
from domain.messages import text_of
from projections import messages
from projections.filters import Bound
from projections.listing import Query
from projections.messages import MESSAGE_LIST, MessageRow
from services.api import filters, microversions, paging, rules
from services.api.call import Call
from services.api.lookup import as_id
from services.api.policy import Owner
from services.api.routing import Parameter, Route
from services.api.volume_view import Link, linker, time
from services.commands.message import DismissMessage

FILTERS = (*filters.CONFIGURED["message"], "id", "project_id")


class Message(msgspec.Struct, kw_only=True):
    """What went wrong, with what, and in which request."""

    id: str
    event_id: str
    user_message: str
    message_level: str
    created_at: str
    guaranteed_until: str
    request_id: str
    resource_type: str
    resource_uuid: str
    links: list[Link]


class MessageList(msgspec.Struct, omit_defaults=True):
    """A page of messages."""

    messages: list[Message]
    messages_links: list[Link] = []


class OneMessage(msgspec.Struct):
    """GET /messages/{id}."""

    message: Message


async def list_all(call: Call) -> Response:
    """Those of the caller's project; filters, order and pages count from 3.5 on."""
    call.check(rules.MESSAGE_GET_ALL)
    query = Query(
        project_id=call.caller.project_id, times=[Bound("created_at", "gt", _since(call))]
    )
    if not call.has(microversions.MESSAGE_PAGES):
        rows = await call.application.views.read(messages.page, query)
        return call.json(200, MessageList(_shown(call, rows)))
    part = paging.wanted(call, sort_keys=MESSAGE_LIST.keys)
    query = msgspec.structs.replace(
        query,
        **_conditions(call),
        sort=part.sort,
        marker=paging.marker_id(part, kind="message"),
        limit=part.limit,
        offset=part.offset,
    )
    rows = await call.application.views.read(messages.page, query) if part.limit else []
    links = paging.links(call, part, [str(row.id) for row in rows]) or []
    return call.json(200, MessageList(_shown(call, rows), [Link(**link) for link in links]))


async def show(call: Call) -> Response:
    """One."""
    row = await _named(call)
    call.check(rules.MESSAGE_GET, _owner(row))
    return call.json(200, OneMessage(_shown(call, [row])[0]))


async def delete(call: Call) -> Response:
    """It is not shown any more; the failure itself stays in the history for ever."""
    row = await _named(call)
    call.check(rules.MESSAGE_DELETE, _owner(row))
    await call.application.execute(DismissMessage(failure=row.failure, at=call.moment()))
    return call.empty(204)


async def _named(call: Call) -> MessageRow:
    """The message of the path, of the caller's project unless that is an administrator's."""
    text = call.part("message_id")
    id = as_id(text)
    views = call.application.views
    row = None if id is None else await views.read(messages.find, id, call.visible_project)
    if row is None or row.created_at <= _since(call):
        raise NotFound(kind="message", id=text[:255])
    return row


def _conditions(call: Call) -> dict[str, Any]:
    """The filters as the read model takes them; what no message has leaves none."""
    equals: dict[str, Any] = {}
    contains: dict[str, str] = {}
    for name, text in filters.given(call, resource="message", without=paging.KEYS).items():
        like = name.endswith(filters.LIKE) and call.has(microversions.LIKE_FILTERS)
        column = name.removesuffix(filters.LIKE) if like else name
        if column not in FILTERS or (like and column == "id"):
            equals["id"] = ()
        elif like:
            contains[column] = text
        else:
            equals[column] = filters.values(text, str)
    return {"equals": equals, "contains": contains}


def _owner(row: MessageRow) -> Owner:
    """Whose it is, for policy rules: a project's, whichever of its users asked."""
    return row.project_id, ""


def _lifetime(call: Call) -> timedelta:
    return timedelta(seconds=call.application.settings.messages.ttl_s)


def _since(call: Call) -> datetime:
    return call.application.clock() - _lifetime(call)


def _shown(call: Call, rows: list[MessageRow]) -> list[Message]:
    links, lifetime = linker(call, "messages"), _lifetime(call)
    return [
        Message(
            id=str(row.id),
            event_id=row.event_id,
            user_message=text_of(row.event_id),
            message_level=row.message_level,
            created_at=time(row.created_at),
            guaranteed_until=time(row.created_at + lifetime),
            request_id=row.request_id,
            resource_type=row.resource_type,
            resource_uuid=row.resource_uuid,
            links=links(str(row.id)),
        )
        for row in rows
    ]


_ONE = "/messages/{message_id}"

ROUTES = (
    Route(
        method="GET",
        path="/messages",
        handler=list_all,
        summary="List messages",
        since=microversions.MESSAGES,
        query=(
            *paging.PARAMETERS,
            Parameter("resource_uuid", "About this", str, microversions.MESSAGE_PAGES),
            Parameter("resource_type", "VOLUME, …", str, microversions.MESSAGE_PAGES),
            Parameter("event_id", "Of this kind", str, microversions.MESSAGE_PAGES),
            Parameter("request_id", "Of this request", str, microversions.MESSAGE_PAGES),
            Parameter("message_level", "ERROR", str, microversions.MESSAGE_PAGES),
        ),
        answer=MessageList,
        refuses=(404,),
    ),
    Route(
        method="GET",
        path=_ONE,
        handler=show,
        summary="Show a message",
        since=microversions.MESSAGES,
        answer=OneMessage,
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=delete,
        summary="Delete a message",
        since=microversions.MESSAGES,
        status=204,
        refuses=(409, 503),
    ),
)
