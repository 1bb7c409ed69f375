"""User messages as they can be asked for: they follow from events that tell failures.

How long a message is shown is not in the table: whoever asks says since when.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import starmap
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    MetaData,
    Table,
    Uuid,
    select,
)

from domain.aggregates import message
from domain.aggregates.message import message_id
from domain.event import Event, Recorded
from domain.messages import LEVEL, TELLS, failure_of
from projections.columns import Instant, words
from projections.filters import among
from projections.paging import NEWEST_FIRST, Sort, page_of
from projections.projection import Drop, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    table = Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("project_id", words(), nullable=False),
        Column("event_id", words(), nullable=False),
        Column("message_level", words(), nullable=False),
        Column("request_id", words(), nullable=False),
        Column("resource_type", words(), nullable=False),
        Column("resource_uuid", words(), nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("failure", words(), nullable=False),
    )
    Index(f"{name}_of_project", table.c.project_id, table.c.created_at, table.c.id)
    return table


MESSAGES = Projection("messages", version=8, build=_table)


@MESSAGES.projects(*TELLS)
def told(recorded: Recorded[Event]) -> Put:
    """To the project on whose behalf it was tried."""
    failure, moment = failure_of(recorded.event), recorded.moment
    row = MessageRow(
        id=message_id(recorded.id),
        project_id=moment.actor.project_id,
        event_id=failure.event_id,
        message_level=LEVEL,
        request_id=moment.request_id,
        resource_type=failure.resource,
        resource_uuid=str(recorded.aggregate_id),
        created_at=moment.at,
        failure=recorded.id,
    )
    return Put(row.id, msgspec.structs.asdict(row))


@MESSAGES.projects(message.Dismissed)
def dismissed(recorded: Recorded[message.Dismissed]) -> Drop:
    return Drop(recorded.aggregate_id)


class MessageRow(msgspec.Struct, frozen=True):
    """One message. Time in UTC; `failure` is the event that it is about."""

    id: UUID
    project_id: str
    event_id: str
    message_level: str
    request_id: str
    resource_type: str
    resource_uuid: str
    created_at: datetime
    failure: str


class MessageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages, in which order, and which part of them. Conditions all have to hold."""

    project_id: str
    since: datetime
    """Older ones are gone."""
    equals: Mapping[str, Sequence[Any]] = {}
    """Any one of the values, by column."""
    contains: Mapping[str, str] = {}
    """A substring, in any case (`request_id~=…`), by column."""
    sort: Sort = NEWEST_FIRST
    marker: UUID | None = None
    """The page begins after this message."""
    limit: int | None = None
    offset: int = 0


KEYS: Mapping[str, str] = {
    name: name for name in MessageRow.__struct_fields__ if name != "failure"
} | {"guaranteed_until": "created_at", "expires_at": "created_at"}
"""What lists can be sorted by; how long all are shown is the same."""


def find(connection: Connection, tables: Tables, id: UUID, since: datetime) -> MessageRow | None:
    """The message, if there is one that is not too old."""
    table = tables[MESSAGES.name]
    statement = select(table).where(table.c.id == id, table.c.created_at > since)
    row = connection.execute(statement).one_or_none()
    return None if row is None else MessageRow(*row)


def page(connection: Connection, tables: Tables, query: MessageQuery) -> list[MessageRow]:
    """The messages asked for. Raises InvalidRequest for sort keys that do not exist, NotFound for
    an unknown marker."""
    table = tables[MESSAGES.name]
    there = (table.c.project_id == query.project_id, table.c.created_at > query.since)
    conditions: list[ColumnElement[bool]] = [
        among(table.c[name], values) for name, values in query.equals.items()
    ]
    conditions += [
        table.c[name].icontains(part, autoescape=True) for name, part in query.contains.items()
    ]
    seen = select(table).where(*there)
    rows = page_of(
        connection,
        table,
        seen.where(*conditions),
        query,
        allowed=KEYS,
        seen=seen,
        kind="message",
    )
    return list(starmap(MessageRow, rows))
