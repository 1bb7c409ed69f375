"""QoS specs as they can be asked for: the table, how events change it, and the queries."""

from collections.abc import Sequence
from datetime import datetime
from itertools import starmap
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Column, Connection, MetaData, Table, Uuid, select

from domain.aggregates import qos_specs
from domain.event import Recorded
from projections.columns import Instant, Pairs, words
from projections.filters import among
from projections.paging import NEWEST_FIRST, Sort, page_of
from projections.projection import Drop, Patch, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("name", words(), nullable=False),
        Column("consumer", words(), nullable=False),
        Column("specs", Pairs, nullable=False),
        Column("created_at", Instant, nullable=False),
    )


QOS_SPECS = Projection("qos_specs", version=1, build=_table)


@QOS_SPECS.projects(qos_specs.Created)
def created(recorded: Recorded[qos_specs.Created]) -> Put:
    event = recorded.event
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "name": event.name,
            "consumer": event.consumer,
            "specs": event.specs,
            "created_at": recorded.moment.at,
        },
    )


@QOS_SPECS.projects(qos_specs.Changed)
def changed(recorded: Recorded[qos_specs.Changed]) -> Patch:
    event = recorded.event
    return Patch(recorded.aggregate_id, {"consumer": event.consumer, "specs": event.specs})


@QOS_SPECS.projects(qos_specs.Deleted)
def deleted(recorded: Recorded[qos_specs.Deleted]) -> Drop:
    return Drop(recorded.aggregate_id)


class QosSpecsRow(msgspec.Struct, frozen=True):
    """QoS specs. Times in UTC."""

    id: UUID
    name: str
    consumer: str
    specs: dict[str, str]
    created_at: datetime


class QosSpecsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which QoS specs, in which order, and which part of them."""

    equals: dict[str, Sequence[Any]] = {}
    """Any one of the values, by column; all columns have to match."""
    sort: Sort = NEWEST_FIRST
    marker: UUID | None = None
    """The page begins after these."""
    limit: int | None = None
    offset: int = 0


_KEYS = {name: name for name in QosSpecsRow.__struct_fields__ if name != "specs"}


def find(connection: Connection, tables: Tables, id: UUID) -> QosSpecsRow | None:
    """Those of that id, if they exist."""
    table = tables[QOS_SPECS.name]
    row = connection.execute(select(table).where(table.c.id == id)).one_or_none()
    return None if row is None else QosSpecsRow(*row)


def page(connection: Connection, tables: Tables, query: QosSpecsQuery) -> list[QosSpecsRow]:
    """Those asked for. Raises InvalidRequest for sort keys that do not exist, NotFound for an
    unknown marker."""
    table = tables[QOS_SPECS.name]
    conditions = [among(table.c[_KEYS[key]], values) for key, values in query.equals.items()]
    rows = page_of(
        connection,
        table,
        select(table).where(*conditions),
        query,
        allowed=_KEYS,
        seen=select(table),
        kind="qos_specs",
    )
    return list(starmap(QosSpecsRow, rows))
