"""Volumes that are offered to other projects, as they can be asked for."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Column, Index, MetaData, Table, Uuid

from domain.aggregates import transfer
from domain.event import Event, Recorded
from projections.columns import Instant, words
from projections.listing import Listing
from projections.projection import Drop, Projection, Put


def _table(name: str, metadata: MetaData) -> Table:
    table = Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("volume_id", Uuid, nullable=False),
        Column("project_id", words(), nullable=False),
        Column("name", words()),
        Column("no_snapshots", Boolean, nullable=False),
        Column("created_at", Instant, nullable=False),
    )
    Index(f"{name}_of_project", table.c.project_id, table.c.created_at, table.c.id)
    return table


TRANSFERS = Projection("transfers", version=1, build=_table)


@TRANSFERS.projects(transfer.Offered)
def offered(recorded: Recorded[transfer.Offered]) -> Put:
    event = recorded.event
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "volume_id": UUID(event.volume_id),
            "project_id": event.project_id,
            "name": event.name,
            "no_snapshots": event.no_snapshots,
            "created_at": recorded.moment.at,
        },
    )


@TRANSFERS.projects(transfer.Accepted, transfer.Withdrawn)
def over(recorded: Recorded[Event]) -> Drop:
    """What is not offered any more is history (`lapilli history`), and Cinder hides it."""
    return Drop(recorded.aggregate_id)


class TransferRow(msgspec.Struct, frozen=True):
    """A volume on offer. Times in UTC."""

    id: UUID
    volume_id: UUID
    project_id: str
    name: str | None
    no_snapshots: bool
    created_at: datetime


TRANSFER_LIST = Listing(TRANSFERS, TransferRow, "transfer")
find, page = TRANSFER_LIST.find, TRANSFER_LIST.page
