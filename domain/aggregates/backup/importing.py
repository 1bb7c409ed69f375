"""Taking over a backup that another installation has made, in a store that both can reach."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.aggregates.backup.backup import Backup
from domain.aggregates.backup.encryption import check_key
from domain.aggregates.backup.events import Imported, ImportFailed, ImportRequested, Parent
from domain.encryption import Encryption
from domain.errors import InvalidRequest
from domain.event import Moment
from domain.lifecycle import NEW


class Record(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is exported of a backup, and enough to import it. GiB."""

    id: UUID
    volume_id: UUID
    size_gib: int
    container: str
    parent: Parent | None = None
    content_at: datetime
    availability_zone: str
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    encryption: Encryption | None = None
    encryption_key_id: str | None = None
    """By which what it holds can be read; who imports it gets a key that is equal to that."""


def record_of(backup: Backup) -> Record:
    """Of one that is available. Raises NotAllowed."""
    backup.check_available("export")
    assert backup.content_at is not None
    return Record(
        id=backup.id,
        volume_id=UUID(backup.volume_id),
        size_gib=backup.size_gib,
        container=backup.container,
        parent=backup.parent,
        content_at=backup.content_at,
        availability_zone=backup.availability_zone,
        name=backup.name,
        description=backup.description,
        metadata=backup.metadata,
        encryption=backup.encryption,
        encryption_key_id=backup.encryption_key_id,
    )


def request(
    backup: Backup,
    record: Record,
    *,
    project_id: str,
    user_id: str,
    reservation_id: UUID,
    key: UUID,
    parent: Backup | None = None,
    at: Moment,
) -> None:
    """Takes over what a record tells of, under its id; it must be paid for in the same append, and
    the `key` that it needs be asked for, if it needs one.

    Raises InvalidRequest if there is one, or was, since its content was deleted with it; and for
    an incremental one whose `parent` is not here and available.
    """
    if backup.state == "deleted":
        raise InvalidRequest(f"Backup {backup.id} was deleted, and its content with it.")
    if backup.state != NEW:
        raise InvalidRequest(f"Backup {backup.id} is here already.")
    if record.size_gib < 1:
        raise InvalidRequest(f"Backup {backup.id} cannot be of {record.size_gib} GiB.")
    if (record.encryption is None) != (record.encryption_key_id is None):
        raise InvalidRequest(f"Backup {backup.id} is encrypted, or is not: its record says both.")
    if record.parent is not None and (
        parent is None or str(parent.id) != record.parent.id or parent.status != "available"
    ):
        raise InvalidRequest(
            f"Backup {backup.id} goes on from backup {record.parent.id}: import that first."
        )
    backup.record(
        ImportRequested(
            project_id=project_id,
            user_id=user_id,
            volume_id=str(record.volume_id),
            availability_zone=record.availability_zone,
            size_gib=record.size_gib,
            name=record.name,
            description=record.description,
            metadata=record.metadata,
            container=record.container,
            parent=record.parent,
            content_at=record.content_at,
            reservation_id=str(reservation_id),
            encryption=record.encryption,
            key=None if record.encryption is None else str(key),
        ),
        at,
    )


def finish(backup: Backup, *, object_count: int, stored_bytes: int, at: Moment) -> None:
    """The store has it, as the record says. Raises NotAllowed if that is known, and while it
    waits for its key."""
    check_key(backup)
    backup.record(
        Imported(volume_id=backup.volume_id, object_count=object_count, stored_bytes=stored_bytes),
        at,
    )


def fail(backup: Backup, reason: str, at: Moment) -> None:
    """The store does not have it, or nobody looked. Raises NotAllowed as `finish`."""
    backup.record(ImportFailed(volume_id=backup.volume_id, parent=backup.parent, reason=reason), at)
