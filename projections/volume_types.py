"""Volume types as they can be asked for: the table, how events change it, and the queries."""

from collections.abc import Mapping
from datetime import datetime
from itertools import starmap
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Column, Connection, Index, MetaData, Select, Table, Uuid, select

from domain.aggregates import volume_type
from domain.event import Recorded
from projections.columns import Instant, Pairs, holds, words
from projections.paging import NEWEST_FIRST, Sort, page_of
from projections.projection import Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    table = Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("name", words(), nullable=False),
        Column("description", words()),
        Column("is_public", Boolean, nullable=False),
        Column("extra_specs", Pairs, nullable=False),
        Column("created_at", Instant, nullable=False),
    )
    Index(f"{name}_by_name", table.c.name)
    return table


VOLUME_TYPES = Projection("volume_types", version=1, build=_table)


@VOLUME_TYPES.projects(volume_type.Created)
def created(recorded: Recorded[volume_type.Created]) -> Put:
    event = recorded.event
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "name": event.name,
            "description": event.description,
            "is_public": event.is_public,
            "extra_specs": event.extra_specs,
            "created_at": recorded.moment.at,
        },
    )


class VolumeTypeRow(msgspec.Struct, frozen=True):
    """One volume type. Times in UTC."""

    id: UUID
    name: str
    description: str | None
    is_public: bool
    extra_specs: dict[str, str]
    created_at: datetime


class VolumeTypeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which volume types, in which order, and which part of them. Conditions all have to hold."""

    is_public: bool | None = None
    """None: public or not."""
    extra_specs: Mapping[str, str] = {}
    sort: Sort = NEWEST_FIRST
    """By any column but `extra_specs`; `id` always decides last."""
    marker: UUID | None = None
    """The page begins after this type."""
    limit: int | None = None
    offset: int = 0


_KEYS = {name: name for name in VolumeTypeRow.__struct_fields__ if name != "extra_specs"}


def find(connection: Connection, tables: Tables, id: UUID) -> VolumeTypeRow | None:
    """The type, if it exists."""
    table = tables[VOLUME_TYPES.name]
    return _one(connection, select(table).where(table.c.id == id))


def by_name(connection: Connection, tables: Tables, name: str) -> VolumeTypeRow | None:
    """The type of that name; the oldest, should there be several."""
    table = tables[VOLUME_TYPES.name]
    statement = select(table).where(table.c.name == name)
    return _one(connection, statement.order_by(table.c.created_at, table.c.id).limit(1))


def page(connection: Connection, tables: Tables, query: VolumeTypeQuery) -> list[VolumeTypeRow]:
    """The types asked for. Raises InvalidRequest for sort keys that do not exist, NotFound for an
    unknown marker."""
    table = tables[VOLUME_TYPES.name]
    statement = select(table)
    if query.is_public is not None:
        statement = statement.where(table.c.is_public == query.is_public)
    if query.extra_specs:
        statement = statement.where(holds(connection, table.c.extra_specs, query.extra_specs))
    rows = page_of(
        connection, table, statement, query, allowed=_KEYS, seen=select(table), kind="volume_type"
    )
    return list(starmap(VolumeTypeRow, rows))


def _one(connection: Connection, statement: Select[Any]) -> VolumeTypeRow | None:
    row = connection.execute(statement).one_or_none()
    return None if row is None else VolumeTypeRow(*row)
