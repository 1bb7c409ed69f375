"""What backups mean for a volume: one is made of it, or is put back into it (lifecycles 10)."""

from typing import Any

import msgspec

from domain.aggregates.volume.under_way import BackingUp, Restoring
from domain.aggregates.volume.volume import Volume, evolves
from domain.codec import upcasts
from domain.event import Event, Moment, event

RESTORED_FROM = "src_backup_id"
"""The key, among a volume's metadata, of the backup that it was restored from (Cinder's)."""


class RestoredKey(msgspec.Struct, frozen=True):
    """A key, by its name and as the key manager calls it."""

    name: str
    encryption_key_id: str


@event("volume.backup_begun")
class BackupBegun(Event, frozen=True):
    """A backup of it was asked for in the same append; nothing else is done to it until what that
    is to hold is kept apart."""

    backup_id: str


@event("volume.backup_ended")
class BackupEnded(Event, frozen=True):
    """It is what it was before: what the backup is to hold is kept apart, or none is made."""

    backup_id: str


@event("volume.restore_begun")
class RestoreBegun(Event, frozen=True):
    """It is to hold what a backup holds, which was asked to be restored in the same append."""

    backup_id: str


@event("volume.restored", version=2)
class Restored(Event, frozen=True):
    """It holds what the backup holds, and nothing else."""

    backup_id: str
    key: RestoredKey | None
    """The key that it has from now on; null: it is not encrypted."""


@upcasts("volume.restored", from_version=1)
def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Encrypted volumes had no backups."""
    return {**fields, "key": None}


@event("volume.restore_failed")
class RestoreFailed(Event, frozen=True):
    """It may hold what it held before, or a part of what it was to hold."""

    backup_id: str
    reason: str


@event("volume.restore_cancelled")
class RestoreCancelled(Event, frozen=True):
    """Somebody ended that; as after a failure."""

    backup_id: str
    reason: str


def begin(volume: Volume, backup_id: str, at: Moment, *, force: bool) -> None:
    """Raises NotAllowed unless it is available, or with `force` in use, and stays."""
    volume.check_stays("back up")
    (volume.check_free if force else volume.check_available)("back up")
    volume.record(BackupBegun(backup_id=backup_id), at)


def end(volume: Volume, backup_id: str, at: Moment) -> None:
    """Where it is not this backup that is made of it, nothing is recorded."""
    if volume.under_way == BackingUp(backup_id):
        volume.record(BackupEnded(backup_id=backup_id), at)


def begin_restore(volume: Volume, backup_id: str, at: Moment) -> None:
    """Raises NotAllowed unless it is available, and stays."""
    volume.check_stays("restore")
    volume.check_available("restore")
    volume.record(RestoreBegun(backup_id=backup_id), at)


def restored(volume: Volume, backup_id: str, at: Moment, *, key: RestoredKey | None = None) -> None:
    """Its metadata say so, too. Raises NotAllowed unless that was under way."""
    _check(volume, backup_id)
    volume.record(Restored(backup_id=backup_id, key=key), at)
    volume.change_metadata({**volume.metadata, RESTORED_FROM: backup_id}, at)


def restore_failed(volume: Volume, backup_id: str, reason: str, at: Moment) -> None:
    """Raises NotAllowed unless that was under way."""
    _check(volume, backup_id)
    volume.record(RestoreFailed(backup_id=backup_id, reason=reason), at)


def cancel_restore(volume: Volume, backup_id: str, reason: str, at: Moment) -> None:
    """Raises NotAllowed unless that was under way."""
    _check(volume, backup_id)
    volume.record(RestoreCancelled(backup_id=backup_id, reason=reason), at)


def _check(volume: Volume, backup_id: str) -> None:
    if volume.under_way != Restoring(backup_id):
        raise volume.not_allowed(f"end restoring backup {backup_id}")


@evolves(BackupBegun)
def _begun(volume: Volume, event: BackupBegun, at: Moment) -> None:
    volume.under_way = BackingUp(event.backup_id)


@evolves(RestoreBegun)
def _restoring(volume: Volume, event: RestoreBegun, at: Moment) -> None:
    volume.under_way = Restoring(event.backup_id)
    volume.keeps_image_near = None  # it may hold something else from now on


@evolves(Restored)
def _restored(volume: Volume, event: Restored, at: Moment) -> None:
    volume.under_way = None
    if event.key is not None:
        volume.key_name, volume.encryption_key_id = event.key.name, event.key.encryption_key_id


@evolves(BackupEnded, RestoreFailed, RestoreCancelled)
def _over(volume: Volume, event: Event, at: Moment) -> None:
    volume.under_way = None
