"""Encryption of volume types as it can be asked for: the table, how events change it, the query."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Uuid, select

from domain.aggregates import volume_type
from domain.encryption import Encryption
from domain.event import Recorded
from projections.columns import Instant, words
from projections.projection import Drop, Patch, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("encryption_id", Uuid, nullable=False),
        Column("provider", words(), nullable=False),
        Column("control_location", words(), nullable=False),
        Column("cipher", words()),
        Column("key_size", Integer),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant),
    )


TYPE_ENCRYPTIONS = Projection("type_encryptions", version=1, build=_table)
"""The key is that of the type, which has one encryption at most."""


@TYPE_ENCRYPTIONS.projects(volume_type.EncryptionAdded)
def added(recorded: Recorded[volume_type.EncryptionAdded]) -> Put:
    event = recorded.event
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "encryption_id": UUID(event.encryption_id),
            **_columns(event.encryption),
            "created_at": recorded.moment.at,
            "updated_at": None,
        },
    )


@TYPE_ENCRYPTIONS.projects(volume_type.EncryptionChanged)
def changed(recorded: Recorded[volume_type.EncryptionChanged]) -> Patch:
    values = {**_columns(recorded.event.encryption), "updated_at": recorded.moment.at}
    return Patch(recorded.aggregate_id, values)


@TYPE_ENCRYPTIONS.projects(volume_type.EncryptionRemoved, volume_type.Deleted)
def removed(recorded: Recorded[Any]) -> Drop:
    return Drop(recorded.aggregate_id)


def _columns(encryption: Encryption) -> dict[str, Any]:
    return msgspec.structs.asdict(encryption)


class TypeEncryptionRow(msgspec.Struct, frozen=True):
    """How the volumes of a type are encrypted. Times in UTC; `key_size` in bits."""

    volume_type_id: UUID
    encryption_id: UUID
    provider: str
    control_location: str
    cipher: str | None
    key_size: int | None
    created_at: datetime
    updated_at: datetime | None


def find(connection: Connection, tables: Tables, volume_type_id: UUID) -> TypeEncryptionRow | None:
    """That of a type, if its volumes are encrypted."""
    table = tables[TYPE_ENCRYPTIONS.name]
    statement = select(table).where(table.c.id == volume_type_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else TypeEncryptionRow(*row)
