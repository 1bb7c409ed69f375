"""Volumes as they can be asked for: the table, how events change it, and the queries."""

from collections.abc import Mapping
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
    Table,
    Uuid,
    case,
    column,
    func,
    literal_column,
    or_,
    select,
)

from domain.aggregates import move, volume
from domain.aggregates.volume import backing_up, encryption
from domain.aggregates.volume.attachment import DETACHED
from domain.event import Event, Recorded
from domain.lifecycle import IDLE
from domain.machines.volume import VISIBLE_ATTACHMENT, VISIBLE_STATUS, VOLUME
from domain.machines.volume_operation import VISIBLE_OPERATION, VOLUME_OPERATION
from projections.columns import Instant, Pairs, each_pair, words
from projections.listing import Listing, Query
from projections.projection import Drop, Patch, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    table = Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("project_id", words(), nullable=False),
        Column("user_id", words(), nullable=False),
        Column("name", words()),
        Column("description", words()),
        Column("size_gib", Integer, nullable=False),
        Column("status", words(), Computed(_status(), persisted=True), nullable=False),
        Column("availability_zone", words()),
        Column("volume_type_id", Uuid, nullable=False),
        Column("metadata", Pairs, nullable=False),
        Column("host", words()),
        Column("bootable", Boolean, nullable=False),
        Column("readonly", Boolean),
        Column("image_metadata", Pairs, nullable=False),
        Column("provider_id", words()),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant),
        Column("launched_at", Instant),
        Column("version", Integer, nullable=False),
        Column("state", words(), nullable=False),
        Column("operation", words(), nullable=False),
        Column("attach_status", words(), nullable=False),
        Column("encrypted", Boolean, nullable=False),
        Column("encryption", Pairs),
        Column("encryption_key_id", words()),
        Column("migration_status", words()),
        Column("multiattach", Boolean, nullable=False),
        Column("snapshot_id", Uuid),
        Column("source_volid", Uuid),
    )
    Index(f"{name}_of_project", table.c.project_id, table.c.created_at, table.c.id)
    Index(f"{name}_newest", table.c.created_at, table.c.id)
    Index(f"{name}_by_status", table.c.status, table.c.created_at, table.c.id)
    Index(f"{name}_by_name", table.c.name, table.c.project_id, table.c.created_at, table.c.id)
    return table


def _status() -> ColumnElement[str]:
    """Cinder's status, which the database works out from what an event says: see the machine."""
    attached = _words_for(VISIBLE_ATTACHMENT, "attach_status")
    well = _words_for(VISIBLE_OPERATION, "operation", otherwise=attached)
    troubled = {state: shown for state, shown in VISIBLE_STATUS.items() if state != "available"}
    return _words_for(troubled, "state", otherwise=well)


def _words_for(
    shown: Mapping[str, str], name: str, otherwise: ColumnElement[str] | None = None
) -> ColumnElement[str]:
    pairs: list[tuple[ColumnElement[bool], ColumnElement[str]]] = [
        (column(name, words()) == literal_column(f"'{inside}'"), literal_column(f"'{outside}'"))
        for inside, outside in shown.items()
    ]
    return case(*pairs, else_=otherwise)


VOLUMES = Projection("volumes", version=10, build=_table)


# How events change it


_LEADS_TO = VOLUME.targets()
_OPERATION_AFTER = VOLUME_OPERATION.targets()


@VOLUMES.projects(volume.Requested)
def requested(recorded: Recorded[volume.Requested]) -> Put:
    event = recorded.event
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "project_id": event.project_id,
            "user_id": event.user_id,
            "name": event.name,
            "description": event.description,
            "size_gib": event.size_gib,
            "availability_zone": event.availability_zone,
            "volume_type_id": UUID(event.volume_type_id),
            "metadata": event.metadata,
            "host": None,
            "bootable": False,
            "readonly": None,
            "image_metadata": {},
            "provider_id": None,
            "created_at": recorded.moment.at,
            "updated_at": None,
            "launched_at": None,
            "version": recorded.version,
            "state": _LEADS_TO["requested"],
            "operation": IDLE,
            "encrypted": False,
            "encryption": None,
            "encryption_key_id": None,
            "migration_status": None,
            "attach_status": DETACHED,
            "multiattach": False,
            "snapshot_id": None,
            "source_volid": None,
        },
    )


@VOLUMES.projects(volume.SourceClaimed)
def source_claimed(recorded: Recorded[volume.SourceClaimed]) -> Patch:
    """It stays known for good what it was made from, under Cinder's names."""
    source = recorded.event.source
    shown = {"snapshot": "snapshot_id", "volume": "source_volid"}.get(source.kind)
    return _changed(recorded, **({shown: UUID(source.id)} if shown else {}))


@VOLUMES.projects(encryption.EncryptionFixed)
def encryption_fixed(recorded: Recorded[encryption.EncryptionFixed]) -> Patch:
    said = msgspec.structs.asdict(recorded.event.encryption)
    pairs = {name: str(value) for name, value in said.items() if value is not None}
    return _changed(recorded, encrypted=True, encryption=pairs)


@VOLUMES.projects(encryption.KeyMade)
def key_made(recorded: Recorded[encryption.KeyMade]) -> Patch:
    return _changed(recorded, encryption_key_id=recorded.event.encryption_key_id)


@VOLUMES.projects(backing_up.Restored)
def restored(recorded: Recorded[backing_up.Restored]) -> Patch:
    key = recorded.event.key
    values = {} if key is None else {"encryption_key_id": key.encryption_key_id}
    return _changed(recorded, **values)


@VOLUMES.projects(volume.Placed)
def placed(recorded: Recorded[volume.Placed]) -> Patch:
    event = recorded.event
    return _changed(recorded, host=event.host, availability_zone=event.availability_zone)


@VOLUMES.projects(volume.Rescheduled)
def rescheduled(recorded: Recorded[volume.Rescheduled]) -> Patch:
    return _changed(recorded, host=None, availability_zone=recorded.event.availability_zone)


@VOLUMES.projects(volume.Provisioned)
def provisioned(recorded: Recorded[volume.Provisioned]) -> Patch:
    return _changed(
        recorded, provider_id=recorded.event.provider_id, launched_at=recorded.moment.at
    )


@VOLUMES.projects(volume.extension.Extended)
def extended(recorded: Recorded[volume.extension.Extended]) -> Patch:
    return _changed(recorded, size_gib=recorded.event.size_gib)


@VOLUMES.projects(volume.moving.Moved)
def arrived(recorded: Recorded[volume.moving.Moved]) -> Patch:
    event = recorded.event
    return _changed(
        recorded,
        host=event.host,
        availability_zone=event.availability_zone,
        provider_id=event.provider_id,
        migration_status="success",
    )


@VOLUMES.projects(volume.retyping.Retyped)
def retyped(recorded: Recorded[volume.retyping.Retyped]) -> Patch:
    event = recorded.event
    return _changed(
        recorded, volume_type_id=UUID(event.volume_type_id), multiattach=event.multiattach
    )


@VOLUMES.projects(volume.retyping.RetypeFailed)
def retype_failed(recorded: Recorded[volume.retyping.RetypeFailed]) -> Patch:
    failed = {"migration_status": "error"} if recorded.event.migration_failed else {}
    return _changed(recorded, **failed)


@VOLUMES.projects(volume.migrating.MigrationRequested)
def migration_requested(recorded: Recorded[volume.migrating.MigrationRequested]) -> Patch:
    return _changed(recorded, migration_status="starting")


@VOLUMES.projects(volume.migrating.MigrationRefused, volume.migrating.MigrationFailed)
def migration_failed(recorded: Recorded[Event]) -> Patch:
    return _changed(recorded, migration_status="error")


@VOLUMES.projects(move.Started)
def move_started(recorded: Recorded[move.Started]) -> Patch | None:
    event = recorded.event
    if event.host == event.from_host:  # it is changed where it is
        return None
    return Patch(UUID(event.volume_id), {"migration_status": "migrating"})


@VOLUMES.projects(move.Copied)
def move_copied(recorded: Recorded[move.Copied]) -> Patch:
    return Patch(UUID(recorded.event.volume_id), {"migration_status": "completing"})


@VOLUMES.projects(volume.Described)
def described(recorded: Recorded[volume.Described]) -> Patch:
    return _changed(recorded, name=recorded.event.name, description=recorded.event.description)


@VOLUMES.projects(volume.MetadataChanged)
def metadata_changed(recorded: Recorded[volume.MetadataChanged]) -> Patch:
    return _changed(recorded, metadata=recorded.event.metadata)


@VOLUMES.projects(volume.properties.BootableChanged)
def bootable_changed(recorded: Recorded[volume.properties.BootableChanged]) -> Patch:
    return _changed(recorded, bootable=recorded.event.bootable)


@VOLUMES.projects(volume.properties.ReadonlyChanged)
def readonly_changed(recorded: Recorded[volume.properties.ReadonlyChanged]) -> Patch:
    return _changed(recorded, readonly=recorded.event.readonly)


@VOLUMES.projects(volume.properties.ImageMetadataChanged)
def image_metadata_changed(recorded: Recorded[volume.properties.ImageMetadataChanged]) -> Patch:
    return _changed(recorded, image_metadata=recorded.event.image_metadata)


@VOLUMES.projects(volume.offering.Transferred)
def transferred(recorded: Recorded[volume.offering.Transferred]) -> Patch:
    event = recorded.event
    return _changed(recorded, project_id=event.project_id, user_id=event.user_id)


@VOLUMES.projects(volume.MultiattachChanged)
def multiattach_changed(recorded: Recorded[volume.MultiattachChanged]) -> Patch:
    return _changed(recorded, multiattach=recorded.event.multiattach)


@VOLUMES.projects(volume.Deleted)
def deleted(recorded: Recorded[volume.Deleted]) -> Drop:
    return Drop(recorded.aggregate_id)


@VOLUMES.projects_others("volume")
def moved(recorded: Recorded[Event]) -> Patch:
    """Of the other events of a volume only the state can be seen, and whether it is attached."""
    return _changed(recorded)


def _changed(recorded: Recorded[Any], **values: Any) -> Patch:
    values["version"], values["updated_at"] = recorded.version, recorded.moment.at
    verb = recorded.event.verb
    if verb in _LEADS_TO:
        values["state"] = _LEADS_TO[verb]
    if verb in _OPERATION_AFTER:
        values["operation"] = _OPERATION_AFTER[verb]
    attach_status = getattr(recorded.event, "attach_status", None)
    if attach_status is not None:
        values["attach_status"] = attach_status
    return Patch(recorded.aggregate_id, values)


# Queries. Each takes the connection and the tables that `Views.read` provides.


class VolumeRow(msgspec.Struct, frozen=True):
    """One volume. Times in UTC; `status` is the visible side of `state`, `operation` and
    `attach_status`."""

    id: UUID
    project_id: str
    user_id: str
    name: str | None
    description: str | None
    size_gib: int
    status: str
    availability_zone: str | None
    volume_type_id: UUID
    metadata: dict[str, str]
    host: str | None
    bootable: bool
    readonly: bool | None
    image_metadata: dict[str, str]
    provider_id: str | None
    created_at: datetime
    updated_at: datetime | None
    launched_at: datetime | None
    version: int
    state: str
    operation: str
    attach_status: str
    encrypted: bool = False
    encryption: dict[str, str] | None = None
    """How, in Cinder's words; what its type left open is absent."""
    encryption_key_id: str | None = None
    migration_status: str | None = None
    multiattach: bool = False
    snapshot_id: UUID | None = None
    source_volid: UUID | None = None


class Summary(msgspec.Struct, frozen=True):
    """How many volumes, of how many GiB, and every metadata value by its key."""

    count: int
    size_gib: int
    metadata: dict[str, list[str]]


VOLUME_LIST = Listing(
    VOLUMES,
    VolumeRow,
    "volume",
    hidden=("metadata", "image_metadata", "encryption"),
    words={"size": "size_gib", "display_name": "name", "display_description": "description"},
    same={
        "cluster_name": None,
        "consistencygroup_id": None,
        "consumes_quota": True,
        "group_id": None,
        "replication_status": None,
        "service_uuid": None,
    },
)
find, page, count = VOLUME_LIST.find, VOLUME_LIST.page, VOLUME_LIST.count


def attached_on(
    connection: Connection, tables: Tables, backend: str, *, state: str | None = None
) -> list[UUID]:
    """The volumes of a backend (host@backend) that somebody has, or has asked for, or could not
    reach when it was looked at last; of those the ones in a state, if it is given."""
    table = tables[VOLUMES.name]
    statement = select(table.c.id).where(
        table.c.host.startswith(f"{backend}#", autoescape=True),
        or_(table.c.attach_status != DETACHED, table.c.state == "unreachable"),
    )
    if state is not None:
        statement = statement.where(table.c.state == state)
    return list(connection.scalars(statement))


def summary(connection: Connection, tables: Tables, query: Query) -> Summary:
    """Totals of all that match. Raises InvalidRequest as `page`."""
    table = tables[VOLUMES.name]
    totals = select(func.count(), func.coalesce(func.sum(table.c.size_gib), 0))
    number, size_gib = connection.execute(
        VOLUME_LIST.matching(connection, table, query, totals.select_from(table))
    ).one()
    pair = each_pair(connection, table.c["metadata"])
    pairs = select(pair.c.key, pair.c.value).distinct().order_by(pair.c.key, pair.c.value)
    values: dict[str, list[str]] = {}
    for key, value in connection.execute(
        VOLUME_LIST.matching(connection, table, query, pairs.select_from(table, pair))
    ):
        values.setdefault(key, []).append(value)
    return Summary(number, size_gib, values)
