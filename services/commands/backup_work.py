"""Commands about backups from the processes that make, restore, delete and import them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.backup import Backup, encryption, importing, making, restoring
from domain.aggregates.volume import Volume, backing_up
from domain.event import Moment
from services.commands import settling
from services.commands.backup import released
from services.commands.encrypting import not_waited_for, unneeded
from services.unit_of_work import UnitOfWork


class StartBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the making of a backup."""

    id: UUID
    worker: str
    at: Moment


class RecordCaptured(msgspec.Struct, frozen=True, kw_only=True):
    """What the backup is to hold is kept apart."""

    id: UUID
    attempt: int
    at: Moment


class RecordBackupProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far it has come: up to which byte of the volume, and what is stored of its own."""

    id: UUID
    attempt: int
    done_bytes: int
    object_count: int
    stored_bytes: int
    at: Moment


class FinishBackup(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: the store has all of it if there is no `failure`."""

    id: UUID
    attempt: int
    object_count: int = 0
    stored_bytes: int = 0
    failure: str | None = None
    at: Moment


class StartRestore(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the restoring of a backup."""

    id: UUID
    worker: str
    at: Moment


class FinishRestore(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: the volume holds it if there is no `failure`."""

    id: UUID
    attempt: int
    failure: str | None = None
    at: Moment


class StartBackupDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the deletion of a backup."""

    id: UUID
    worker: str
    at: Moment


class FinishBackupDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: gone if there is no `failure`."""

    id: UUID
    attempt: int
    failure: str | None = None
    at: Moment


class FinishImport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the store has what was imported: it does if there is no `failure`."""

    id: UUID
    object_count: int = 0
    stored_bytes: int = 0
    failure: str | None = None
    at: Moment


async def start_backup(cmd: StartBackup, work: UnitOfWork) -> int | None:
    """The attempt's number; None if it is not wanted any more. Raises NotAllowed."""
    backup = await work.load(Backup, cmd.id)
    if backup.state == "cancelling":
        backup.creation_cancelled(cmd.at)
        await work.commit(backup, *await released(backup, work, cmd.at))
        return None
    attempt = making.start(backup, cmd.worker, cmd.at)
    await work.commit(backup)
    return attempt


async def record_captured(cmd: RecordCaptured, work: UnitOfWork) -> None:
    """The volume is free again in the same append. Raises Superseded."""
    backup = await work.load(Backup, cmd.id)
    making.capture(backup, cmd.attempt, cmd.at)
    await work.commit(backup, *await released(backup, work, cmd.at))


async def record_backup_progress(cmd: RecordBackupProgress, work: UnitOfWork) -> None:
    """Raises Superseded, also if it is not wanted any more."""
    backup = await work.load(Backup, cmd.id)
    making.progress(
        backup,
        cmd.attempt,
        done_bytes=cmd.done_bytes,
        object_count=cmd.object_count,
        stored_bytes=cmd.stored_bytes,
        at=cmd.at,
    )
    await work.commit(backup)


async def finish_backup(cmd: FinishBackup, work: UnitOfWork) -> None:
    """Outcome, quota, and the end of what waited for it, in one append. Raises Superseded."""
    backup = await work.load(Backup, cmd.id)
    if cmd.failure is None:
        making.finish(
            backup,
            cmd.attempt,
            object_count=cmd.object_count,
            stored_bytes=cmd.stored_bytes,
            at=cmd.at,
        )
    else:
        making.fail(backup, cmd.attempt, cmd.failure, cmd.at)
    kept = await settling.keep(backup, work, cmd.at) if backup.at_rest else []
    await work.commit(backup, *await released(backup, work, cmd.at), *kept)


async def start_restore(cmd: StartRestore, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to be restored (any more)."""
    backup = await work.load(Backup, cmd.id)
    attempt = restoring.start(backup, cmd.worker, cmd.at)
    await work.commit(backup)
    return attempt


async def finish_restore(cmd: FinishRestore, work: UnitOfWork) -> None:
    """Backup and volume, and the key that is of no use any more, in one append. Raises
    Superseded."""
    backup = await work.load(Backup, cmd.id)
    backup.check_claim(cmd.attempt, "writing")
    volume = await work.load(Volume, UUID(backup.restoring_to or ""))
    keys: Sequence[Aggregate]
    if cmd.failure is None:
        key = encryption.restored_key(backup)
        keys = await unneeded(volume, work, cmd.at)
        restoring.finish(backup, cmd.attempt, cmd.at)
        backing_up.restored(volume, str(backup.id), cmd.at, key=key)
    else:
        keys = await not_waited_for(backup, work, cmd.at)
        restoring.fail(backup, cmd.attempt, cmd.failure, cmd.at)
        backing_up.restore_failed(volume, str(backup.id), cmd.failure, cmd.at)
    await work.commit(backup, volume, *keys)


async def start_backup_deletion(cmd: StartBackupDeletion, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to be deleted (any more)."""
    backup = await work.load(Backup, cmd.id)
    attempt = backup.start_deletion(cmd.worker, cmd.at)
    await work.commit(backup)
    return attempt


async def finish_backup_deletion(cmd: FinishBackupDeletion, work: UnitOfWork) -> None:
    """Outcome, quota and the end of its key in one append. Raises Superseded, NotAllowed."""
    backup = await work.load(Backup, cmd.id)
    if cmd.failure is None:
        backup.deleted(cmd.at)
        key = await unneeded(backup, work, cmd.at)
        await work.commit(backup, *key, *await settling.give_back(backup, work, cmd.at))
        return
    backup.deletion_failed(cmd.attempt, cmd.failure, cmd.at)
    await work.commit(backup, *await settling.keep(backup, work, cmd.at))


async def finish_import(cmd: FinishImport, work: UnitOfWork) -> None:
    """Outcome and quota in one append, and that a key is not waited for any more. Raises NotAllowed
    if that is known."""
    backup = await work.load(Backup, cmd.id)
    keys: list[Aggregate] = []
    if cmd.failure is None:
        importing.finish(
            backup, object_count=cmd.object_count, stored_bytes=cmd.stored_bytes, at=cmd.at
        )
    else:
        keys = await not_waited_for(backup, work, cmd.at)
        importing.fail(backup, cmd.failure, cmd.at)
    await work.commit(backup, *keys, *await settling.keep(backup, work, cmd.at))


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    StartBackup: start_backup,
    RecordCaptured: record_captured,
    RecordBackupProgress: record_backup_progress,
    FinishBackup: finish_backup,
    StartRestore: start_restore,
    FinishRestore: finish_restore,
    StartBackupDeletion: start_backup_deletion,
    FinishBackupDeletion: finish_backup_deletion,
    FinishImport: finish_import,
}
