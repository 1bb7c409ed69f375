"""What notifications say of backups, in Cinder's field names."""

import msgspec
from msgspec import UNSET, UnsetType

from domain.machines.backup import VISIBLE_STATUS
from services.notifications.payloads import Row, Seen


class BackupNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A backup. Times are ISO 8601 in UTC."""

    tenant_id: str
    """its project"""
    user_id: str
    """who asked for it"""
    availability_zone: str | None
    """where its volume was"""
    backup_id: str
    """its id"""
    host: str | None
    """`host@backend#pool` of its volume; null: another installation made it"""
    display_name: str | None
    """what its user calls it"""
    created_at: str
    """when it was asked for"""
    status: str
    """as the API shows it; `deleted` at the end"""
    volume_id: str
    """what it is of"""
    size: int
    """GiB of its volume"""
    service_metadata: str
    """its container"""
    service: str = "lapilli"
    """what keeps it"""
    fail_reason: str | None
    """why it is not well"""
    parent_id: str | None
    """the backup that it goes on from"""
    snapshot_id: str | None
    """the snapshot that it was read from"""
    progress_percent: int | UnsetType = UNSET
    """how far it has come; in createprogress only, and not in Cinder's"""


def the_backup(seen: Seen) -> BackupNotice:
    """The backup as it is now."""
    return _backup(seen.after)


def the_backup_before(seen: Seen) -> BackupNotice:
    """The backup as it was before this changed it."""
    return _backup(seen.before)


def the_failure(seen: Seen) -> BackupNotice:
    """The backup as it is now, and why what was tried failed."""
    return msgspec.structs.replace(_backup(seen.after), fail_reason=seen.recorded.event.reason)


def the_progress(seen: Seen) -> BackupNotice:
    """The backup as it is now, and how far it has come."""
    percent: int = seen.recorded.event.percent
    return msgspec.structs.replace(_backup(seen.after), progress_percent=percent)


def _backup(row: Row) -> BackupNotice:
    return BackupNotice(
        tenant_id=row["project_id"],
        user_id=row["user_id"],
        availability_zone=row["availability_zone"],
        backup_id=str(row["id"]),
        host=row["host"],
        display_name=row["name"],
        created_at=row["created_at"].isoformat(),
        status=VISIBLE_STATUS[row["state"]],
        volume_id=str(row["volume_id"]),
        size=row["size_gib"],
        service_metadata=row["container"],
        fail_reason=row["fail_reason"],
        parent_id=None if row["parent_id"] is None else str(row["parent_id"]),
        snapshot_id=None if row["snapshot_id"] is None else str(row["snapshot_id"]),
    )
