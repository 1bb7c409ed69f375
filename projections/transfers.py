"""Volumes that are offered to other projects, as they can be asked for."""

from datetime import datetime
from itertools import starmap
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Column, Connection, Index, MetaData, Select, Table, Uuid, select

from domain.aggregates import transfer
from domain.event import Event, Recorded
from projections.columns import Instant, words
from projections.paging import Sort, page_of
from projections.projection import Drop, Projection, Put, Tables


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


class TransferQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which transfers, in which order, and which part of them."""

    project_id: str | None = None
    """None: of all projects."""
    name: str | None = None
    volume_id: UUID | None = None
    sort: Sort = (("created_at", "asc"),)
    marker: UUID | None = None
    """The page begins after this one."""
    limit: int | None = None
    offset: int = 0


_KEYS = {name: name for name in TransferRow.__struct_fields__}


def find(
    connection: Connection, tables: Tables, id: UUID, project_id: str | None = None
) -> TransferRow | None:
    """The one of that id, if it is on offer and of the project (None: of any)."""
    table = tables[TRANSFERS.name]
    statement = _of_project(table, project_id).where(table.c.id == id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else TransferRow(*row)


def page(connection: Connection, tables: Tables, query: TransferQuery) -> list[TransferRow]:
    """Those asked for. Raises InvalidRequest for unknown sort keys, NotFound for the marker."""
    table = tables[TRANSFERS.name]
    seen = _of_project(table, query.project_id)
    statement = seen
    if query.name is not None:
        statement = statement.where(table.c.name == query.name)
    if query.volume_id is not None:
        statement = statement.where(table.c.volume_id == query.volume_id)
    rows = page_of(connection, table, statement, query, allowed=_KEYS, seen=seen, kind="transfer")
    return list(starmap(TransferRow, rows))


def _of_project(
    table: Table, project_id: str | None
) -> Select[tuple[UUID, UUID, str, str, bool, datetime]]:
    statement = select(table)
    return statement if project_id is None else statement.where(table.c.project_id == project_id)
