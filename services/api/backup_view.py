"""A backup as the API shows it: which fields, from which microversion, to whom (api.md 11)."""

import msgspec
from msgspec import UNSET, UnsetType

from projections.backups import BackupRow
from services.api import microversions, rules
from services.api.call import Call
from services.api.volume_view import Link, linker, time


class BackupSummary(msgspec.Struct):
    """A backup in the short list, and as an answer to whoever asked for it."""

    id: str
    name: str | None
    links: list[Link]


class BackupDetail(
    msgspec.Struct, kw_only=True, rename={"project": "os-backup-project-attr:project_id"}
):
    """A backup. What has no microversion or role yet is left out, not null."""

    id: str
    name: str | None
    description: str | None
    status: str
    size: int
    object_count: int
    availability_zone: str | None
    container: str
    created_at: str
    updated_at: str | None
    fail_reason: str | None
    volume_id: str
    snapshot_id: str | None
    data_timestamp: str
    is_incremental: bool
    has_dependent_backups: bool
    links: list[Link]
    metadata: dict[str, str] | UnsetType = UNSET
    project: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    encryption_key_id: str | UnsetType = UNSET
    """Of what holds what an encrypted volume did."""


def summary(call: Call, id: str, name: str | None) -> BackupSummary:
    """The short form."""
    return BackupSummary(id, name, linker(call, "backups")(id))


def detail(call: Call, row: BackupRow) -> BackupDetail:
    """All that the caller may see."""
    id = str(row.id)
    shown = BackupDetail(
        id=id,
        name=row.name,
        description=row.description,
        status=row.status,
        size=row.size_gib,
        object_count=row.object_count,
        availability_zone=row.availability_zone,
        container=row.container,
        created_at=time(row.created_at),
        updated_at=None if row.updated_at is None else time(row.updated_at),
        fail_reason=row.fail_reason,
        volume_id=str(row.volume_id),
        snapshot_id=None if row.snapshot_id is None else str(row.snapshot_id),
        data_timestamp=time(row.content_at),
        is_incremental=row.parent_id is not None,
        has_dependent_backups=row.has_increments,
        links=linker(call, "backups")(id),
    )
    if call.has(microversions.BACKUP_METADATA):
        shown.metadata = row.metadata
    if call.has(microversions.BACKUP_PROJECT) and call.allows(rules.BACKUP_PROJECT):
        shown.project = row.project_id
    if call.has(microversions.BACKUP_USER) and call.allows(rules.BACKUP_PROJECT):
        shown.user_id = row.user_id
    if call.has(microversions.ENCRYPTION_KEY_ID) and row.encryption_key_id is not None:
        shown.encryption_key_id = row.encryption_key_id
    return shown
