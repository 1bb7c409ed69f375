"""Backups as they can be asked for: the table, how events change it, and the queries."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Computed,
    Connection,
    Index,
    Integer,
    MetaData,
    Select,
    Table,
    Uuid,
    case,
    column,
    exists,
    literal_column,
    select,
)

from domain.aggregates.backup import events as backup
from domain.aggregates.backup.backup import shown
from domain.event import Event, Recorded
from domain.machines.backup import BACKUP, VISIBLE_STATUS
from projections.columns import Instant, Pairs, words
from projections.listing import Listing
from projections.projection import Drop, Patch, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    state = column("state", words())
    pairs: list[tuple[ColumnElement[bool], ColumnElement[str]]] = [
        (state == literal_column(f"'{inside}'"), literal_column(f"'{outside}'"))
        for inside, outside in VISIBLE_STATUS.items()
    ]
    table = Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("project_id", words(), nullable=False),
        Column("user_id", words(), nullable=False),
        Column("volume_id", Uuid, nullable=False),
        Column("snapshot_id", Uuid),
        Column("parent_id", Uuid),
        Column("host", words()),
        Column("availability_zone", words()),
        Column("size_gib", Integer, nullable=False),
        Column("name", words()),
        Column("description", words()),
        Column("metadata", Pairs, nullable=False),
        Column("container", words(), nullable=False),
        Column("status", words(), Computed(case(*pairs), persisted=True), nullable=False),
        Column("object_count", Integer, nullable=False),
        Column("fail_reason", words()),
        Column("content_at", Instant, nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant),
        Column("whole", Boolean, nullable=False),
        Column("encryption_key_id", words()),
        Column("version", Integer, nullable=False),
        Column("state", words(), nullable=False),
    )
    Index(f"{name}_of_project", table.c.project_id, table.c.created_at, table.c.id)
    Index(f"{name}_of_volume", table.c.volume_id, table.c.content_at)
    Index(f"{name}_increments", table.c.parent_id)
    return table


BACKUPS = Projection("backups", version=2, build=_table)


# How events change it

_LEADS_TO = BACKUP.targets()


@BACKUPS.projects(backup.Requested, backup.ImportRequested)
def requested(recorded: Recorded[Any]) -> Put:
    event = recorded.event
    snapshot_id = getattr(event, "snapshot_id", None)
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "project_id": event.project_id,
            "user_id": event.user_id,
            "volume_id": UUID(event.volume_id),
            "snapshot_id": UUID(snapshot_id) if snapshot_id else None,
            "parent_id": UUID(event.parent.id) if event.parent else None,
            "host": getattr(event, "host", None),
            "availability_zone": event.availability_zone or None,
            "size_gib": event.size_gib,
            "name": event.name,
            "description": event.description,
            "metadata": event.metadata,
            "container": event.container,
            "object_count": 0,
            "fail_reason": None,
            "content_at": event.content_at,
            "created_at": recorded.moment.at,
            "updated_at": None,
            "whole": False,
            "encryption_key_id": None,
            "version": recorded.version,
            "state": _LEADS_TO[event.verb],
        },
    )


@BACKUPS.projects(backup.KeyMade)
def key_made(recorded: Recorded[backup.KeyMade]) -> Patch:
    return _changed(recorded, encryption_key_id=recorded.event.encryption_key_id)


@BACKUPS.projects(backup.Captured)
def captured(recorded: Recorded[backup.Captured]) -> Patch:
    return _changed(recorded, content_at=recorded.event.content_at)


@BACKUPS.projects(backup.Progressed)
def progressed(recorded: Recorded[backup.Progressed]) -> Patch:
    return _changed(recorded, object_count=recorded.event.object_count)


@BACKUPS.projects(backup.Created, backup.Imported)
def made(recorded: Recorded[Any]) -> Patch:
    return _changed(recorded, object_count=recorded.event.object_count, whole=True)


@BACKUPS.projects(
    backup.CreationFailed, backup.ImportFailed, backup.DeletionFailed, backup.DeletionGivenUp
)
def failed(recorded: Recorded[Any]) -> Patch:
    return _changed(recorded, fail_reason=shown(recorded.event.reason))


@BACKUPS.projects(backup.ResetToAvailable)
def reset_to_available(recorded: Recorded[backup.ResetToAvailable]) -> Patch:
    return _changed(recorded, fail_reason=None)


@BACKUPS.projects(backup.Described)
def described(recorded: Recorded[backup.Described]) -> Patch:
    return _changed(recorded, name=recorded.event.name, description=recorded.event.description)


@BACKUPS.projects(backup.MetadataChanged)
def metadata_changed(recorded: Recorded[backup.MetadataChanged]) -> Patch:
    return _changed(recorded, metadata=recorded.event.metadata)


@BACKUPS.projects(backup.Deleted)
def deleted(recorded: Recorded[backup.Deleted]) -> Drop:
    return Drop(recorded.aggregate_id)


@BACKUPS.projects_others("backup")
def moved(recorded: Recorded[Event]) -> Patch:
    """Of the other events of a backup only the state can be seen."""
    return _changed(recorded)


def _changed(recorded: Recorded[Any], **values: Any) -> Patch:
    values["version"], values["updated_at"] = recorded.version, recorded.moment.at
    verb = recorded.event.verb
    if verb in _LEADS_TO:
        values["state"] = _LEADS_TO[verb]
    return Patch(recorded.aggregate_id, values)


# Queries


class BackupRow(msgspec.Struct, frozen=True):
    """One backup. Times in UTC; `content_at` is that of what it holds."""

    id: UUID
    project_id: str
    user_id: str
    volume_id: UUID
    snapshot_id: UUID | None
    parent_id: UUID | None
    host: str | None
    availability_zone: str | None
    size_gib: int
    name: str | None
    description: str | None
    metadata: dict[str, str]
    container: str
    status: str
    object_count: int
    fail_reason: str | None
    content_at: datetime
    created_at: datetime
    updated_at: datetime | None
    whole: bool
    encryption_key_id: str | None
    version: int
    state: str
    has_increments: bool = False
    """Whether others go on from it."""


def _rows(table: Table) -> Select[Any]:
    increments = table.alias("increments")
    has = exists(select(increments.c.id).where(increments.c.parent_id == table.c.id))
    return select(table, has)


BACKUP_LIST = Listing(
    BACKUPS,
    BackupRow,
    "backup",
    hidden=("metadata", "whole", "has_increments"),
    words={"size": "size_gib", "data_timestamp": "content_at"},
    rows=_rows,
)
find, page, count = BACKUP_LIST.find, BACKUP_LIST.page, BACKUP_LIST.count


def newest(
    connection: Connection,
    tables: Tables,
    volume_id: UUID,
    project_id: str,
    *,
    most: int = 20,
) -> list[UUID]:
    """The backups that an incremental one of this volume may go on from, the one with the newest
    content first: those of the project that are available."""
    table = tables[BACKUPS.name]
    statement = select(table.c.id).where(
        table.c.volume_id == volume_id,
        table.c.project_id == project_id,
        table.c.status == "available",
    )
    statement = statement.order_by(table.c.content_at.desc(), table.c.id.desc()).limit(most)
    return list(connection.scalars(statement))
