"""User messages as they can be asked for: they follow from events that tell failures.

How long a message is shown is not in the table: whoever asks says since when.
"""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import (
    Column,
    Index,
    MetaData,
    Table,
    Uuid,
)

from domain.aggregates import message
from domain.aggregates.message import message_id
from domain.event import Event, Recorded
from domain.messages import LEVEL, TELLS, failure_of
from projections.columns import Instant, words
from projections.listing import Listing
from projections.projection import Drop, Projection, Put


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


MESSAGES = Projection("messages", version=9, build=_table)


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


MESSAGE_LIST = Listing(
    MESSAGES,
    MessageRow,
    "message",
    hidden=("failure",),
    # how long all are shown is the same
    words={"guaranteed_until": "created_at", "expires_at": "created_at"},
)
find, page = MESSAGE_LIST.find, MESSAGE_LIST.page
