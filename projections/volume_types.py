"""Volume types as they can be asked for: the table, how events change it, and the queries."""

from collections.abc import Mapping
from datetime import datetime
from itertools import starmap
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    MetaData,
    Select,
    Table,
    Uuid,
    or_,
    select,
)

from domain.aggregates import volume_type
from domain.event import Recorded
from projections.columns import Instant, Pairs, holds, words
from projections.paging import NEWEST_FIRST, Sort, page_of
from projections.projection import Drop, Patch, Projection, Put, Tables


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
        Column("updated_at", Instant),
        Column("qos_specs_id", Uuid),
        Column("access", Pairs, nullable=False),
    )
    Index(f"{name}_by_name", table.c.name)
    Index(f"{name}_by_qos", table.c.qos_specs_id)
    return table


GRANTED = "granted"
"""What stands beside each project that may use a private type."""

VOLUME_TYPES = Projection("volume_types", version=2, build=_table)


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
            "updated_at": None,
            "qos_specs_id": None,
            "access": {},
        },
    )


@VOLUME_TYPES.projects(volume_type.Renamed)
def renamed(recorded: Recorded[volume_type.Renamed]) -> Patch:
    return _changed(recorded, name=recorded.event.name)


@VOLUME_TYPES.projects(volume_type.Described)
def described(recorded: Recorded[volume_type.Described]) -> Patch:
    return _changed(recorded, description=recorded.event.description)


@VOLUME_TYPES.projects(volume_type.Published)
def published(recorded: Recorded[volume_type.Published]) -> Patch:
    return _changed(recorded, is_public=True)


@VOLUME_TYPES.projects(volume_type.MadePrivate)
def made_private(recorded: Recorded[volume_type.MadePrivate]) -> Patch:
    return _changed(recorded, is_public=False)


@VOLUME_TYPES.projects(volume_type.ExtraSpecsChanged)
def extra_specs_changed(recorded: Recorded[volume_type.ExtraSpecsChanged]) -> Patch:
    return _changed(recorded, extra_specs=recorded.event.extra_specs)


@VOLUME_TYPES.projects(volume_type.AccessGranted)
def access_granted(recorded: Recorded[volume_type.AccessGranted]) -> Patch:
    return _changed(recorded, access=dict.fromkeys(recorded.event.projects, GRANTED))


@VOLUME_TYPES.projects(volume_type.AccessRevoked)
def access_revoked(recorded: Recorded[volume_type.AccessRevoked]) -> Patch:
    return _changed(recorded, access=dict.fromkeys(recorded.event.projects, GRANTED))


@VOLUME_TYPES.projects(volume_type.QosAssociated)
def qos_associated(recorded: Recorded[volume_type.QosAssociated]) -> Patch:
    return _changed(recorded, qos_specs_id=UUID(recorded.event.qos_specs_id))


@VOLUME_TYPES.projects(volume_type.QosDisassociated)
def qos_disassociated(recorded: Recorded[volume_type.QosDisassociated]) -> Patch:
    return _changed(recorded, qos_specs_id=None)


@VOLUME_TYPES.projects(volume_type.Deleted)
def deleted(recorded: Recorded[volume_type.Deleted]) -> Drop:
    return Drop(recorded.aggregate_id)


def _changed(recorded: Recorded[Any], **values: Any) -> Patch:
    return Patch(recorded.aggregate_id, {**values, "updated_at": recorded.moment.at})


class VolumeTypeRow(msgspec.Struct, frozen=True):
    """One volume type. Times in UTC."""

    id: UUID
    name: str
    description: str | None
    is_public: bool
    extra_specs: dict[str, str]
    created_at: datetime
    updated_at: datetime | None = None
    qos_specs_id: UUID | None = None
    access: dict[str, str] = {}
    """The projects that may use it while it is private."""

    def visible_to(self, project_id: str | None) -> bool:
        """Whether a project may see and use it; None sees all."""
        return self.is_public or project_id is None or project_id in self.access


class VolumeTypeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which volume types, in which order, and which part of them. Conditions all have to hold."""

    is_public: bool | None = None
    """None: public or not."""
    or_accessible_to: str | None = None
    """Beside the public ones also those that this project was given access to."""
    extra_specs: Mapping[str, str] = {}
    sort: Sort = NEWEST_FIRST
    """By any column but the pairs; `id` always decides last."""
    marker: UUID | None = None
    """The page begins after this type."""
    limit: int | None = None
    offset: int = 0


_KEYS = {
    name: name for name in VolumeTypeRow.__struct_fields__ if name not in ("extra_specs", "access")
}


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
        wanted = table.c.is_public == query.is_public
        if query.is_public and query.or_accessible_to is not None:
            access = {query.or_accessible_to: GRANTED}
            wanted = or_(wanted, holds(connection, table.c.access, access))
        statement = statement.where(wanted)
    if query.extra_specs:
        statement = statement.where(holds(connection, table.c.extra_specs, query.extra_specs))
    rows = page_of(
        connection, table, statement, query, allowed=_KEYS, seen=select(table), kind="volume_type"
    )
    return list(starmap(VolumeTypeRow, rows))


def of_qos(connection: Connection, tables: Tables, qos_specs_id: UUID) -> list[VolumeTypeRow]:
    """The types that have these QoS specs, by name."""
    table = tables[VOLUME_TYPES.name]
    statement = select(table).where(table.c.qos_specs_id == qos_specs_id)
    return list(starmap(VolumeTypeRow, connection.execute(statement.order_by(table.c.name))))


def _one(connection: Connection, statement: Select[Any]) -> VolumeTypeRow | None:
    row = connection.execute(statement).one_or_none()
    return None if row is None else VolumeTypeRow(*row)
