"""A snapshot as the API shows it: which fields, from which microversion, to whom (api.md 4)."""

import msgspec
from msgspec import UNSET, UnsetType

from projections.snapshots import SnapshotRow
from services.api import microversions, rules
from services.api.call import Call
from services.api.volume_view import time


class SnapshotDetail(
    msgspec.Struct,
    kw_only=True,
    rename={
        "project": "os-extended-snapshot-attributes:project_id",
        "progress": "os-extended-snapshot-attributes:progress",
    },
):
    """A snapshot. What has no microversion or role yet is left out, not null."""

    id: str
    name: str | None
    description: str | None
    volume_id: str
    status: str
    size: int
    created_at: str
    updated_at: str | None
    metadata: dict[str, str]
    group_snapshot_id: str | UnsetType | None = UNSET
    user_id: str | UnsetType = UNSET
    consumes_quota: bool | UnsetType = UNSET
    project: str | UnsetType = UNSET
    progress: str | UnsetType = UNSET


def detail(call: Call, row: SnapshotRow, *, extended: bool = True) -> SnapshotDetail:
    """The snapshot for this caller. `extended`: with os-… attributes, as in show and detail."""
    shown = SnapshotDetail(
        id=str(row.id),
        name=row.name,
        description=row.description,
        volume_id=str(row.volume_id),
        status=row.status,
        size=row.size_gib,
        created_at=time(row.created_at),
        updated_at=None if row.updated_at is None else time(row.updated_at),
        metadata=row.metadata,
    )
    if call.has(microversions.GROUP_SNAPSHOTS):
        shown.group_snapshot_id = None
    if call.has(microversions.SNAPSHOT_USER):
        shown.user_id = row.user_id
    if call.has(microversions.CONSUMES_QUOTA):
        shown.consumes_quota = True
    owner = row.project_id, row.user_id
    if extended and call.allows(rules.FIELD_SNAPSHOT_EXTENDED, owner):
        shown.project, shown.progress = row.project_id, row.progress
    return shown
