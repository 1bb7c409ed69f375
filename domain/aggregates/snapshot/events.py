"""What happens to every snapshot."""

from domain.event import Event, event


@event("snapshot.requested", version=3)
class Requested(Event, frozen=True):
    """A user asked for a snapshot of a volume, and quota for it was reserved in the same append."""

    project_id: str
    user_id: str
    volume_id: str
    volume_type_id: str
    host: str
    """Where the volume is, and the snapshot is to be: `host@backend#pool`."""
    availability_zone: str | None
    size_gib: int
    name: str | None
    description: str | None
    metadata: dict[str, str]
    reservation_id: str
    counts_gigabytes: bool
    """Whether its size counts for the quota of gigabytes, and not only the snapshot for that of
    snapshots."""
    bootable: bool | None
    """Whether the volume could be booted from then; null: an older version did not keep that."""
    image_metadata: dict[str, str] | None
    """What the volume remembered of its image then; null: as above."""


@event("snapshot.placed")
class Placed(Event, frozen=True):
    """The pool of its volume has the room. GiB; `ceiling_gib` is all that the pool may promise,
    None: no end."""

    host: str
    volume_id: str
    project_id: str
    size_gib: int
    ceiling_gib: float | None


@event("snapshot.placement_failed")
class PlacementFailed(Event, frozen=True):
    """The pool of its volume has no room for it, or nobody decided."""

    host: str
    reason: str


@event("snapshot.creation_started")
class CreationStarted(Event, frozen=True):
    """A worker of the backend claimed the work; a later attempt supersedes an earlier one."""

    host: str
    worker: str
    attempt: int


@event("snapshot.created")
class Created(Event, frozen=True):
    """The backend holds it; volumes can be made from it."""

    host: str
    attempt: int
    provider_id: str | None


@event("snapshot.creation_failed")
class CreationFailed(Event, frozen=True):
    """The backend could not make it, or did not begin to."""

    host: str
    attempt: int
    reason: str


@event("snapshot.cancellation_requested")
class CancellationRequested(Event, frozen=True):
    """A user insisted that it be deleted while a worker is still making it."""

    host: str


@event("snapshot.creation_cancelled")
class CreationCancelled(Event, frozen=True):
    """The worker that was making it is done, or no longer waited for, for that `reason`; deletion
    may begin."""

    host: str
    attempt: int
    reason: str | None


@event("snapshot.deletion_requested")
class DeletionRequested(Event, frozen=True):
    """A user asked that it be deleted."""

    host: str
    forced: bool


@event("snapshot.backup_begun")
class BackupBegun(Event, frozen=True):
    """A backup of what it holds was asked for in the same append, and reads it."""

    backup_id: str


@event("snapshot.backup_ended")
class BackupEnded(Event, frozen=True):
    """That backup has read it, or is not made."""

    backup_id: str


@event("snapshot.deletion_started")
class DeletionStarted(Event, frozen=True):
    """A worker of the backend claimed the deletion."""

    host: str
    worker: str
    attempt: int


@event("snapshot.deleted")
class Deleted(Event, frozen=True):
    """It is gone, and its quota was released in the same append. `promised_gib` is what its pool
    had promised for it, which is free again."""

    host: str
    volume_id: str
    project_id: str
    size_gib: int
    promised_gib: int


@event("snapshot.deletion_failed")
class DeletionFailed(Event, frozen=True):
    """The backend could not delete it, or did not begin to."""

    host: str
    attempt: int
    reason: str


@event("snapshot.found_busy")
class FoundBusy(Event, frozen=True):
    """The backend says it is in use; it stays (Cinder's SnapshotIsBusy)."""

    host: str
    attempt: int
    reason: str


@event("snapshot.restoring_begun")
class RestoringBegun(Event, frozen=True):
    """Its volume is taken back to it."""

    volume_id: str


@event("snapshot.restoring_ended")
class RestoringEnded(Event, frozen=True):
    """Its volume holds what it does; older versions said so also when that failed."""

    volume_id: str


@event("snapshot.restoring_failed")
class RestoringFailed(Event, frozen=True):
    """Its volume could not be taken back to it; the snapshot is as it was."""

    volume_id: str
    reason: str


@event("snapshot.described")
class Described(Event, frozen=True):
    """Name and description from now on."""

    name: str | None
    description: str | None


@event("snapshot.metadata_changed")
class MetadataChanged(Event, frozen=True):
    """All metadata from now on."""

    metadata: dict[str, str]


@event("snapshot.reset_to_available")
class ResetToAvailable(Event, frozen=True):
    """An administrator says that it is well."""


@event("snapshot.reset_to_error")
class ResetToError(Event, frozen=True):
    """An administrator says that it is broken; what was under way is not waited for."""


@event("snapshot.reset_to_error_deleting")
class ResetToErrorDeleting(Event, frozen=True):
    """An administrator says that it could not be deleted."""


@event("snapshot.transferred")
class Transferred(Event, frozen=True):
    """It went along with its volume to another project, which pays for it from now on: quota was
    given back and taken in the same append."""

    old_project_id: str
    project_id: str
    user_id: str
    reservation_id: str


@event("snapshot.retyped")
class Retyped(Event, frozen=True):
    """Its volume is of another type, and so is it; quota was exchanged in the same append."""

    volume_type_id: str
    old_volume_type_id: str
    reservation_id: str
