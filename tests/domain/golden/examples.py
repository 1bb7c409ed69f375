"""What each golden file must be read as, by topic. For an older version: the event after upcasting.

Every field has a value that differs from its default, so that a file shows all of them.
"""

from datetime import UTC, datetime
from uuid import UUID

from domain.aggregates import (
    closures,
    default_type,
    encryption_key,
    image_cache,
    message,
    move,
    qos_specs,
    quota_limits,
    quota_reservation,
    remnant,
    service,
    snapshot,
    transfer,
    volume,
    volume_type,
)
from domain.aggregates.backup import events as backup
from domain.aggregates.volume import (
    attaching,
    backing_up,
    caching,
    connecting,
    detaching,
    encryption,
    exporting,
    extension,
    holding,
    imaging,
    migrating,
    moving,
    offering,
    properties,
    resetting,
    retyping,
    uploading,
)
from domain.encryption import Encryption
from domain.errors import Over
from domain.event import Actor, Event, Moment, Recorded
from domain.image import ChosenImage, UploadedImage
from domain.placement import Decision, Origin, Request, Tried, Verdict

AGGREGATE_ID = UUID("7d4c1f6e-0c5b-4a39-9a53-1f6f2f1f8a01")
TYPE_ID = "c6a0a5d2-5f0e-4f63-b1de-0d6c3b6f2e11"
RESERVATION_ID = "f3b52f4e-6a0e-5a4e-8c86-3b3f5f6f7d21"
QOS_ID = "b1f7d0c4-3a52-4f0e-8f3c-7d2a9e6c5b14"
PROJECT_ID = "5b1d2c0f9a3e4d6b8c7a1e2f3d4c5b6a"
OTHER_PROJECT_ID = "6c2e3d1fab4f5e7c9d8b2f3a4e5d6c7b"
TRANSFER_ID = "2f9c7a10-4d3e-4b8a-9c55-0a1b2c3d4e5f"
VOLUME_ID = "91f3a7c2-5d4e-4b6a-8c1f-0e2d3c4b5a69"
SNAPSHOT_ID = "3c5e7a91-2b4d-4f6a-9e8c-1d0f2e3a4b5c"
BACKUP_ID = "5e1d7c3a-9b8f-4a2e-8d6c-7f0e1a2b3c4d"
PARENT = backup.Parent("8f7e6d5c-4b3a-4291-8a7b-6c5d4e3f2a1b", "nightly")
HOST = "storage1@gold#pool1"
SOURCE = "storage2@silver#pool1"
MOVE_ID = "2f6a3c1e-8b7d-5e4f-9a0b-1c2d3e4f5a6b"
OLD_TYPE_ID = "0d9e8f7a-6b5c-4d3e-8f1a-2b3c4d5e6f70"
ATTACHMENT_ID = "2e9f6f0c-7f3b-4f6e-9a57-0d4b8c1e5a90"
SERVER_ID = "a81d4fae-7dec-41d0-a765-00a0c91e6bf6"

MOMENT = Moment(
    at=datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    request_id="req-0c3f2a8e-9b1d-4a77-8f5e-6d7c8b9a0e31",
    actor=Actor("9f8e7d6c5b4a39281706f5e4d3c2b1a0", PROJECT_ID),
    cause="7d4c1f6e-0c5b-4a39-9a53-1f6f2f1f8a01:6",
)

AMOUNTS = {"volumes": 1, "gigabytes": 20, f"volumes_{TYPE_ID}": 1, f"gigabytes_{TYPE_ID}": 20}

IMAGE = ChosenImage(
    id="5e8b7a90-1c2d-4f3e-9a8b-7c6d5e4f3a2b",
    name="cirros 0.6",
    disk_format="qcow2",
    container_format="bare",
    size=21_233_664,
    virtual_size=117_440_512,
    min_disk=1,
    min_ram=64,
    checksum="87617e24a5e30cb3b87fa61c0d1c7a6e",
    os_hash_algo="sha512",
    os_hash_value="9f2c4d",
    updated_at=datetime(2029, 12, 31, 23, 59, 58, tzinfo=UTC),
    properties={"hw_disk_bus": "virtio"},
)
REFUSED = Verdict(
    pool="storage2@silver#pool1",
    zone="nova",
    refused_by="CapacityFilter",
    reason="20 GiB asked, 12.5 GiB left",
)
CHOSEN = Verdict(pool=HOST, zone="nova", weight=0.75, raw=[480.25, 3.0])
CHOSEN_V1 = Verdict(pool=HOST, zone="nova", weight=480.25, raw=[480.25])
TRIED = Tried(pool="storage3@bronze#pool1", reason="the shelf is full")
REQUEST = Request(
    size_gib=20,
    zones=["nova"],
    extra_specs={"volume_backend_name": "gold"},
    metadata={"purpose": "database"},
    hints={"different_host": [str(AGGREGATE_ID)]},
    places={str(AGGREGATE_ID): "storage2@silver#pool1"},
    tried=[TRIED],
)

ENCRYPTION = Encryption(
    provider="luks", control_location="back-end", cipher="aes-xts-plain64", key_size=256
)
KEY_ID = "0d2c7b1e-52f4-5f0b-9c57-3f6e8a1b9d44"

MOVED = Decision(
    candidates=[CHOSEN],
    chosen=CHOSEN,
    request=Request(
        size_gib=20,
        zones=["nova"],
        origin=Origin(
            pool=SOURCE,
            may_stay=True,
            only=HOST,
            barred={SOURCE: "cannot change it where it is: the shelf is full"},
        ),
    ),
    weighers=["CapacityWeigher", "VolumeNumberWeigher"],
    ceiling_gib=500.25,
)

EXAMPLES: dict[str, Event] = {
    "volume.bootable_changed.v1": properties.BootableChanged(bootable=True),
    "volume.readonly_changed.v1": properties.ReadonlyChanged(readonly=True),
    "volume.image_metadata_changed.v1": properties.ImageMetadataChanged(
        image_metadata={"os_distro": "debian"}
    ),
    "volume.offered.v1": offering.Offered(transfer_id=TRANSFER_ID),
    "volume.offer_withdrawn.v1": offering.OfferWithdrawn(transfer_id=TRANSFER_ID),
    "volume.transferred.v1": offering.Transferred(
        transfer_id=TRANSFER_ID,
        old_project_id=PROJECT_ID,
        project_id=OTHER_PROJECT_ID,
        user_id="11112222333344445555666677778888",
        reservation_id=RESERVATION_ID,
    ),
    "volume.reset_to_available.v1": resetting.ResetToAvailable(),
    "volume.reset_to_error.v1": resetting.ResetToError(),
    "volume.reset_to_error_deleting.v1": resetting.ResetToErrorDeleting(),
    "volume.reset_to_error_extending.v1": resetting.ResetToErrorExtending(),
    "transfer.offered.v1": transfer.Offered(
        volume_id=str(AGGREGATE_ID),
        project_id=PROJECT_ID,
        user_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        name="for the other team",
        salt="d0c0ffee",
        key_digest="3f" * 32,
        no_snapshots=False,
        snapshots=[],
    ),
    "transfer.offered.v2": transfer.Offered(
        volume_id=str(AGGREGATE_ID),
        project_id=PROJECT_ID,
        user_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        name="for the other team",
        salt="d0c0ffee",
        key_digest="3f" * 32,
        no_snapshots=False,
        snapshots=[SNAPSHOT_ID],
    ),
    "transfer.accepted.v1": transfer.Accepted(
        volume_id=str(AGGREGATE_ID),
        project_id=PROJECT_ID,
        destination_project_id=OTHER_PROJECT_ID,
        destination_user_id="11112222333344445555666677778888",
    ),
    "transfer.withdrawn.v1": transfer.Withdrawn(
        volume_id=str(AGGREGATE_ID), project_id=PROJECT_ID, reason="its owner withdrew it"
    ),
    "move.requested.v1": move.Requested(
        volume_id=str(AGGREGATE_ID),
        project_id=PROJECT_ID,
        size_gib=20,
        from_host=SOURCE,
        volume_type_id=TYPE_ID,
        zones=["nova"],
        only=HOST,
        may_stay=True,
        host_copy=True,
        number=2,
    ),
    "move.placed.v1": move.Placed(
        volume_id=str(AGGREGATE_ID),
        host=HOST,
        from_host=SOURCE,
        availability_zone="nova",
        size_gib=20,
        decision=MOVED,
        number=2,
    ),
    "move.refused.v1": move.Refused(
        volume_id=str(AGGREGATE_ID),
        reason="No backend can take it.",
        decision=Decision(candidates=[REFUSED], reason="No backend can take it."),
        number=2,
    ),
    "move.started.v1": move.Started(
        volume_id=str(AGGREGATE_ID),
        host=HOST,
        from_host=SOURCE,
        worker="storage1:4711",
        attempt=1,
    ),
    "move.declined.v1": move.Declined(
        volume_id=str(AGGREGATE_ID), host=SOURCE, attempt=1, reason="it cannot be made thick"
    ),
    "move.copied.v1": move.Copied(volume_id=str(AGGREGATE_ID), host=HOST, attempt=1),
    "move.finished.v1": move.Finished(volume_id=str(AGGREGATE_ID), host=HOST, attempt=1),
    "move.failed.v1": move.Failed(
        volume_id=str(AGGREGATE_ID), host=HOST, reason="the array is offline", promised_gib=20
    ),
    "volume.retype_requested.v1": retyping.RetypeRequested(
        host=SOURCE,
        volume_type_id=TYPE_ID,
        old_volume_type_id=OLD_TYPE_ID,
        migration_policy="on-demand",
        move_id=MOVE_ID,
        number=2,
        reservation_id=RESERVATION_ID,
        snapshots={},
    ),
    "volume.retype_requested.v2": retyping.RetypeRequested(
        host=SOURCE,
        volume_type_id=TYPE_ID,
        old_volume_type_id=OLD_TYPE_ID,
        migration_policy="on-demand",
        move_id=MOVE_ID,
        number=2,
        reservation_id=RESERVATION_ID,
        snapshots={SNAPSHOT_ID: QOS_ID},
    ),
    "volume.retyped.v1": retyping.Retyped(
        host=HOST,
        volume_type_id=TYPE_ID,
        old_volume_type_id=OLD_TYPE_ID,
        multiattach=True,
        reservation_id=RESERVATION_ID,
    ),
    "volume.retype_refused.v1": retyping.RetypeRefused(
        host=SOURCE, reason="No backend can take it."
    ),
    "volume.retype_failed.v1": retyping.RetypeFailed(
        host=SOURCE, reason="the array is offline", migration_failed=True, left_number=2
    ),
    "volume.migration_requested.v1": migrating.MigrationRequested(
        host=SOURCE, to=HOST, move_id=MOVE_ID, number=2
    ),
    "volume.locked.v1": migrating.Locked(),
    "volume.moved.v1": moving.Moved(
        host=HOST,
        from_host=SOURCE,
        availability_zone="nova",
        provider_id="lun-17",
        size_gib=20,
        number=2,
        left_number=1,
    ),
    "volume.migrated.v1": migrating.Migrated(host=HOST),
    "volume.migration_refused.v1": migrating.MigrationRefused(
        host=SOURCE, reason="No backend can take it."
    ),
    "volume.migration_failed.v1": migrating.MigrationFailed(
        host=SOURCE, reason="the array is offline", left_number=2
    ),
    "volume.extension_requested.v1": extension.ExtensionRequested(
        project_id=PROJECT_ID,
        host=HOST,
        size_gib=20,
        new_size_gib=30,
        reservation_id=RESERVATION_ID,
    ),
    "volume.extension_placed.v1": extension.ExtensionPlaced(
        host=HOST, added_gib=10, ceiling_gib=500.25
    ),
    "volume.extension_refused.v1": extension.ExtensionRefused(
        host=HOST, reason="No room.", promised_gib=0
    ),
    "volume.extension_refused.v2": extension.ExtensionRefused(
        host=HOST, reason="Nobody began.", promised_gib=10
    ),
    "volume.extension_started.v1": extension.ExtensionStarted(
        host=HOST, worker="storage1:4711", attempt=3
    ),
    "volume.extended.v1": extension.Extended(
        host=HOST, attempt=3, size_gib=30, old_size_gib=20, reservation_id=RESERVATION_ID
    ),
    "volume.extension_failed.v1": extension.ExtensionFailed(
        host=HOST, reason="The backend is full.", promised_gib=10
    ),
    "volume.reserved.v1": holding.Reserved(),
    "volume.reservation_ended.v1": holding.ReservationEnded(),
    "volume.detaching_begun.v1": holding.DetachingBegun(),
    "volume.detaching_ended.v1": holding.DetachingEnded(),
    "volume.attachment_reserved.v1": attaching.AttachmentReserved(
        attachment_id=ATTACHMENT_ID,
        project_id=PROJECT_ID,
        server_id=SERVER_ID,
        mode="ro",
        attach_status="reserved",
    ),
    "volume.attachment_connection_requested.v1": connecting.ConnectionRequested(
        host=HOST,
        attachment_id=ATTACHMENT_ID,
        connector={"host": "node7", "initiator": "iqn.2030-01.example:7", "multipath": False},
        mode="ro",
        passing=True,
        attach_status="reserved",
    ),
    "volume.attachment_connection_started.v1": connecting.ConnectionStarted(
        host=HOST, attachment_id=ATTACHMENT_ID, worker="storage1:4711", attempt=3
    ),
    "volume.attachment_connected.v1": connecting.Connected(
        host=HOST,
        attachment_id=ATTACHMENT_ID,
        attempt=3,
        node="node7",
        device="/dev/vdb",
        mode="ro",
        connection={
            "driver_volume_type": "nbd",
            "data": {"uri": "nbd://storage1:10809/x", "access_mode": "ro", "qos_specs": None},
        },
        attach_status="attaching",
    ),
    "volume.attachment_connector_refused.v1": connecting.ConnectorRefused(
        host=HOST,
        attachment_id=ATTACHMENT_ID,
        attempt=3,
        reason="it names no initiator",
        attach_status="reserved",
    ),
    "volume.attachment_connection_failed.v1": connecting.ConnectionFailed(
        host=HOST,
        attachment_id=ATTACHMENT_ID,
        attempt=3,
        reason="the array is offline",
        attach_status="detached",
    ),
    "volume.attachment_completed.v1": attaching.AttachmentCompleted(
        attachment_id=ATTACHMENT_ID, attach_status="attached"
    ),
    "volume.attached.v1": attaching.Attached(
        attachment_id=ATTACHMENT_ID,
        project_id=PROJECT_ID,
        server_id=SERVER_ID,
        node="node7",
        device="/dev/vdb",
        mode="ro",
        attach_status="attached",
    ),
    "volume.attachment_removal_requested.v1": detaching.RemovalRequested(
        host=HOST, attachment_id=ATTACHMENT_ID, attach_status="detaching"
    ),
    "volume.attachment_abandoned.v1": detaching.AttachmentAbandoned(
        host=HOST,
        attachment_id=ATTACHMENT_ID,
        reason="the backend did not answer",
        attach_status="detached",
    ),
    "volume.attachment_disconnection_started.v1": detaching.DisconnectionStarted(
        host=HOST, attachment_id=ATTACHMENT_ID, worker="storage1:4711", attempt=4
    ),
    "volume.attachment_disconnection_failed.v1": detaching.DisconnectionFailed(
        host=HOST,
        attachment_id=ATTACHMENT_ID,
        attempt=4,
        reason="the array is offline",
        attach_status="attached",
    ),
    "volume.attachment_removed.v1": detaching.AttachmentRemoved(
        attachment_id=ATTACHMENT_ID, attach_status="detached"
    ),
    "volume.export_lost.v1": exporting.ExportLost(host=HOST, reason="the array is offline"),
    "volume.export_restored.v1": exporting.ExportRestored(host=HOST),
    "volume.multiattach_changed.v1": volume.MultiattachChanged(multiattach=True),
    "volume.requested.v1": volume.Requested(
        project_id=PROJECT_ID,
        user_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        size_gib=20,
        name="database",
        description="primary, Zürich",
        metadata={"purpose": "database"},
        volume_type_id=TYPE_ID,
        availability_zone="nova",
        reservation_id=RESERVATION_ID,
        zones=["nova"],
        hints={},
    ),
    "volume.requested.v2": volume.Requested(
        project_id=PROJECT_ID,
        user_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        size_gib=20,
        name="database",
        description="primary, Zürich",
        metadata={"purpose": "database"},
        volume_type_id=TYPE_ID,
        availability_zone="nova",
        reservation_id=RESERVATION_ID,
        zones=["nova"],
        hints={"different_host": [str(AGGREGATE_ID)]},
    ),
    "volume.placed.v1": volume.Placed(
        host=HOST,
        availability_zone="nova",
        project_id=PROJECT_ID,
        size_gib=20,
        decision=Decision(
            candidates=[REFUSED, CHOSEN_V1], chosen=CHOSEN_V1, weighers=["CapacityWeigher"]
        ),
        number=1,
        most=1,
    ),
    "volume.placed.v2": volume.Placed(
        host=HOST,
        availability_zone="nova",
        project_id=PROJECT_ID,
        size_gib=20,
        decision=Decision(
            candidates=[REFUSED, CHOSEN],
            chosen=CHOSEN,
            request=REQUEST,
            weighers=["CapacityWeigher", "VolumeNumberWeigher"],
            ceiling_gib=500.25,
            untold={"CapacityFilter": 7},
        ),
        number=2,
        most=3,
    ),
    "volume.placement_failed.v1": volume.PlacementFailed(
        reason="No backend can take it.",
        decision=Decision(
            candidates=[REFUSED],
            reason="No backend can take it.",
            weighers=["CapacityWeigher"],
        ),
        number=1,
        most=1,
    ),
    "volume.placement_failed.v2": volume.PlacementFailed(
        reason="No backend can take it.",
        decision=Decision(candidates=[REFUSED], reason="No backend can take it.", request=REQUEST),
        number=2,
        most=3,
    ),
    "volume.provisioning_started.v1": volume.ProvisioningStarted(
        host=HOST, worker="storage1:4711", attempt=2
    ),
    "volume.provisioned.v1": volume.Provisioned(host=HOST, attempt=2, provider_id="lun-17"),
    "volume.provisioning_failed.v1": volume.ProvisioningFailed(
        host=HOST,
        attempt=2,
        reason="the array is offline",
        tried=[Tried(pool=HOST, reason="the array is offline")],
    ),
    "volume.provisioning_failed.v2": volume.ProvisioningFailed(
        host=HOST,
        attempt=2,
        reason="the array is offline",
        tried=[TRIED, Tried(pool=HOST, reason="the array is offline")],
    ),
    "volume.image_chosen.v1": imaging.ImageChosen(image=IMAGE),
    "volume.download_progressed.v1": imaging.DownloadProgressed(
        host=HOST, attempt=2, done_bytes=10_485_760, total_bytes=21_233_664
    ),
    "volume.download_failed.v1": imaging.DownloadFailed(
        host=HOST, attempt=2, problem="unacceptable", reason="it has a backing file"
    ),
    "volume.upload_requested.v1": uploading.UploadRequested(
        host=HOST,
        project_id=PROJECT_ID,
        size_gib=20,
        image_id=IMAGE.id,
        image=UploadedImage(
            name="golden",
            disk_format="qcow2",
            container_format="ovf",
            visibility="shared",
            protected=True,
            min_disk=20,
            min_ram=64,
            properties={"os_distro": "debian"},
        ),
        encrypted=False,
    ),
    "volume.upload_requested.v2": uploading.UploadRequested(
        host=HOST,
        project_id=PROJECT_ID,
        size_gib=20,
        image_id=IMAGE.id,
        image=UploadedImage(
            name="golden",
            disk_format="qcow2",
            container_format="ovf",
            visibility="shared",
            protected=True,
            min_disk=20,
            min_ram=64,
            properties={"os_distro": "debian"},
        ),
        encrypted=True,
    ),
    "volume.upload_key_made.v1": uploading.UploadKeyMade(
        host=HOST, image_id=IMAGE.id, encryption_key_id=KEY_ID
    ),
    "volume.upload_started.v1": uploading.UploadStarted(
        host=HOST, worker="storage1:4711", attempt=2
    ),
    "volume.uploaded.v1": uploading.Uploaded(host=HOST, attempt=2, image_id=IMAGE.id),
    "volume.upload_failed.v1": uploading.UploadFailed(
        host=HOST, image_id=IMAGE.id, reason="the image service is away"
    ),
    "volume.rescheduled.v1": volume.Rescheduled(
        host=HOST,
        attempt=2,
        reason="the array is offline",
        number=2,
        most=3,
        size_gib=20,
        availability_zone="nova",
    ),
    "volume.deletion_requested.v1": volume.DeletionRequested(host=HOST, forced=True),
    "volume.cancellation_requested.v1": volume.CancellationRequested(host=HOST, forced=True),
    "volume.creation_cancelled.v1": volume.CreationCancelled(host=HOST, attempt=2, reason=None),
    "volume.creation_cancelled.v2": volume.CreationCancelled(
        host=HOST, attempt=2, reason="the backend does not answer"
    ),
    "volume.deletion_started.v1": volume.DeletionStarted(
        host=HOST, worker="storage1:4711", attempt=3
    ),
    "volume.deleted.v1": volume.Deleted(host=HOST, project_id=PROJECT_ID, size_gib=20),
    "volume.deletion_failed.v1": volume.DeletionFailed(
        host=HOST, attempt=3, reason="the array is offline"
    ),
    "volume.found_busy.v1": volume.FoundBusy(host=HOST, attempt=3, reason="it is exported"),
    "volume.described.v1": volume.Described(name="archive", description="2029"),
    "volume.metadata_changed.v1": volume.MetadataChanged(metadata={"purpose": "archive"}),
    "volume.encryption_fixed.v1": encryption.EncryptionFixed(encryption=ENCRYPTION),
    "volume.key_made.v1": encryption.KeyMade(encryption_key_id=KEY_ID),
    "volume.key_failed.v1": encryption.KeyFailed(reason="key manager is unavailable: sealed"),
    "volume.reversion_requested.v1": volume.reverting.ReversionRequested(
        host=HOST, snapshot_id=str(AGGREGATE_ID), snapshots=[str(AGGREGATE_ID)]
    ),
    "volume.reversion_started.v1": volume.reverting.ReversionStarted(
        host=HOST, worker="backend-array-7", attempt=3
    ),
    "volume.reverted.v1": volume.reverting.Reverted(
        host=HOST, attempt=3, snapshot_id=str(AGGREGATE_ID)
    ),
    "volume.reversion_refused.v1": volume.reverting.ReversionRefused(
        host=HOST, snapshot_id=str(AGGREGATE_ID), reason="the backend did not begin to revert it"
    ),
    "volume.reversion_failed.v1": volume.reverting.ReversionFailed(
        host=HOST, snapshot_id=str(AGGREGATE_ID), reason="the array is offline"
    ),
    "snapshot.restoring_begun.v1": snapshot.RestoringBegun(volume_id=str(AGGREGATE_ID)),
    "snapshot.restoring_ended.v1": snapshot.RestoringEnded(volume_id=str(AGGREGATE_ID)),
    "snapshot.restoring_failed.v1": snapshot.RestoringFailed(
        volume_id=str(AGGREGATE_ID), reason="the array is offline"
    ),
    "encryption_key.requested.v1": encryption_key.Requested(
        volume_id=str(AGGREGATE_ID),
        project_id=PROJECT_ID,
        algorithm="aes",
        bits=256,
        cloned_from=None,
        owner_kind="volume",
        owner=str(AGGREGATE_ID),
    ),
    "encryption_key.requested.v2": encryption_key.Requested(
        volume_id=str(AGGREGATE_ID),
        project_id=PROJECT_ID,
        algorithm="aes",
        bits=256,
        cloned_from=KEY_ID,
        owner_kind="volume",
        owner=str(AGGREGATE_ID),
    ),
    "encryption_key.requested.v3": encryption_key.Requested(
        volume_id=VOLUME_ID,
        project_id=PROJECT_ID,
        algorithm="aes",
        bits=256,
        cloned_from=KEY_ID,
        owner_kind="backup",
        owner=BACKUP_ID,
    ),
    "encryption_key.made.v1": encryption_key.Made(volume_id=str(AGGREGATE_ID), key_id=KEY_ID),
    "encryption_key.making_failed.v1": encryption_key.MakingFailed(
        volume_id=str(AGGREGATE_ID), reason="key manager is unavailable: sealed"
    ),
    "encryption_key.destruction_requested.v1": encryption_key.DestructionRequested(
        volume_id=str(AGGREGATE_ID), key_id=KEY_ID
    ),
    "encryption_key.destroyed.v1": encryption_key.Destroyed(
        volume_id=str(AGGREGATE_ID), key_id=KEY_ID
    ),
    "volume.cascade_requested.v1": volume.CascadeRequested(
        host=HOST, forced=True, snapshots=[SNAPSHOT_ID]
    ),
    "volume.source_claimed.v1": volume.SourceClaimed(
        source=volume.Source(
            kind="snapshot", id=SNAPSHOT_ID, size_gib=20, volume_id=VOLUME_ID, host=HOST
        )
    ),
    "volume.source_released.v1": volume.SourceReleased(source_id=SNAPSHOT_ID),
    "volume.backup_begun.v1": backing_up.BackupBegun(backup_id=BACKUP_ID),
    "volume.backup_ended.v1": backing_up.BackupEnded(backup_id=BACKUP_ID),
    "volume.restore_begun.v1": backing_up.RestoreBegun(backup_id=BACKUP_ID),
    "volume.restored.v1": backing_up.Restored(backup_id=BACKUP_ID, key=None),
    "volume.restored.v2": backing_up.Restored(
        backup_id=BACKUP_ID, key=backing_up.RestoredKey(SNAPSHOT_ID, KEY_ID)
    ),
    "volume.restore_failed.v1": backing_up.RestoreFailed(
        backup_id=BACKUP_ID, reason="the disk is full"
    ),
    "volume.restore_cancelled.v1": backing_up.RestoreCancelled(
        backup_id=BACKUP_ID, reason="an administrator reset it to error"
    ),
    "snapshot.backup_begun.v1": snapshot.BackupBegun(backup_id=BACKUP_ID),
    "snapshot.backup_ended.v1": snapshot.BackupEnded(backup_id=BACKUP_ID),
    "backup.requested.v1": backup.Requested(
        project_id=PROJECT_ID,
        user_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        volume_id=VOLUME_ID,
        snapshot_id=SNAPSHOT_ID,
        host=HOST,
        availability_zone="nova",
        size_gib=20,
        name="monday",
        description="before the upgrade",
        metadata={"purpose": "database"},
        container="nightly",
        parent=PARENT,
        content_at=MOMENT.at,
        reservation_id=RESERVATION_ID,
        encryption=None,
    ),
    "backup.requested.v2": backup.Requested(
        project_id=PROJECT_ID,
        user_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        volume_id=VOLUME_ID,
        snapshot_id=SNAPSHOT_ID,
        host=HOST,
        availability_zone="nova",
        size_gib=20,
        name="monday",
        description="before the upgrade",
        metadata={"purpose": "database"},
        container="nightly",
        parent=PARENT,
        content_at=MOMENT.at,
        reservation_id=RESERVATION_ID,
        encryption=ENCRYPTION,
    ),
    "backup.key_made.v1": backup.KeyMade(host=HOST, encryption_key_id=KEY_ID),
    "backup.creation_started.v1": backup.CreationStarted(
        host=HOST, worker="engine-storage1-4711", attempt=2
    ),
    "backup.captured.v1": backup.Captured(attempt=2, content_at=MOMENT.at),
    "backup.progressed.v1": backup.Progressed(
        attempt=2, percent=40, object_count=12, stored_bytes=34_567_890
    ),
    "backup.created.v1": backup.Created(
        volume_id=VOLUME_ID,
        snapshot_id=SNAPSHOT_ID,
        host=HOST,
        attempt=2,
        object_count=17,
        stored_bytes=45_678_901,
    ),
    "backup.creation_failed.v1": backup.CreationFailed(
        volume_id=VOLUME_ID,
        snapshot_id=SNAPSHOT_ID,
        host=HOST,
        parent=PARENT,
        attempt=2,
        reason="the disk is full",
    ),
    "backup.import_requested.v1": backup.ImportRequested(
        project_id=PROJECT_ID,
        user_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        volume_id=VOLUME_ID,
        availability_zone="nova",
        size_gib=20,
        name="monday",
        description="before the upgrade",
        metadata={"purpose": "database"},
        container="nightly",
        parent=PARENT,
        content_at=MOMENT.at,
        reservation_id=RESERVATION_ID,
        encryption=None,
        key=None,
    ),
    "backup.import_requested.v2": backup.ImportRequested(
        project_id=PROJECT_ID,
        user_id="9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        volume_id=VOLUME_ID,
        availability_zone="nova",
        size_gib=20,
        name="monday",
        description="before the upgrade",
        metadata={"purpose": "database"},
        container="nightly",
        parent=PARENT,
        content_at=MOMENT.at,
        reservation_id=RESERVATION_ID,
        encryption=ENCRYPTION,
        key=SNAPSHOT_ID,
    ),
    "backup.imported.v1": backup.Imported(
        volume_id=VOLUME_ID, object_count=17, stored_bytes=45_678_901
    ),
    "backup.import_failed.v1": backup.ImportFailed(
        volume_id=VOLUME_ID, parent=PARENT, reason="the store does not have it"
    ),
    "backup.restore_requested.v1": backup.RestoreRequested(
        volume_id=VOLUME_ID, host=HOST, key=None
    ),
    "backup.restore_requested.v2": backup.RestoreRequested(
        volume_id=VOLUME_ID, host=HOST, key=SNAPSHOT_ID
    ),
    "backup.restore_key_made.v1": backup.RestoreKeyMade(
        volume_id=VOLUME_ID, host=HOST, encryption_key_id=KEY_ID
    ),
    "backup.restore_started.v1": backup.RestoreStarted(
        volume_id=VOLUME_ID, host=HOST, worker="engine-storage1-4711", attempt=3
    ),
    "backup.restored.v1": backup.Restored(volume_id=VOLUME_ID, host=HOST, attempt=3),
    "backup.restore_failed.v1": backup.RestoreFailed(
        volume_id=VOLUME_ID, host=HOST, attempt=3, reason="the disk is full"
    ),
    "backup.cancellation_requested.v1": backup.CancellationRequested(),
    "backup.creation_cancelled.v1": backup.CreationCancelled(
        volume_id=VOLUME_ID, snapshot_id=SNAPSHOT_ID, host=HOST, attempt=2, reason="nobody came"
    ),
    "backup.deletion_requested.v1": backup.DeletionRequested(forced=True),
    "backup.deletion_started.v1": backup.DeletionStarted(worker="engine-storage1-4711", attempt=4),
    "backup.deleted.v1": backup.Deleted(
        project_id=PROJECT_ID, volume_id=VOLUME_ID, size_gib=20, parent=PARENT
    ),
    "backup.deletion_failed.v1": backup.DeletionFailed(attempt=4, reason="the store is away"),
    "backup.deletion_given_up.v1": backup.DeletionGivenUp(attempt=4, reason="nobody came"),
    "backup.described.v1": backup.Described(name="after all", description="tuesday's"),
    "backup.metadata_changed.v1": backup.MetadataChanged(metadata={"tier": "silver"}),
    "backup.reset_to_available.v1": backup.ResetToAvailable(),
    "backup.reset_to_error.v1": backup.ResetToError(),
    "snapshot.requested.v1": snapshot.Requested(
        project_id=PROJECT_ID,
        user_id="ann",
        volume_id=VOLUME_ID,
        volume_type_id=TYPE_ID,
        host=HOST,
        size_gib=20,
        name="before the upgrade",
        description="monday's",
        metadata={"tier": "gold"},
        reservation_id=RESERVATION_ID,
        availability_zone=None,
        counts_gigabytes=True,
        bootable=None,
        image_metadata=None,
    ),
    "snapshot.requested.v2": snapshot.Requested(
        project_id=PROJECT_ID,
        user_id="ann",
        volume_id=VOLUME_ID,
        volume_type_id=TYPE_ID,
        host=HOST,
        availability_zone="nova",
        size_gib=20,
        name="before the upgrade",
        description="monday's",
        metadata={"tier": "gold"},
        reservation_id=RESERVATION_ID,
        counts_gigabytes=True,
        bootable=None,
        image_metadata=None,
    ),
    "snapshot.requested.v3": snapshot.Requested(
        project_id=PROJECT_ID,
        user_id="ann",
        volume_id=VOLUME_ID,
        volume_type_id=TYPE_ID,
        host=HOST,
        availability_zone="nova",
        size_gib=20,
        name="before the upgrade",
        description="monday's",
        metadata={"tier": "gold"},
        reservation_id=RESERVATION_ID,
        counts_gigabytes=False,
        bootable=True,
        image_metadata={"os_distro": "debian"},
    ),
    "snapshot.placed.v1": snapshot.Placed(
        host=HOST, volume_id=VOLUME_ID, project_id=PROJECT_ID, size_gib=20, ceiling_gib=95.0
    ),
    "snapshot.placement_failed.v1": snapshot.PlacementFailed(
        host=HOST, reason="3 GiB are free where 20 GiB are wanted"
    ),
    "snapshot.creation_started.v1": snapshot.CreationStarted(
        host=HOST, worker="backend-node1-4711", attempt=2
    ),
    "snapshot.created.v1": snapshot.Created(host=HOST, attempt=2, provider_id="lun-18"),
    "snapshot.creation_failed.v1": snapshot.CreationFailed(
        host=HOST, attempt=2, reason="no space left on device"
    ),
    "snapshot.cancellation_requested.v1": snapshot.CancellationRequested(host=HOST),
    "snapshot.creation_cancelled.v1": snapshot.CreationCancelled(
        host=HOST, attempt=2, reason="the backend did not tell that it had stopped making it"
    ),
    "snapshot.deletion_requested.v1": snapshot.DeletionRequested(host=HOST, forced=True),
    "snapshot.deletion_started.v1": snapshot.DeletionStarted(
        host=HOST, worker="backend-node1-4711", attempt=3
    ),
    "snapshot.deleted.v1": snapshot.Deleted(
        host=HOST, volume_id=VOLUME_ID, project_id=PROJECT_ID, size_gib=20, promised_gib=20
    ),
    "snapshot.deletion_failed.v1": snapshot.DeletionFailed(
        host=HOST, attempt=3, reason="the array is offline"
    ),
    "snapshot.found_busy.v1": snapshot.FoundBusy(
        host=HOST, attempt=3, reason="a clone depends on it"
    ),
    "snapshot.described.v1": snapshot.Described(name="after all", description="tuesday's"),
    "snapshot.metadata_changed.v1": snapshot.MetadataChanged(metadata={"tier": "silver"}),
    "snapshot.reset_to_available.v1": snapshot.ResetToAvailable(),
    "snapshot.reset_to_error.v1": snapshot.ResetToError(),
    "snapshot.reset_to_error_deleting.v1": snapshot.ResetToErrorDeleting(),
    "snapshot.transferred.v1": snapshot.Transferred(
        old_project_id=PROJECT_ID,
        project_id=OTHER_PROJECT_ID,
        user_id="11112222333344445555666677778888",
        reservation_id=RESERVATION_ID,
    ),
    "snapshot.retyped.v1": snapshot.Retyped(
        volume_type_id=TYPE_ID, old_volume_type_id=OLD_TYPE_ID, reservation_id=RESERVATION_ID
    ),
    "volume.image_kept.v1": caching.ImageKept(host=HOST, image_id=IMAGE.id),
    "volume.cached_image_awaited.v1": volume.CachedImageAwaited(
        host=HOST, image_id=IMAGE.id, source_id=VOLUME_ID
    ),
    "volume.image_wait_ended.v1": volume.ImageWaitEnded(
        host=HOST,
        project_id=PROJECT_ID,
        size_gib=20,
        source_id=VOLUME_ID,
        reason="it took too long",
    ),
    "volume.image_fetch_ended.v1": volume.ImageFetchEnded(host=HOST, image_id=IMAGE.id, kept=True),
    "volume.image_let_go.v1": volume.ImageLetGo(host=HOST, image_id=IMAGE.id, may_change=True),
    "volume.cached_image_claimed.v1": volume.CachedImageClaimed(
        image_id=IMAGE.id,
        host=HOST,
        source=volume.Source(
            kind="volume", id=VOLUME_ID, size_gib=20, volume_id=VOLUME_ID, host=HOST
        ),
    ),
    "volume.cached_image_released.v1": volume.CachedImageReleased(source_id=VOLUME_ID),
    "image_cache.entry_wanted.v1": image_cache.EntryWanted(
        host="host1@gold", volume_id=VOLUME_ID, image=IMAGE, size_gib=20
    ),
    "image_cache.entry_used.v1": image_cache.EntryUsed(
        host="host1@gold", image_id=IMAGE.id, volume_id=VOLUME_ID
    ),
    "image_cache.emptied.v1": image_cache.Emptied(host="host1@gold"),
    "image_cache.entry_evicted.v1": image_cache.EntryEvicted(
        host="host1@gold", image_id=IMAGE.id, volume_id=VOLUME_ID, reason="room"
    ),
    "remnant.left.v1": remnant.Left(
        volume_id=str(AGGREGATE_ID),
        project_id=PROJECT_ID,
        host=HOST,
        size_gib=20,
        reason="the array is offline",
    ),
    "remnant.removed.v1": remnant.Removed(volume_id=str(AGGREGATE_ID), host=HOST, size_gib=20),
    "quota_reservation.reserved.v1": quota_reservation.Reserved(
        project_id=PROJECT_ID, subject=str(AGGREGATE_ID), amounts=AMOUNTS, largest_gib=20
    ),
    "quota_reservation.held.v1": quota_reservation.Held(
        project_id=PROJECT_ID,
        subject=str(AGGREGATE_ID),
        subject_kind="volume",
        amounts={"gigabytes": 10, f"gigabytes_{TYPE_ID}": 10},
        largest_gib=30,
        deadline=datetime(2026, 3, 4, 6, 0, tzinfo=UTC),
    ),
    "quota_reservation.expired.v1": quota_reservation.Expired(
        project_id=PROJECT_ID,
        subject=str(AGGREGATE_ID),
        amounts={"gigabytes": 10, f"gigabytes_{TYPE_ID}": 10},
    ),
    "quota_reservation.committed.v1": quota_reservation.Committed(
        project_id=PROJECT_ID, subject=str(AGGREGATE_ID), amounts=AMOUNTS
    ),
    "quota_reservation.rolled_back.v1": quota_reservation.RolledBack(
        project_id=PROJECT_ID, subject=str(AGGREGATE_ID), amounts=AMOUNTS
    ),
    "quota_reservation.released.v1": quota_reservation.Released(
        project_id=PROJECT_ID, subject=str(AGGREGATE_ID), amounts=AMOUNTS
    ),
    "quota_reservation.refused.v1": quota_reservation.Refused(
        project_id=PROJECT_ID,
        subject=str(AGGREGATE_ID),
        amounts=AMOUNTS,
        overs=[Over(resource="gigabytes", requested=20, limit=1000, consumed=990)],
    ),
    "quota_limits.changed.v1": quota_limits.Changed(
        subject=PROJECT_ID, limits={"volumes": 50, "gigabytes": -1}, changed=["gigabytes"]
    ),
    "quota_limits.changed.v2": quota_limits.Changed(
        subject="class/default", limits={"volumes": 50, "gigabytes": -1}, changed=["gigabytes"]
    ),
    "quota_limits.reset.v1": quota_limits.Reset(subject=PROJECT_ID),
    "quota_limits.reset.v2": quota_limits.Reset(subject=PROJECT_ID),
    "volume_type.created.v1": volume_type.Created(
        name="gold",
        description="fast and replicated",
        is_public=True,
        extra_specs={"volume_backend_name": "gold"},
    ),
    "volume_type.renamed.v1": volume_type.Renamed(name="platinum", formerly="gold"),
    "volume_type.described.v1": volume_type.Described(description="faster still"),
    "volume_type.published.v1": volume_type.Published(),
    "volume_type.made_private.v1": volume_type.MadePrivate(),
    "volume_type.extra_specs_changed.v1": volume_type.ExtraSpecsChanged(
        extra_specs={"volume_backend_name": "gold", "provisioning:min_vol_size": "5"}
    ),
    "volume_type.access_granted.v1": volume_type.AccessGranted(
        project_id=PROJECT_ID, projects=["0a1b2c3d", PROJECT_ID]
    ),
    "volume_type.access_revoked.v1": volume_type.AccessRevoked(
        project_id=PROJECT_ID, projects=["0a1b2c3d"]
    ),
    "volume_type.qos_associated.v1": volume_type.QosAssociated(qos_specs_id=QOS_ID),
    "volume_type.qos_disassociated.v1": volume_type.QosDisassociated(qos_specs_id=QOS_ID),
    "volume_type.encryption_added.v1": volume_type.EncryptionAdded(
        encryption_id=QOS_ID, encryption=ENCRYPTION
    ),
    "volume_type.encryption_changed.v1": volume_type.EncryptionChanged(encryption=ENCRYPTION),
    "volume_type.encryption_removed.v1": volume_type.EncryptionRemoved(encryption_id=QOS_ID),
    "volume_type.made_default.v1": volume_type.MadeDefault(project_id=PROJECT_ID),
    "volume_type.default_ended.v1": volume_type.DefaultEnded(project_id=PROJECT_ID),
    "volume_type.deleted.v1": volume_type.Deleted(name="platinum"),
    "qos_specs.created.v1": qos_specs.Created(
        name="brisk", consumer="both", specs={"total_iops_sec": "500"}
    ),
    "qos_specs.changed.v1": qos_specs.Changed(
        consumer="front-end", specs={"total_iops_sec": "900"}
    ),
    "qos_specs.associated.v1": qos_specs.Associated(volume_type_id=TYPE_ID),
    "qos_specs.disassociated.v1": qos_specs.Disassociated(volume_type_id=TYPE_ID),
    "qos_specs.deleted.v1": qos_specs.Deleted(name="brisk"),
    "default_type.chosen.v1": default_type.Chosen(project_id=PROJECT_ID, volume_type_id=TYPE_ID),
    "default_type.unset.v1": default_type.Unset(project_id=PROJECT_ID, volume_type_id=TYPE_ID),
    "service.disabled.v1": service.Disabled(
        binary="cinder-volume", host="storage1@gold", reason="new disks"
    ),
    "service.enabled.v1": service.Enabled(binary="cinder-volume", host="storage1@gold"),
    "service.frozen.v1": service.Frozen(binary="cinder-volume", host="storage1@gold"),
    "service.thawed.v1": service.Thawed(binary="cinder-volume", host="storage1@gold"),
    "closures.changed.v1": closures.Changed(
        closed={"storage1@gold": closures.Closure(disabled=True, reason="new disks", frozen=True)}
    ),
    "closures.lifted.v1": closures.Lifted(),
    "message.dismissed.v1": message.Dismissed(failure=f"{AGGREGATE_ID}:4"),
}


def recorded(topic: str) -> Recorded[Event]:
    """The example as it stands in a log."""
    return Recorded(aggregate_id=AGGREGATE_ID, version=7, event=EXAMPLES[topic], moment=MOMENT)
