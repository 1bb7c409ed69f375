"""Projects' own default volume types as they can be asked for: table, folds, queries."""

from itertools import starmap
from uuid import UUID

import msgspec
from sqlalchemy import Column, Connection, MetaData, Table, Uuid, select

from domain.aggregates import default_type
from domain.aggregates.default_type import default_id
from domain.event import Recorded
from projections.columns import words
from projections.projection import Drop, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("project_id", words(), nullable=False),
        Column("volume_type_id", Uuid, nullable=False),
    )


DEFAULT_TYPES = Projection("default_types", version=1, build=_table)


@DEFAULT_TYPES.projects(default_type.Chosen)
def chosen(recorded: Recorded[default_type.Chosen]) -> Put:
    event = recorded.event
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "project_id": event.project_id,
            "volume_type_id": UUID(event.volume_type_id),
        },
    )


@DEFAULT_TYPES.projects(default_type.Unset)
def unset(recorded: Recorded[default_type.Unset]) -> Drop:
    return Drop(recorded.aggregate_id)


class DefaultTypeRow(msgspec.Struct, frozen=True):
    """A project's default."""

    id: UUID
    project_id: str
    volume_type_id: UUID


def of_project(connection: Connection, tables: Tables, project_id: str) -> DefaultTypeRow | None:
    """The project's own default, if it has one."""
    table = tables[DEFAULT_TYPES.name]
    statement = select(table).where(table.c.id == default_id(project_id))
    row = connection.execute(statement).one_or_none()
    return None if row is None else DefaultTypeRow(*row)


def every(connection: Connection, tables: Tables) -> list[DefaultTypeRow]:
    """Those of all projects, by project."""
    table = tables[DEFAULT_TYPES.name]
    statement = select(table).order_by(table.c.project_id)
    return list(starmap(DefaultTypeRow, connection.execute(statement)))
