"""Commands about backups from users: made, described, restored, deleted, reset."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import UNSET, UnsetType

from domain.aggregate import Aggregate
from domain.aggregates.backup import Backup, encryption, restoring
from domain.aggregates.backup import giving_up as backup_giving_up
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.snapshot import backing_up as of_snapshot
from domain.aggregates.volume import Source, Volume
from domain.aggregates.volume import backing_up as of_volume
from domain.aggregates.volume_type import VolumeType
from domain.containers import CONTAINER, DEFAULT_CONTAINER
from domain.errors import InvalidRequest, NotAllowed, OverQuota
from domain.event import Moment
from domain.metadata import checked_metadata, checked_name
from domain.quota import of_backup
from services.commands import settling
from services.commands.encrypting import key_to_back_up, key_to_restore, not_waited_for
from services.commands.service import closures_of
from services.unit_of_work import UnitOfWork


class CreateBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup of a volume as it is when its backend gets to it, or of a snapshot of it.

    `project_id` is the project that must see both, and None sees every project's, here and below.
    `force` lets the volume be in use. An incremental one goes on from the first of the `candidates`
    that it can.
    """

    id: UUID
    volume_id: UUID
    project_id: str | None
    of_project: str
    user_id: str
    name: str | None
    description: str | None
    metadata: dict[str, str] = {}
    container: str | None = None
    availability_zone: str | None = None
    snapshot_id: UUID | None = None
    force: bool = False
    incremental: bool = False
    candidates: tuple[UUID, ...] = ()
    at: Moment


class DescribeBackup(msgspec.Struct, frozen=True, kw_only=True):
    """Changes what is set."""

    id: UUID
    project_id: str | None
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    at: Moment


class DeleteBackup(msgspec.Struct, frozen=True, kw_only=True):
    """`force` deletes in every state but those in which it is restored."""

    id: UUID
    project_id: str | None
    force: bool = False
    at: Moment


class ResetBackup(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator says what its status is, in Cinder's words."""

    id: UUID
    project_id: str | None
    status: str
    at: Moment


class RestoreBackup(msgspec.Struct, frozen=True, kw_only=True):
    """Puts it back into a volume that is there."""

    id: UUID
    project_id: str | None
    volume_id: UUID
    at: Moment


async def create_backup(cmd: CreateBackup, work: UnitOfWork) -> UUID:
    """The backup, its quota reservation, the key that it needs, and that its volume or snapshot
    waits for it, in one append: of two that are asked for at a time exactly one is made.

    Raises NotFound, InvalidRequest, NotAllowed, OverQuota.
    """
    volume = (await work.load(Volume, cmd.volume_id)).visible_to(cmd.project_id)
    closures = await closures_of(work)
    closures.check_not_frozen(volume.held_by())
    snapshot = await _snapshot_of(volume, cmd, work)
    reservation = QuotaReservation.reserve(
        uuid5(cmd.id, "reservation"),
        project_id=cmd.of_project,
        subject=cmd.id,
        amounts=of_backup(volume.size_gib if snapshot is None else snapshot.size_gib),
        largest_gib=0,
        at=cmd.at,
    )
    parent = await _parent(cmd, snapshot, work) if cmd.incremental else None
    backup = Backup.request(
        cmd.id,
        project_id=cmd.of_project,
        user_id=cmd.user_id,
        volume_id=volume.id,
        host=volume.held_by() if snapshot is None else snapshot.host,
        availability_zone=cmd.availability_zone or volume.availability_zone or "",
        size_gib=volume.size_gib if snapshot is None else snapshot.size_gib,
        name=checked_name(cmd.name, field="name"),
        description=checked_name(cmd.description, field="description"),
        metadata=checked_metadata(cmd.metadata),
        container=checked_container(cmd.container),
        reservation_id=reservation.id,
        parent=parent,
        snapshot_id=None if snapshot is None else snapshot.id,
        snapshot_at=None if snapshot is None else snapshot.requested_at,
        encryption=volume.encryption,
        at=cmd.at,
    )
    key = key_to_back_up(backup, volume.encryption_key_id, cmd.at)
    source: Volume | Snapshot = volume if snapshot is None else snapshot
    if snapshot is None:
        of_volume.begin(volume, str(cmd.id), cmd.at, force=cmd.force)
    else:
        of_snapshot.begin(snapshot, str(cmd.id), cmd.at)
    try:
        await work.commit(reservation, backup, source, *key)
    except OverQuota as over:
        await work.commit(reservation.refused(over.overs, cmd.at))
        raise
    return backup.id


async def _snapshot_of(volume: Volume, cmd: CreateBackup, work: UnitOfWork) -> Snapshot | None:
    if cmd.snapshot_id is None:
        return None
    snapshot = (await work.load(Snapshot, cmd.snapshot_id)).visible_to(cmd.project_id)
    if snapshot.volume_id != str(volume.id):
        raise InvalidRequest(f"Snapshot {snapshot.id} is not one of volume {volume.id}.")
    return snapshot


async def _parent(cmd: CreateBackup, snapshot: Snapshot | None, work: UnitOfWork) -> Backup:
    for id in cmd.candidates:
        found = await work.load(Backup, id)
        with suppress(NotAllowed, InvalidRequest):
            found.check_parent(
                project_id=cmd.of_project,
                volume_id=cmd.volume_id,
                than=None if snapshot is None else snapshot.requested_at,
            )
            return found
    raise InvalidRequest(
        f"There is no backup of volume {cmd.volume_id} that an incremental one could go on from:"
        " make a full one first."
    )


def checked_container(name: str | None) -> str:
    """The name, or that of backups for which nobody names one. Raises InvalidRequest for one that
    no store has."""
    if name is None:
        return DEFAULT_CONTAINER
    if not CONTAINER.match(name):
        raise InvalidRequest(
            f"A container cannot be called {name[:64]!r}: letters, digits and _ . - are possible,"
            " the first being a letter, digit or _."
        )
    return name


async def describe_backup(cmd: DescribeBackup, work: UnitOfWork) -> None:
    """Raises NotFound, InvalidRequest."""
    backup = (await work.load(Backup, cmd.id)).visible_to(cmd.project_id)
    backup.describe(
        backup.name if cmd.name is UNSET else checked_name(cmd.name, field="name"),
        backup.description
        if cmd.description is UNSET
        else checked_name(cmd.description, field="description"),
        cmd.at,
    )
    if cmd.metadata is not UNSET:
        backup.change_metadata(checked_metadata(cmd.metadata), cmd.at)
    await work.commit(backup)


async def delete_backup(cmd: DeleteBackup, work: UnitOfWork) -> None:
    """Wants it gone. Raises NotFound, NotAllowed, InUse while others go on from it."""
    backup = (await work.load(Backup, cmd.id)).visible_to(cmd.project_id)
    backup.request_deletion(cmd.at, force=cmd.force)
    if backup.pending:
        held = [] if backup.state == "cancelling" else await released(backup, work, cmd.at)
        await work.commit(backup, *held)


async def reset_backup(cmd: ResetBackup, work: UnitOfWork) -> None:
    """What was under way is given up in the same append. Raises NotFound, NotAllowed,
    InvalidRequest."""
    backup = (await work.load(Backup, cmd.id)).visible_to(cmd.project_id)
    backup.check_reset(cmd.status)
    reason = f"an administrator reset it to {cmd.status}"
    ended = await end_waiting(backup, reason, work, cmd.at, cancelled=True)
    backup_giving_up.end_waiting(backup, reason, cmd.at)  # of what was cancelled, the deletion
    backup.reset(cmd.status, cmd.at)
    await work.commit(backup, *ended, *await settling.keep(backup, work, cmd.at))


async def restore_backup(cmd: RestoreBackup, work: UnitOfWork) -> None:
    """Backup and volume, each waiting for the other, and the key that the volume needs, in one
    append. Raises NotFound, NotAllowed, InvalidRequest; InUse while what is made of the volume
    would lose the key that it has."""
    backup = (await work.load(Backup, cmd.id)).visible_to(cmd.project_id)
    volume = (await work.load(Volume, cmd.volume_id)).visible_to(cmd.project_id)
    closures = await closures_of(work)
    backup.check_available("restore")
    key = key_to_restore(backup, volume, cmd.at)
    of_volume.begin_restore(volume, str(backup.id), cmd.at)
    closures.check_not_frozen(volume.held_by())
    restoring.request(
        backup,
        volume_id=volume.id,
        host=volume.held_by(),
        volume_size_gib=volume.size_gib,
        key=key[0].id if key else None,
        at=cmd.at,
    )
    await work.commit(backup, volume, *key)


async def claim(
    backup_id: UUID, volume: Volume, volume_type: VolumeType, work: UnitOfWork, at: Moment
) -> Backup:
    """A volume that was just requested is to hold what the backup does, which stays until it does.
    Raises NotFound, NotAllowed, InvalidRequest."""
    backup = (await work.load(Backup, backup_id)).visible_to(volume.project_id)
    backup.check_available("restore")
    restoring.check_fits(backup, volume.id, volume.size_gib)
    encryption.check_fits(backup, volume_type.encryption)
    source = Source(
        kind="backup", id=str(backup.id), size_gib=backup.size_gib, volume_id=backup.volume_id
    )
    volume.claim_source(source, at)
    return backup


def restored_from(backup_id: UUID | None) -> dict[str, str]:
    """What the metadata of a volume say of the backup that it is made with."""
    return {} if backup_id is None else {of_volume.RESTORED_FROM: str(backup_id)}


async def released(backup: Backup, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """The volume or snapshot that waits for a backup to be made, not waiting any more; to be
    stored with what ended that. One that is gone, or does something else by now, stays as it is."""
    id = str(backup.id)
    if backup.host is None:
        return []
    if backup.snapshot_id is None:
        volume = await work.load(Volume, UUID(backup.volume_id))
        of_volume.end(volume, id, at)
        return [volume]  # also if it waits for nothing, which may be what was known long ago
    snapshot = await work.load(Snapshot, UUID(backup.snapshot_id))
    of_snapshot.end(snapshot, id, at)
    return [snapshot]


async def end_waiting(
    backup: Backup, reason: str, work: UnitOfWork, at: Moment, *, cancelled: bool = False
) -> list[Aggregate]:
    """Gives up what is under way on a backup; what is to be stored with that. `cancelled` says
    that somebody wants it so."""
    target = backup.restoring_to
    keys = await not_waited_for(backup, work, at)
    backup_giving_up.end_waiting(backup, reason, at)
    if target is None:
        return [*keys, *await released(backup, work, at)]
    volume = await work.load(Volume, UUID(target))
    end = of_volume.cancel_restore if cancelled else of_volume.restore_failed
    end(volume, str(backup.id), reason, at)
    return [*keys, volume]


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    CreateBackup: create_backup,
    DescribeBackup: describe_backup,
    DeleteBackup: delete_backup,
    ResetBackup: reset_backup,
    RestoreBackup: restore_backup,
}
