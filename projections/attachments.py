"""Attachments as they can be asked for: the table, how events change it, and the queries."""

from collections.abc import Iterable
from datetime import datetime
from itertools import starmap
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Column, Connection, Index, Integer, MetaData, Table, Uuid, select

from domain.aggregates.volume import attaching, connecting, detaching
from domain.event import Recorded
from domain.machines.attachment import ATTACHMENT, VISIBLE
from projections.columns import Document, Instant, words
from projections.listing import Listing
from projections.projection import Drop, Patch, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    table = Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("volume_id", Uuid, nullable=False),
        Column("project_id", words(), nullable=False),
        Column("server_id", words()),
        Column("status", words(), nullable=False),
        Column("mode", words()),
        Column("node", words()),
        Column("device", words()),
        Column("connection", Document, nullable=False),
        Column("attached_at", Instant),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant),
        Column("volume_version", Integer, nullable=False),
    )
    Index(f"{name}_of_volume", table.c.volume_id, table.c.created_at, table.c.id)
    Index(f"{name}_of_project", table.c.project_id, table.c.created_at, table.c.id)
    return table


ATTACHMENTS = Projection("attachments", version=1, build=_table)
_STATUS = {event: VISIBLE[state] for event, state in ATTACHMENT.targets().items()}


# How events change it. What was never reserved or attached, but only connected by the action, has
# no row: a patch of it changes nothing.


@ATTACHMENTS.projects(attaching.AttachmentReserved)
def reserved(recorded: Recorded[attaching.AttachmentReserved]) -> Put:
    event = recorded.event
    return _new(recorded, server_id=event.server_id, mode=event.mode)


@ATTACHMENTS.projects(attaching.Attached)
def attached(recorded: Recorded[attaching.Attached]) -> Put:
    event = recorded.event
    return _new(
        recorded,
        server_id=event.server_id,
        mode=event.mode,
        node=event.node,
        device=event.device,
        attached_at=recorded.moment.at,
    )


@ATTACHMENTS.projects(connecting.Connected)
def connected(recorded: Recorded[connecting.Connected]) -> Patch:
    event = recorded.event
    return _changed(
        recorded,
        mode=event.mode,
        node=event.node,
        device=event.device,
        connection=event.connection,
        attached_at=recorded.moment.at,
    )


@ATTACHMENTS.projects(connecting.ConnectionFailed)
def failed(recorded: Recorded[connecting.ConnectionFailed]) -> Patch:
    return _changed(recorded, connection={})


@ATTACHMENTS.projects(
    connecting.ConnectionRequested,
    connecting.ConnectionStarted,
    connecting.ConnectorRefused,
    attaching.AttachmentCompleted,
    detaching.RemovalRequested,
    detaching.AttachmentAbandoned,
    detaching.DisconnectionStarted,
    detaching.DisconnectionFailed,
)
def moved(recorded: Recorded[Any]) -> Patch:
    return _changed(recorded)


@ATTACHMENTS.projects(detaching.AttachmentRemoved)
def removed(recorded: Recorded[detaching.AttachmentRemoved]) -> Drop:
    return Drop(UUID(recorded.event.attachment_id))


def _new(recorded: Recorded[Any], **values: Any) -> Put:
    event, id = recorded.event, UUID(recorded.event.attachment_id)
    row = {
        "id": id,
        "volume_id": recorded.aggregate_id,
        "project_id": event.project_id,
        "status": _STATUS[event.verb],
        "node": None,
        "device": None,
        "connection": {},
        "attached_at": None,
        "created_at": recorded.moment.at,
        "updated_at": None,
        "volume_version": recorded.version,
    }
    return Put(id, {**row, **values})


def _changed(recorded: Recorded[Any], **values: Any) -> Patch:
    values["status"] = _STATUS[recorded.event.verb]
    values["updated_at"], values["volume_version"] = recorded.moment.at, recorded.version
    return Patch(UUID(recorded.event.attachment_id), values)


# Queries. Each takes the connection and the tables that `Views.read` provides.


class AttachmentRow(msgspec.Struct, frozen=True):
    """One attachment. Times in UTC; `status` is Cinder's attach_status, `connection` its
    connection_info (empty: none)."""

    id: UUID
    volume_id: UUID
    project_id: str
    server_id: str | None
    status: str
    mode: str | None
    node: str | None
    device: str | None
    connection: dict[str, Any]
    attached_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
    volume_version: int


ATTACHMENT_LIST = Listing(
    ATTACHMENTS,
    AttachmentRow,
    "attachment",
    hidden=("connection",),
    words={
        "attach_status": "status",
        "instance_id": "server_id",
        "instance_uuid": "server_id",
        "attach_mode": "mode",
        "attached_host": "node",
        "mountpoint": "device",
        "attach_time": "attached_at",
    },
)
find, page = ATTACHMENT_LIST.find, ATTACHMENT_LIST.page


def of_volumes(
    connection: Connection, tables: Tables, volume_ids: Iterable[UUID]
) -> dict[UUID, list[AttachmentRow]]:
    """The attachments of each of these volumes that has any, the oldest first."""
    table = tables[ATTACHMENTS.name]
    statement = (
        select(table)
        .where(table.c.volume_id.in_(list(volume_ids)))
        .order_by(table.c.created_at, table.c.id)
    )
    found: dict[UUID, list[AttachmentRow]] = {}
    for row in starmap(AttachmentRow, connection.execute(statement)):
        found.setdefault(row.volume_id, []).append(row)
    return found
