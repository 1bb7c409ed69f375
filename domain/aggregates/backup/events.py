"""What happens to every backup. Where an event has a `host`, the work is that of its backend: only
there the volume can be read, or written to."""

from datetime import datetime
from typing import Any

import msgspec

from domain.codec import upcasts
from domain.encryption import Encryption
from domain.event import Event, event


class Parent(msgspec.Struct, frozen=True):
    """The backup that an incremental one goes on from, and the container in which that is."""

    id: str
    container: str


@event("backup.requested", version=2)
class Requested(Event, frozen=True):
    """A user asked for a backup of a volume, and quota for it was reserved in the same append.

    `content_at` is of when the content is: of the snapshot's making, if it is of one.
    """

    project_id: str
    user_id: str
    volume_id: str
    snapshot_id: str | None
    host: str
    """Where the volume is: `host@backend#pool`."""
    availability_zone: str
    size_gib: int
    name: str | None
    description: str | None
    metadata: dict[str, str]
    container: str
    parent: Parent | None
    content_at: datetime
    reservation_id: str
    encryption: Encryption | None
    """How what it holds is encrypted; then it is made once it has a key of its own."""


@upcasts("backup.requested", from_version=1)
def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Of encrypted volumes none were made."""
    return {**fields, "encryption": None}


@upcasts("backup.import_requested", from_version=1)
def _imported_plain(fields: dict[str, Any]) -> dict[str, Any]:
    """As `_plain`."""
    return {**fields, "encryption": None, "key": None}


@event("backup.key_made")
class KeyMade(Event, frozen=True):
    """Its key is in the key manager, under this id; now it can be made, or looked for."""

    host: str | None
    encryption_key_id: str


@event("backup.creation_started")
class CreationStarted(Event, frozen=True):
    """A worker of the volume's backend claimed the work; a later attempt supersedes an earlier."""

    host: str
    worker: str
    attempt: int


@event("backup.progressed")
class Progressed(Event, frozen=True):
    """It has come that far. `object_count` and `stored_bytes` are what is stored of it."""

    attempt: int
    percent: int
    object_count: int
    stored_bytes: int


@event("backup.captured")
class Captured(Event, frozen=True):
    """What it is to hold is kept apart on the volume's backend, as of one moment, which is that of
    its content; the volume is free again by an event in the same append."""

    attempt: int
    content_at: datetime


@event("backup.created")
class Created(Event, frozen=True):
    """The store has all of it."""

    volume_id: str
    snapshot_id: str | None
    host: str
    attempt: int
    object_count: int
    stored_bytes: int


@event("backup.creation_failed")
class CreationFailed(Event, frozen=True):
    """It could not be made, or nobody began to. What is stored of it goes when it is deleted."""

    volume_id: str
    snapshot_id: str | None
    host: str
    parent: Parent | None
    attempt: int
    reason: str


@event("backup.import_requested", version=2)
class ImportRequested(Event, frozen=True):
    """Somebody has the record of a backup that another installation made, and quota for it was
    reserved in the same append. It is what the record says, if the store says the same."""

    project_id: str
    user_id: str
    volume_id: str
    availability_zone: str
    size_gib: int
    name: str | None
    description: str | None
    metadata: dict[str, str]
    container: str
    parent: Parent | None
    content_at: datetime
    reservation_id: str
    encryption: Encryption | None
    key: str | None
    """The name of the key that it is to have; null: what it holds is not encrypted."""


@event("backup.imported")
class Imported(Event, frozen=True):
    """The store has it, as the record says."""

    volume_id: str
    object_count: int
    stored_bytes: int


@event("backup.import_failed")
class ImportFailed(Event, frozen=True):
    """The store does not have it, or another one under its id."""

    volume_id: str
    parent: Parent | None
    reason: str


@event("backup.restore_requested", version=2)
class RestoreRequested(Event, frozen=True):
    """A user wants it back in a volume, which waits for that by an event in the same append."""

    volume_id: str
    host: str
    key: str | None
    """The name of the key that the volume is to have, which has to be made first; null: what the
    backup holds is not encrypted."""


@upcasts("backup.restore_requested", from_version=1)
def _restored_plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Of encrypted volumes there were none."""
    return {**fields, "key": None}


@event("backup.restore_key_made")
class RestoreKeyMade(Event, frozen=True):
    """The key that the volume is to have is in the key manager, under this id: it can be written
    to."""

    volume_id: str
    host: str
    encryption_key_id: str


@event("backup.restore_started")
class RestoreStarted(Event, frozen=True):
    """A worker of that volume's backend claimed the work."""

    volume_id: str
    host: str
    worker: str
    attempt: int


@event("backup.restored")
class Restored(Event, frozen=True):
    """The volume holds what it holds; the volume says so in the same append."""

    volume_id: str
    host: str
    attempt: int


@event("backup.restore_failed")
class RestoreFailed(Event, frozen=True):
    """It is not in the volume, or in part: the volume is in error by the same append."""

    volume_id: str
    host: str
    attempt: int
    reason: str


@event("backup.cancellation_requested")
class CancellationRequested(Event, frozen=True):
    """Somebody insisted that it be deleted while a worker is still making it."""


@event("backup.creation_cancelled")
class CreationCancelled(Event, frozen=True):
    """The worker that was making it is done, or no longer waited for, for that `reason`; deletion
    may begin."""

    volume_id: str
    snapshot_id: str | None
    host: str
    attempt: int
    reason: str | None


@event("backup.deletion_requested")
class DeletionRequested(Event, frozen=True):
    """A user asked that it be deleted."""

    forced: bool


@event("backup.deletion_started")
class DeletionStarted(Event, frozen=True):
    """A worker claimed the deletion."""

    worker: str
    attempt: int


@event("backup.deleted")
class Deleted(Event, frozen=True):
    """Nothing of it is left, and its quota was released in the same append."""

    project_id: str
    volume_id: str
    size_gib: int
    parent: Parent | None


@event("backup.deletion_failed")
class DeletionFailed(Event, frozen=True):
    """The store could not delete it."""

    attempt: int
    reason: str


@event("backup.deletion_given_up")
class DeletionGivenUp(Event, frozen=True):
    """Nobody began to delete it, or told whether that was done."""

    attempt: int
    reason: str


@event("backup.described")
class Described(Event, frozen=True):
    """Name and description from now on."""

    name: str | None
    description: str | None


@event("backup.metadata_changed")
class MetadataChanged(Event, frozen=True):
    """All metadata from now on."""

    metadata: dict[str, str]


@event("backup.reset_to_available")
class ResetToAvailable(Event, frozen=True):
    """An administrator says that it is well."""


@event("backup.reset_to_error")
class ResetToError(Event, frozen=True):
    """An administrator says that it is broken; what was under way was given up in that append."""
