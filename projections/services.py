"""What administrators made of services, as it can be asked for: table, folds, queries.

Only services that were ever spoken of have a row; all others are enabled and not frozen.
"""

from itertools import starmap
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Column, Connection, MetaData, Table, Uuid, select

from domain.aggregates import service
from domain.event import Recorded
from projections.columns import words
from projections.projection import Patch, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("binary", words(), nullable=False),
        Column("host", words(), nullable=False),
        Column("disabled", Boolean, nullable=False),
        Column("reason", words()),
        Column("frozen", Boolean, nullable=False),
    )


SERVICES = Projection("services", version=1, build=_table)


@SERVICES.projects(service.Disabled)
def disabled(recorded: Recorded[service.Disabled]) -> Put | Patch:
    return _said(recorded, disabled=True, reason=recorded.event.reason)


@SERVICES.projects(service.Enabled)
def enabled(recorded: Recorded[service.Enabled]) -> Put | Patch:
    return _said(recorded, disabled=False, reason=None)


@SERVICES.projects(service.Frozen)
def frozen(recorded: Recorded[service.Frozen]) -> Put | Patch:
    return _said(recorded, frozen=True)


@SERVICES.projects(service.Thawed)
def thawed(recorded: Recorded[service.Thawed]) -> Put | Patch:
    return _said(recorded, frozen=False)


def _said(recorded: Recorded[Any], **values: Any) -> Put | Patch:
    """The first that was ever said of a service makes its row."""
    if recorded.version > 1:
        return Patch(recorded.aggregate_id, values)
    event = recorded.event
    row = ServiceRow(recorded.aggregate_id, event.binary, event.host)
    return Put(recorded.aggregate_id, {**msgspec.structs.asdict(row), **values})


class ServiceRow(msgspec.Struct, frozen=True):
    """A service that was spoken of; `reason` is why it was disabled."""

    id: UUID
    binary: str
    host: str
    disabled: bool = False
    reason: str | None = None
    frozen: bool = False


def every(connection: Connection, tables: Tables) -> list[ServiceRow]:
    """All that were ever spoken of, by host."""
    table = tables[SERVICES.name]
    statement = select(table).order_by(table.c.host, table.c.binary)
    return list(starmap(ServiceRow, connection.execute(statement)))
