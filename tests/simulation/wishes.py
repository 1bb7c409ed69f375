"""What clients wish for: every command that users and administrators can give.

A new command is one entry here, or, if only processes give it, one line in CARRIED_OUT.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.commands import (
    attaching,
    backup,
    backup_records,
    backup_work,
    creation,
    default_type,
    encryption_key,
    exporting,
    extension,
    following,
    giving_up,
    image_cache,
    imaging,
    message,
    migration,
    move,
    qos_specs,
    quota_limits,
    remnant,
    retype,
    reverting,
    service,
    settling,
    snapshot,
    snapshot_report,
    transfer,
    uploading,
    volume,
    volume_properties,
    volume_reset,
    volume_type,
)
from tests.simulation import catalogue, made
from tests.simulation.sight import PROJECTS, Sight

DRAWS = 20
"""How often one looks for something that can be wished for."""


class Wish(msgspec.Struct, frozen=True):
    """`often` is its weight among all; `make` gives the fields of the command but for `at`, or
    None where there is nothing to ask it of."""

    often: float
    make: made.Maker


WISHES: Mapping[type, Wish] = {
    creation.CreateVolume: Wish(14, made.create_or_copy),
    volume.DeleteVolume: Wish(
        6, made.of_volume(force=lambda see: see.often(0.3), cascade=lambda see: see.often(0.3))
    ),
    volume.DescribeVolume: Wish(1, made.of_volume(name=made.name)),
    volume.ChangeVolumeMetadata: Wish(
        1, made.of_volume(set=made.tags, replace=lambda see: see.often(0.3))
    ),
    volume_properties.SetBootable: Wish(0.5, made.of_volume(bootable=lambda see: see.often(0.5))),
    volume_properties.SetReadonly: Wish(0.5, made.of_volume(readonly=lambda see: see.often(0.5))),
    volume_properties.ChangeImageMetadata: Wish(0.5, made.of_volume(set=made.tags)),
    volume_reset.ResetVolume: Wish(2, made.reset),
    extension.ExtendVolume: Wish(
        4, made.of_volume("available", "in-use", new_size_gib=lambda see: see.number(2, 8))
    ),
    transfer.OfferVolume: Wish(2, made.offer),
    transfer.AcceptTransfer: Wish(2, made.accept),
    transfer.WithdrawTransfer: Wish(1, made.withdraw),
    retype.RetypeVolume: Wish(5, made.retype),
    migration.MigrateVolume: Wish(
        7,
        made.of_volume(
            "available",
            to=lambda see: see.host() if see.often(0.7) else see.backend(),
            up=lambda see: frozenset(host.partition("#")[0] for host in see.world.pools),
            lock=lambda see: see.often(0.3),
            host_copy=lambda see: see.often(0.5),
        ),
    ),
    attaching.HoldVolume: Wish(
        3,
        made.of_volume("available", "in-use", "attaching", "detaching",
            wish=lambda see: see.one(sorted(attaching.HOLDS))),
    ),
    attaching.AttachVolume: Wish(
        1,
        made.of_volume("available", "attaching",
            attachment_id=Sight.new_id,
            server_id=lambda see: str(see.new_id()),
            node=lambda see: None,
            device=lambda see: "/dev/vdb",
            mode=lambda see: "rw"),
    ),
    attaching.CreateAttachment: Wish(
        5,
        made.of_volume("available", "reserved",
            attachment_id=Sight.new_id,
            server_id=lambda see: str(see.new_id()),
            mode=lambda see: see.one((None, "ro", "rw")),
            connector=lambda see: see.connector() if see.often(0.5) else None),
    ),
    attaching.ConnectAttachment: Wish(3, made.of_attachment("reserved", connector=Sight.connector)),
    attaching.CompleteAttachment: Wish(3, made.of_attachment("connected")),
    attaching.DetachVolume: Wish(6, made.of_attachment("attached", "connected", "error_attaching")),
    attaching.ConnectNode: Wish(
        1, made.of_volume("available", "attaching", connector=Sight.connector)
    ),
    attaching.DisconnectNode: Wish(1, made.disconnection),
    uploading.UploadVolume: Wish(3, made.of_volume("available", "in-use", **made.UPLOAD)),
    reverting.RevertVolume: Wish(2, made.reversion),
    snapshot.CreateSnapshot: Wish(5, made.snapshot),
    snapshot.DescribeSnapshot: Wish(0.3, made.of_snapshot(name=made.name)),
    snapshot.ChangeSnapshotMetadata: Wish(0.3, made.of_snapshot(set=made.tags)),
    snapshot.DeleteSnapshot: Wish(3, made.of_snapshot(force=lambda see: see.often(0.3))),
    snapshot.ResetSnapshot: Wish(0.3, made.of_snapshot(status=lambda see: "error")),
    snapshot_report.ReportSnapshot: Wish(0.2, made.of_snapshot(status=lambda see: "error")),
    backup.CreateBackup: Wish(4, made.backup),
    backup.DescribeBackup: Wish(0.3, made.of_backup(name=made.name)),
    backup.DeleteBackup: Wish(2, made.of_backup(force=lambda see: see.often(0.3))),
    backup.ResetBackup: Wish(0.3, made.of_backup(status=lambda see: "error")),
    backup.RestoreBackup: Wish(2, made.restoration),
    backup_records.ExportBackup: Wish(0.2, made.of_backup("available")),
    backup_records.ImportBackup: Wish(0.6, made.imported),
    service.DisableService: Wish(0.4, made.given(name=catalogue.service)),
    service.EnableService: Wish(3, catalogue.enabled),
    service.FreezeBackend: Wish(0.4, made.given(host=Sight.backend)),
    service.ThawBackend: Wish(3, catalogue.thawed),
    quota_limits.ChangeQuotaLimits: Wish(
        0.7,
        made.given(
            subject=lambda see: see.project_id,
            limits=lambda see: {"gigabytes": see.number(5, 40), "volumes": see.number(3, 12)},
        ),
    ),
    quota_limits.ResetQuotaLimits: Wish(0.3, catalogue.reset_limits),
    volume_type.CreateVolumeType: Wish(
        1,
        made.given(
            id=Sight.new_id,
            name=made.name,
            description=lambda see: None,
            is_public=lambda see: see.often(0.6),
            extra_specs=lambda see: {"multiattach": "<is> True"} if see.often(0.3) else {},
        ),
    ),
    volume_type.ChangeVolumeType: Wish(
        0.4,
        catalogue.of_type(
            catalogue.is_extra, name=made.name, deployment_default=lambda see: catalogue.DEFAULT
        ),
    ),
    volume_type.ChangeExtraSpecs: Wish(0.4, catalogue.of_type(catalogue.is_plain, set=made.tags)),
    volume_type.EncryptVolumeType: Wish(
        1,
        catalogue.of_type(
            catalogue.is_plain, encryption_id=Sight.new_id, encryption=catalogue.encryption
        ),
    ),
    volume_type.ChangeTypeEncryption: Wish(
        0.3, catalogue.of_type(catalogue.is_encrypted, key_size=lambda see: see.one((128, 256)))
    ),
    volume_type.RemoveTypeEncryption: Wish(0.2, catalogue.of_type(catalogue.is_encrypted)),
    volume_type.GrantTypeAccess: Wish(
        0.4, catalogue.of_type(catalogue.is_private, project_id=lambda see: see.one(PROJECTS))
    ),
    volume_type.RevokeTypeAccess: Wish(0.5, catalogue.revoked),
    volume_type.DeleteVolumeType: Wish(
        0.4, catalogue.of_type(catalogue.is_extra, deployment_default=lambda see: catalogue.DEFAULT)
    ),
    qos_specs.CreateQosSpecs: Wish(
        0.5,
        made.given(id=Sight.new_id, name=made.name, consumer=lambda see: "both", specs=made.tags),
    ),
    qos_specs.ChangeQosSpecs: Wish(0.2, catalogue.of_qos(specs=made.tags)),
    qos_specs.RemoveQosKeys: Wish(
        0.2, catalogue.of_qos(keys=lambda see: frozenset(made.tags(see)))
    ),
    qos_specs.AssociateQos: Wish(0.5, catalogue.of_qos(volume_type_id=catalogue.type_id)),
    qos_specs.DisassociateQos: Wish(0.3, catalogue.disassociation),
    qos_specs.DeleteQosSpecs: Wish(0.2, catalogue.of_qos(force=lambda see: see.often(0.5))),
    default_type.ChooseDefaultType: Wish(
        0.3, made.given(project_id=lambda see: see.project_id, volume_type_id=catalogue.type_id)
    ),
    default_type.UnsetDefaultType: Wish(0.4, catalogue.unset_default),
    message.DismissMessage: Wish(0.3, made.dismiss),
}  # fmt: skip
"""By command."""

CARRIED_OUT: frozenset[type] = frozenset(
    {
        volume_type.EnsureDefaultVolumeType,
        volume.PlaceVolume,
        volume.StartProvisioning,
        volume.FinishProvisioning,
        imaging.RecordDownload,
        imaging.FailDownload,
        *image_cache.HANDLERS,
        uploading.StartUpload,
        uploading.FinishUpload,
        volume.StartDeletion,
        volume.FinishDeletion,
        extension.PlaceExtension,
        extension.StartExtension,
        extension.FinishExtension,
        move.PlaceMove,
        move.StartMove,
        move.RecordCopied,
        move.FinishMove,
        exporting.StartConnection,
        exporting.FinishConnection,
        exporting.StartDisconnection,
        exporting.FinishDisconnection,
        exporting.ReportExports,
        attaching.AbandonAttachment,
        remnant.FinishRemnantRemoval,
        remnant.RecallRemnant,
        encryption_key.FinishKeyMaking,
        encryption_key.FinishKeyDestruction,
        settling.SettleReservation,
        giving_up.GiveUp,
        reverting.StartReversion,
        reverting.FinishReversion,
        following.GoOnDeleting,
        snapshot.PlaceSnapshot,
        snapshot.StartSnapshotCreation,
        snapshot.FinishSnapshotCreation,
        snapshot.StartSnapshotDeletion,
        snapshot.FinishSnapshotDeletion,
        backup_work.StartBackup,
        backup_work.RecordCaptured,
        backup_work.RecordBackupProgress,
        backup_work.FinishBackup,
        backup_work.StartBackupDeletion,
        backup_work.FinishBackupDeletion,
        backup_work.StartRestore,
        backup_work.FinishRestore,
        backup_work.FinishImport,
    }
)
"""Commands that processes give because of what clients wish for."""

ELSEWHERE: Mapping[type, str] = {
    uploading.AbandonUpload: "the API gives it, whose image service failed before it answered",
}
"""Commands that take no part, and why not."""


def wished(see: Sight) -> Any | None:
    """Some command that there is something to ask of, or None."""
    kinds = list(WISHES)
    for kind in see.chance.choices(kinds, [WISHES[each].often for each in kinds], k=DRAWS):
        if fields := WISHES[kind].make(see):
            return kind(**fields, at=see.moment())
    return None
