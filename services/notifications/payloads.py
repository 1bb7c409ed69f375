"""What notifications say, in Cinder's field names (spec scheduler-and-drivers, section 11)."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from domain.event import Event, Recorded
from domain.machines.snapshot import VISIBLE_STATUS
from domain.machines.volume import visible_status

Row = dict[str, Any]
"""Something as lists show it, by column."""


class Seen(msgspec.Struct, frozen=True):
    """An event, and what it happened to just before and after."""

    recorded: Recorded[Any]
    before: Row
    after: Row

    @property
    def event(self) -> Event:
        """What happened."""
        event: Event = self.recorded.event
        return event


class Pair(msgspec.Struct, frozen=True):
    """One entry of metadata."""

    key: str
    value: str


class VolumeNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A volume. Times are ISO 8601 in UTC."""

    tenant_id: str
    """its project"""
    user_id: str
    """who asked for it"""
    host: str | None
    """`host@backend#pool`"""
    availability_zone: str | None
    """where it is, or where it was asked for"""
    volume_id: str
    """its id"""
    volume_type: str
    """id of its type"""
    display_name: str | None
    """what its user calls it"""
    launched_at: str
    """when it became usable; before that, the time of the notification, as in Cinder"""
    created_at: str
    """when it was asked for"""
    status: str
    """as the API shows it; `deleted` at the end"""
    snapshot_id: str | None
    """what it was made from"""
    size: int
    """GiB"""
    replication_status: str | None = None
    """for Cinder's consumers: always null"""
    replication_extended_status: str | None = None
    """for Cinder's consumers: always null"""
    replication_driver_data: str | None = None
    """for Cinder's consumers: always null"""
    metadata: list[Pair]
    """all of it"""
    volume_attachment: list[dict[str, Any]]
    """all of its attachments"""
    reason: str | UnsetType = UNSET
    """why it failed; in errors only, and not in Cinder's"""


class SchedulerState(msgspec.Struct, frozen=True):
    """What became of the volume."""

    status: str


class SnapshotNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot. Times are ISO 8601 in UTC."""

    tenant_id: str
    """its project"""
    user_id: str
    """who asked for it"""
    availability_zone: str | None
    """where its volume is"""
    volume_id: str
    """the volume that it is of"""
    volume_size: int
    """how large that was, in GiB"""
    snapshot_id: str
    """its id"""
    display_name: str | None
    """what its user calls it"""
    created_at: str
    """when it was asked for"""
    status: str
    """as the API shows it; `deleted` at the end"""
    deleted: bool
    """whether it is gone"""
    metadata: str
    """all of it, as JSON"""
    reason: str | UnsetType = UNSET
    """why it failed; in errors only, and not in Cinder's"""


class SnapshotSchedulerNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that the pool of its volume had no room for."""

    request_spec: dict[str, Any]
    """what was asked of the scheduler"""
    snapshot_id: str
    """its id"""
    state: SchedulerState
    """what became of it"""
    method: str
    """`create_snapshot`"""
    reason: str
    """why not"""


class SchedulerNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A request that no pool could take."""

    request_spec: dict[str, Any]
    """what was asked of the scheduler"""
    volume_properties: dict[str, Any]
    """the volume, as far as the scheduler is concerned"""
    volume_id: str
    """its id"""
    state: SchedulerState
    """what became of it"""
    method: str
    """`create_volume`, `extend_volume`, `retype` or `migrate_volume_to_host`"""
    reason: str
    """why not"""


def the_volume(seen: Seen) -> VolumeNotice:
    """The volume as it is now."""
    return _volume(seen.after, seen.recorded.moment.at)


def the_volume_before(seen: Seen) -> VolumeNotice:
    """The volume as it was before this changed it."""
    return _volume(seen.before, seen.recorded.moment.at)


def the_failure(seen: Seen) -> VolumeNotice:
    """The volume as it is now, and why what was tried failed."""
    reason: str = seen.recorded.event.reason
    return msgspec.structs.replace(the_volume(seen), reason=reason)


def the_snapshot(seen: Seen) -> SnapshotNotice:
    """The snapshot as it is now."""
    return _snapshot(seen.after)


def the_snapshot_before(seen: Seen) -> SnapshotNotice:
    """The snapshot as it was before this changed it."""
    return _snapshot(seen.before)


def the_snapshots_failure(seen: Seen) -> SnapshotNotice:
    """The snapshot as it is now, and why what was tried failed."""
    reason: str = seen.recorded.event.reason
    return msgspec.structs.replace(the_snapshot(seen), reason=reason)


def snapshot_refused(seen: Seen) -> SnapshotSchedulerNotice:
    """A snapshot that its pool has no room for."""
    row, event = seen.after, seen.recorded.event
    return SnapshotSchedulerNotice(
        request_spec={
            "snapshot_id": str(row["id"]),
            "volume_id": str(row["volume_id"]),
            "size_gib": row["size_gib"],
            "places": [event.host],
        },
        snapshot_id=str(row["id"]),
        state=SchedulerState(_snapshot_status(row)),
        method="create_snapshot",
        reason=event.reason,
    )


def creation_refused(seen: Seen) -> SchedulerNotice:
    """A volume that was not placed."""
    asked: dict[str, Any] | None = msgspec.to_builtins(seen.recorded.event.decision.request)
    return _refused(seen, "create_volume", asked or {})  # nothing where nobody came to decide


def extension_refused(seen: Seen) -> SchedulerNotice:
    """A volume that its pool has no room to extend."""
    return _refused(seen, "extend_volume", {"places": [seen.recorded.event.host]})


def retype_refused(seen: Seen) -> SchedulerNotice:
    """A volume that no pool can take as one of another type."""
    return _refused(seen, "retype", {"places": [seen.recorded.event.host]})


def migration_refused(seen: Seen) -> SchedulerNotice:
    """A volume that cannot go where an administrator wants it."""
    return _refused(seen, "migrate_volume_to_host", {"places": [seen.recorded.event.host]})


def _refused(seen: Seen, method: str, asked: dict[str, Any]) -> SchedulerNotice:
    row = seen.after
    return SchedulerNotice(
        request_spec={"volume_id": str(row["id"]), **asked},
        volume_properties={
            "size": row["size_gib"],
            "project_id": row["project_id"],
            "user_id": row["user_id"],
            "display_name": row["name"],
            "display_description": row["description"],
            "availability_zone": row["availability_zone"],
            "volume_type_id": str(row["volume_type_id"]),
            "metadata": row["metadata"],
        },
        volume_id=str(row["id"]),
        state=SchedulerState(_status(row)),
        method=method,
        reason=seen.recorded.event.reason,
    )


def _status(row: Row) -> str:
    return visible_status(row["state"], row["operation"], row["attach_status"])


def _snapshot_status(row: Row) -> str:
    return VISIBLE_STATUS[row["state"]]


def _snapshot(row: Row) -> SnapshotNotice:
    return SnapshotNotice(
        tenant_id=row["project_id"],
        user_id=row["user_id"],
        availability_zone=row["availability_zone"],
        volume_id=str(row["volume_id"]),
        volume_size=row["size_gib"],
        snapshot_id=str(row["id"]),
        display_name=row["name"],
        created_at=row["created_at"].isoformat(),
        status=_snapshot_status(row),
        deleted=row["state"] == "deleted",
        metadata=msgspec.json.encode(row["metadata"]).decode(),
    )


def _volume(row: Row, at: datetime) -> VolumeNotice:
    return VolumeNotice(
        tenant_id=row["project_id"],
        user_id=row["user_id"],
        host=row["host"],
        availability_zone=row["availability_zone"],
        volume_id=str(row["id"]),
        volume_type=str(row["volume_type_id"]),
        display_name=row["name"],
        launched_at=(row["launched_at"] or at).isoformat(),
        created_at=row["created_at"].isoformat(),
        status=_status(row),
        snapshot_id=None if row["snapshot_id"] is None else str(row["snapshot_id"]),
        size=row["size_gib"],
        metadata=[Pair(key, value) for key, value in row["metadata"].items()],
        volume_attachment=row.get("attachments", []),
    )
