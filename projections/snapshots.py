"""Snapshots as they can be asked for: the table, how events change it, and the queries."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Uuid,
)

from domain.aggregates import snapshot
from domain.event import Event, Recorded
from domain.machines.snapshot import SNAPSHOT, VISIBLE_STATUS
from projections.columns import Instant, Pairs, words
from projections.listing import Listing
from projections.projection import Drop, Patch, Projection, Put


def _table(name: str, metadata: MetaData) -> Table:
    table = Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("project_id", words(), nullable=False),
        Column("user_id", words(), nullable=False),
        Column("volume_id", Uuid, nullable=False),
        Column("volume_type_id", Uuid, nullable=False),
        Column("name", words()),
        Column("description", words()),
        Column("size_gib", Integer, nullable=False),
        Column("status", words(), nullable=False),
        Column("progress", words(), nullable=False),
        Column("availability_zone", words()),
        Column("metadata", Pairs, nullable=False),
        Column("host", words(), nullable=False),
        Column("provider_id", words()),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant),
        Column("version", Integer, nullable=False),
        Column("state", words(), nullable=False),
    )
    Index(f"{name}_of_project", table.c.project_id, table.c.created_at, table.c.id)
    Index(f"{name}_newest", table.c.created_at, table.c.id)
    Index(f"{name}_of_volume", table.c.volume_id, table.c.created_at, table.c.id)
    return table


SNAPSHOTS = Projection("snapshots", version=1, build=_table)

BEGUN, DONE = "0%", "100%"
"""What is shown of the progress: no backend tells more of what takes it an instant."""


# How events change it


_LEADS_TO = SNAPSHOT.targets()


@SNAPSHOTS.projects(snapshot.Requested)
def requested(recorded: Recorded[snapshot.Requested]) -> Put:
    event, state = recorded.event, _LEADS_TO["requested"]
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "project_id": event.project_id,
            "user_id": event.user_id,
            "volume_id": UUID(event.volume_id),
            "volume_type_id": UUID(event.volume_type_id),
            "name": event.name,
            "description": event.description,
            "size_gib": event.size_gib,
            "status": VISIBLE_STATUS[state],
            "progress": BEGUN,
            "availability_zone": event.availability_zone,
            "metadata": event.metadata,
            "host": event.host,
            "provider_id": None,
            "created_at": recorded.moment.at,
            "updated_at": None,
            "version": recorded.version,
            "state": state,
        },
    )


@SNAPSHOTS.projects(snapshot.Created)
def created(recorded: Recorded[snapshot.Created]) -> Patch:
    return _changed(recorded, provider_id=recorded.event.provider_id, progress=DONE)


@SNAPSHOTS.projects(snapshot.ResetToAvailable)
def said_to_be_well(recorded: Recorded[snapshot.ResetToAvailable]) -> Patch:
    return _changed(recorded, progress=DONE)


@SNAPSHOTS.projects(snapshot.Described)
def described(recorded: Recorded[snapshot.Described]) -> Patch:
    return _changed(recorded, name=recorded.event.name, description=recorded.event.description)


@SNAPSHOTS.projects(snapshot.MetadataChanged)
def metadata_changed(recorded: Recorded[snapshot.MetadataChanged]) -> Patch:
    return _changed(recorded, metadata=recorded.event.metadata)


@SNAPSHOTS.projects(snapshot.Transferred)
def transferred(recorded: Recorded[snapshot.Transferred]) -> Patch:
    event = recorded.event
    return _changed(recorded, project_id=event.project_id, user_id=event.user_id)


@SNAPSHOTS.projects(snapshot.Retyped)
def retyped(recorded: Recorded[snapshot.Retyped]) -> Patch:
    return _changed(recorded, volume_type_id=UUID(recorded.event.volume_type_id))


@SNAPSHOTS.projects(snapshot.Deleted)
def deleted(recorded: Recorded[snapshot.Deleted]) -> Drop:
    return Drop(recorded.aggregate_id)


@SNAPSHOTS.projects_others("snapshot")
def moved(recorded: Recorded[Event]) -> Patch:
    """Of the other events only the state can be seen."""
    return _changed(recorded)


def _changed(recorded: Recorded[Any], **values: Any) -> Patch:
    values["version"], values["updated_at"] = recorded.version, recorded.moment.at
    state = _LEADS_TO.get(recorded.event.verb)
    if state is not None:
        values["state"], values["status"] = state, VISIBLE_STATUS[state]
    return Patch(recorded.aggregate_id, values)


# Queries. Each takes the connection and the tables that `Views.read` provides.


class SnapshotRow(msgspec.Struct, frozen=True):
    """One snapshot. Times in UTC; `status` is the visible side of `state`."""

    id: UUID
    project_id: str
    user_id: str
    volume_id: UUID
    volume_type_id: UUID
    name: str | None
    description: str | None
    size_gib: int
    status: str
    progress: str
    availability_zone: str | None
    metadata: dict[str, str]
    host: str
    provider_id: str | None
    created_at: datetime
    updated_at: datetime | None
    version: int
    state: str


SNAPSHOT_LIST = Listing(
    SNAPSHOTS,
    SnapshotRow,
    "snapshot",
    hidden=("metadata",),
    words={
        "size": "size_gib",
        "volume_size": "size_gib",
        "display_name": "name",
        "display_description": "description",
    },
    same={"consumes_quota": True, "group_snapshot_id": None, "cgsnapshot_id": None},
)
find, page, count = SNAPSHOT_LIST.find, SNAPSHOT_LIST.page, SNAPSHOT_LIST.count
