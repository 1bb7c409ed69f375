"""Which of our events are told to others, under which of Cinder's event types, and with what."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_type_hints

import msgspec

from domain.aggregates import image_cache, snapshot, volume
from domain.aggregates.backup import events as backup
from domain.event import Event
from projections.backups import BACKUPS
from projections.projection import Projection
from projections.snapshots import SNAPSHOTS
from projections.volumes import VOLUMES
from services.notifications import backups
from services.notifications.image_cache import the_cached_image, the_wanted_image
from services.notifications.payloads import (
    Seen,
    creation_refused,
    extension_refused,
    migration_refused,
    retype_refused,
    snapshot_refused,
    the_failure,
    the_snapshot,
    the_snapshot_before,
    the_snapshots_failure,
    the_volume,
    the_volume_before,
)

Priority = Literal["INFO", "ERROR"]
Says = Callable[[Seen], msgspec.Struct]


class Notice(msgspec.Struct, frozen=True):
    """One notification: Cinder's event type, what it says, and its priority."""

    event_type: str
    says: Says
    priority: Priority

    @property
    def payload(self) -> type[msgspec.Struct]:
        """What `says` returns."""
        returned: type[msgspec.Struct] = get_type_hints(self.says)["return"]
        return returned


def tells(event_type: str, says: Says) -> Notice:
    """Something began, or went well."""
    return Notice(event_type, says, "INFO")


def warns(event_type: str, says: Says) -> Notice:
    """Something failed."""
    return Notice(event_type, says, "ERROR")


def at_once(
    operation: str, before: Says = the_volume_before, after: Says = the_volume
) -> Sequence[Notice]:
    """Something that begins and ends in one event: first as it was, then as it is."""
    return (tells(f"{operation}.start", before), tells(f"{operation}.end", after))


def to_a_snapshot(operation: str) -> Sequence[Notice]:
    """The same of what happens to a snapshot."""
    return at_once(f"snapshot.{operation}", the_snapshot_before, the_snapshot)


_RESET_BACKUP = (
    tells("backup.reset_status.start", backups.the_backup_before),
    tells("backup.reset_status.end", backups.the_backup),
)

# our event                  what is told because of it, in order
NOTICES: Mapping[type[Event], Sequence[Notice]] = {
    volume.Requested: [tells("volume.create.start", the_volume)],
    volume.Provisioned: [tells("volume.create.end", the_volume)],
    volume.ProvisioningFailed: [warns("volume.create.error", the_failure)],
    volume.imaging.DownloadFailed: [warns("volume.create.error", the_failure)],
    volume.encryption.KeyFailed: [warns("volume.create.error", the_failure)],
    volume.PlacementFailed: [
        warns("scheduler.create_volume", creation_refused),
        warns("volume.create.error", the_failure),
    ],
    volume.DeletionRequested: [tells("volume.delete.start", the_volume)],
    volume.CreationCancelled: [tells("volume.delete.start", the_volume)],
    volume.Deleted: [tells("volume.delete.end", the_volume)],
    volume.DeletionFailed: [warns("volume.delete.error", the_failure)],
    volume.FoundBusy: [warns("volume.delete.error", the_failure)],
    volume.extension.ExtensionRequested: [tells("volume.resize.start", the_volume)],
    volume.extension.ExtensionRefused: [
        warns("scheduler.extend_volume", extension_refused),
        warns("volume.resize.error", the_failure),
    ],
    volume.extension.Extended: [tells("volume.resize.end", the_volume)],
    volume.extension.ExtensionFailed: [warns("volume.resize.error", the_failure)],
    volume.attaching.Attached: at_once("volume.attach"),
    volume.attaching.AttachmentCompleted: at_once("volume.attach"),
    volume.connecting.ConnectionFailed: [warns("volume.attach.error", the_failure)],
    volume.connecting.ConnectorRefused: [warns("volume.attach.error", the_failure)],
    volume.detaching.RemovalRequested: [tells("volume.detach.start", the_volume)],
    volume.detaching.AttachmentRemoved: [tells("volume.detach.end", the_volume)],
    volume.detaching.DisconnectionFailed: [warns("volume.detach.error", the_failure)],
    volume.offering.Offered: at_once("volume.transfer.create"),
    volume.offering.OfferWithdrawn: at_once("volume.transfer.delete"),
    volume.offering.Transferred: at_once("volume.transfer.accept"),
    volume.resetting.ResetToAvailable: at_once("volume.reset_status"),
    volume.resetting.ResetToError: at_once("volume.reset_status"),
    volume.resetting.ResetToErrorDeleting: at_once("volume.reset_status"),
    volume.resetting.ResetToErrorExtending: at_once("volume.reset_status"),
    volume.retyping.RetypeRefused: [warns("scheduler.retype", retype_refused)],
    volume.retyping.Retyped: [tells("volume.retype", the_volume)],
    volume.migrating.MigrationRefused: [
        warns("scheduler.migrate_volume_to_host", migration_refused)
    ],
    backup.Requested: [tells("backup.create.start", backups.the_backup)],
    backup.ImportRequested: [tells("backup.create.start", backups.the_backup)],
    backup.Progressed: [tells("backup.createprogress", backups.the_progress)],
    backup.Created: [tells("backup.create.end", backups.the_backup)],
    backup.Imported: [tells("backup.create.end", backups.the_backup)],
    backup.CreationFailed: [warns("backup.create.error", backups.the_failure)],
    backup.ImportFailed: [warns("backup.create.error", backups.the_failure)],
    backup.RestoreRequested: [tells("backup.restore.start", backups.the_backup)],
    backup.Restored: [tells("backup.restore.end", backups.the_backup)],
    backup.RestoreFailed: [warns("backup.restore.error", backups.the_failure)],
    backup.DeletionRequested: [tells("backup.delete.start", backups.the_backup)],
    backup.CreationCancelled: [tells("backup.delete.start", backups.the_backup)],
    backup.Deleted: [tells("backup.delete.end", backups.the_backup)],
    backup.DeletionFailed: [warns("backup.delete.error", backups.the_failure)],
    backup.DeletionGivenUp: [warns("backup.delete.error", backups.the_failure)],
    backup.ResetToAvailable: _RESET_BACKUP,
    backup.ResetToError: _RESET_BACKUP,
    volume.reverting.ReversionRequested: [tells("volume.revert.start", the_volume)],
    volume.reverting.Reverted: [tells("volume.revert.end", the_volume)],
    volume.reverting.ReversionRefused: [warns("volume.revert.error", the_failure)],
    volume.reverting.ReversionFailed: [warns("volume.revert.error", the_failure)],
    volume.Described: at_once("volume.update"),
    volume.MetadataChanged: at_once("volume.update"),
    volume.CachedImageClaimed: [tells("image_volume_cache.hit", the_cached_image)],
    image_cache.EntryWanted: [tells("image_volume_cache.miss", the_wanted_image)],
    image_cache.EntryEvicted: [tells("image_volume_cache.evict", the_cached_image)],
    snapshot.Requested: [tells("snapshot.create.start", the_snapshot)],
    snapshot.PlacementFailed: [
        warns("scheduler.create_snapshot", snapshot_refused),
        warns("snapshot.create.error", the_snapshots_failure),
    ],
    snapshot.Created: [tells("snapshot.create.end", the_snapshot)],
    snapshot.CreationFailed: [warns("snapshot.create.error", the_snapshots_failure)],
    snapshot.DeletionRequested: [tells("snapshot.delete.start", the_snapshot)],
    snapshot.CreationCancelled: [tells("snapshot.delete.start", the_snapshot)],
    snapshot.Deleted: [tells("snapshot.delete.end", the_snapshot)],
    snapshot.DeletionFailed: [warns("snapshot.delete.error", the_snapshots_failure)],
    snapshot.FoundBusy: [warns("snapshot.delete.error", the_snapshots_failure)],
    snapshot.RestoringBegun: [tells("snapshot.revert.start", the_snapshot)],
    snapshot.RestoringEnded: [tells("snapshot.revert.end", the_snapshot)],
    snapshot.RestoringFailed: [warns("snapshot.revert.error", the_snapshots_failure)],
    snapshot.Described: to_a_snapshot("update"),
    snapshot.MetadataChanged: to_a_snapshot("update"),
    snapshot.ResetToAvailable: to_a_snapshot("reset_status"),
    snapshot.ResetToError: to_a_snapshot("reset_status"),
    snapshot.ResetToErrorDeleting: to_a_snapshot("reset_status"),
}

SILENT: Mapping[type[Event], str] = {
    volume.Placed: "creation is under way",
    volume.SourceClaimed: "creation is under way",
    volume.SourceReleased: "creation has ended, which is told",
    volume.CachedImageReleased: "creation is under way",
    volume.caching.ImageKept: "creation is under way",
    volume.CachedImageAwaited: "creation is under way",
    volume.ImageWaitEnded: "creation is under way",
    volume.ImageFetchEnded: "creation has ended, which is told",
    volume.ImageLetGo: "its eviction is told",
    volume.imaging.ImageChosen: "creation is under way",
    volume.imaging.DownloadProgressed: "creation is under way",
    volume.encryption.EncryptionFixed: "creation is under way",
    volume.encryption.KeyMade: "creation is under way",
    volume.ProvisioningStarted: "creation is under way",
    volume.Rescheduled: "creation goes on elsewhere",
    volume.CancellationRequested: "deletion starts once the creation has ended",
    volume.CascadeRequested: "deletion starts once its snapshots are gone",
    volume.DeletionStarted: "deletion is under way",
    volume.extension.ExtensionPlaced: "extension is under way",
    volume.extension.ExtensionStarted: "extension is under way",
    volume.reverting.ReversionStarted: "reverting is under way",
    volume.retyping.RetypeRequested: "told when it has happened",
    volume.retyping.RetypeFailed: "it is as it was",
    volume.migrating.MigrationRequested: "the place alone changes",
    volume.migrating.Locked: "the place alone changes",
    volume.moving.Moved: "the place alone changes",
    volume.migrating.Migrated: "the place alone changes",
    volume.migrating.MigrationFailed: "the place alone changes",
    volume.uploading.UploadRequested: "Cinder tells nothing of uploads",
    volume.uploading.UploadStarted: "Cinder tells nothing of uploads",
    volume.uploading.Uploaded: "Cinder tells nothing of uploads",
    volume.uploading.UploadFailed: "Cinder tells nothing of uploads",
    volume.holding.Reserved: "nothing is attached yet",
    volume.holding.ReservationEnded: "nothing is attached yet",
    volume.holding.DetachingBegun: "nothing is detached yet",
    volume.holding.DetachingEnded: "nothing is detached yet",
    volume.attaching.AttachmentReserved: "nothing is attached yet",
    volume.connecting.ConnectionRequested: "attaching is told when it is in use",
    volume.connecting.ConnectionStarted: "attaching is told when it is in use",
    volume.connecting.Connected: "attaching is told when it is in use",
    volume.detaching.AttachmentAbandoned: "it was of no use yet",
    volume.detaching.DisconnectionStarted: "detaching is under way",
    volume.exporting.ExportLost: "Cinder tells nothing of exports",
    volume.exporting.ExportRestored: "Cinder tells nothing of exports",
    volume.backing_up.BackupBegun: "the backup tells",
    volume.backing_up.BackupEnded: "the backup tells",
    volume.backing_up.RestoreBegun: "the backup tells",
    volume.backing_up.Restored: "the backup tells",
    volume.backing_up.RestoreFailed: "the backup tells",
    volume.backing_up.RestoreCancelled: "the backup tells",
    backup.CreationStarted: "creation is under way",
    backup.Captured: "creation is under way",
    backup.KeyMade: "creation is under way",
    volume.uploading.UploadKeyMade: "the upload is under way",
    backup.RestoreKeyMade: "restoring is under way",
    backup.RestoreStarted: "restoring is under way",
    backup.CancellationRequested: "deletion starts once the creation has ended",
    backup.DeletionStarted: "deletion is under way",
    backup.Described: "Cinder tells nothing of that",
    backup.MetadataChanged: "no payload shows it",
    volume.MultiattachChanged: "no payload shows it",
    volume.properties.BootableChanged: "no payload shows it",
    volume.properties.ReadonlyChanged: "no payload shows it",
    volume.properties.ImageMetadataChanged: "no payload shows it",
    snapshot.Placed: "creation is under way",
    snapshot.CreationStarted: "creation is under way",
    snapshot.CancellationRequested: "deletion starts once the creation has ended",
    snapshot.DeletionStarted: "deletion is under way",
    snapshot.Transferred: "told of its volume",
    snapshot.Retyped: "told of its volume",
    snapshot.BackupBegun: "told of its backup",
    snapshot.BackupEnded: "told of its backup",
}
"""Events that nothing is told of, as with Cinder, and why."""

FOLLOWED: Mapping[str, Projection] = {
    "volume": VOLUMES,
    "snapshot": SNAPSHOTS,
    "backup": BACKUPS,
}
"""The kinds of aggregates that notices speak of, and how events change what can be seen of them."""


def told_of(event: Event) -> Sequence[Notice]:
    """What is told because of an event, in order."""
    return NOTICES.get(type(event), ())


def every_notice() -> dict[str, list[tuple[type[Event], Notice]]]:
    """By Cinder's event type: the events that it is told of, and how."""
    found: dict[str, list[tuple[type[Event], Notice]]] = {}
    for event, notices in NOTICES.items():
        for notice in notices:
            found.setdefault(notice.event_type, []).append((event, notice))
    return found
