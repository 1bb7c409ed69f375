"""Making backups, and putting them back, on the backend that has the volume."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from adapters.backup_store.port import (
    BackupBusy,
    BackupSpec,
    BackupStore,
    BackupStoreFailure,
    Location,
    Progress,
    Stored,
)
from adapters.drivers.content import Blocks
from adapters.drivers.contract import DriverFailure, SnapshotSpec
from domain.aggregates.backup import Backup, events, making
from domain.aggregates.volume import Volume
from domain.errors import NotAllowed, NotFound, Superseded
from domain.event import Recorded
from services.commands.backup_work import (
    FinishBackup,
    FinishRestore,
    RecordBackupProgress,
    RecordCaptured,
    StartBackup,
    StartRestore,
)
from services.processes.backend_work import BackendWork, spec_of_volume
from services.processes.runtime import NotYet, reacts_to
from services.processes.wanted import LOOK_S, while_wanted

BUSY_S = 5.0
"""When to come again while another worker, whose claim is superseded, still writes."""


class _BackupWork(BackendWork):
    """Works between a backend and the store of backups."""

    def __init__(
        self, *, store: BackupStore, copy_timeout_s: float, look_s: float = LOOK_S, **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.store = store
        self._copy_timeout_s = copy_timeout_s
        self._look = timedelta(seconds=look_s)

    async def read(self, id: UUID) -> Backup:
        """As it is now."""
        return await self.commands.aggregates.read(Backup, id)


class BackingUp(_BackupWork):
    """Claims a backup that was asked for, makes it, tells what came of it.

    A volume is read through a snapshot on its backend, which is named as the backup and known to
    nobody else: so what is stored is of one moment, and the volume is free as soon as that is
    there. It goes before the outcome is told; should that fail, when it has been told. A claim
    whose worker died is taken over when the message comes again, and store and driver go on.
    """

    name: ClassVar[str] = "backing-up"

    @reacts_to(events.Requested)
    async def make(self, requested: Recorded[events.Requested]) -> None:
        """Raises NotAllowed if it is made already, waits for its key, or is not wanted any more."""
        await self._make(requested)

    @reacts_to(events.KeyMade)
    async def make_with_key(self, made: Recorded[events.KeyMade]) -> None:
        """Raises as `make`: when it was requested it could not be made yet."""
        await self._make(made)

    async def _make(self, requested: Recorded[Any]) -> None:
        id = requested.aggregate_id
        attempt = await self.run(StartBackup(id=id, worker=self.worker, at=self.moment(requested)))
        if attempt is None:
            return
        now = await self.read(id)
        stored, failure = None, None
        try:
            stored = await self._stored(now, attempt, requested)
        except BackupBusy as busy:
            raise NotYet(busy.reason, delay_s=BUSY_S) from busy
        except (DriverFailure, BackupStoreFailure) as failed:
            failure = failed.reason
        except NotFound:
            failure = f"its parent, {now.parent}, is not in the backup store"
        except Superseded:
            if not await self._cancelled(id, attempt):
                await self._clear_what_is_over(id)
                raise
            failure = "it is not wanted any more"
        with suppress(DriverFailure):  # it is tried again once the outcome is told
            await self._let_go(now)
        try:
            await self.run(
                FinishBackup(
                    id=id,
                    attempt=attempt,
                    object_count=stored.object_count if stored else 0,
                    stored_bytes=stored.stored_bytes if stored else 0,
                    failure=failure,
                    at=self.moment(requested),
                )
            )
        except Superseded:
            await self._clear_what_is_over(id)
            raise

    @reacts_to(events.Created)
    async def made(self, made: Recorded[events.Created]) -> None:
        """What it was read through is not needed any more. Raises DriverFailure."""
        await self._clear_what_is_over(made.aggregate_id)

    @reacts_to(events.CreationFailed)
    async def failed(self, failed: Recorded[events.CreationFailed]) -> None:
        """As `made`."""
        await self._clear_what_is_over(failed.aggregate_id)

    @reacts_to(events.CreationCancelled)
    async def cancelled(self, cancelled: Recorded[events.CreationCancelled]) -> None:
        """As `made`."""
        await self._clear_what_is_over(cancelled.aggregate_id)

    async def _stored(self, now: Backup, attempt: int, cause: Recorded[Any]) -> Stored:
        """Raises DriverFailure, BackupStoreFailure, NotFound, Superseded."""
        source = _read_from(now)
        if now.snapshot_id is None:
            if not now.captured:
                await self.called(self.driver.create_snapshot(source))
            at = self.moment(cause)
            await self.run(RecordCaptured(id=now.id, attempt=attempt, at=at))
        told: list[Progress] = []
        content = self._told(self.driver.read(source), told, now, attempt, cause)
        writing = self.store.write(_kept_as(now), content, progress=told.append)
        return await self.called(writing, timeout_s=self._copy_timeout_s)

    async def _told(
        self, blocks: Blocks, told: list[Progress], now: Backup, attempt: int, cause: Recorded[Any]
    ) -> Blocks:
        """The blocks, as long as they are wanted; that it comes on is recorded meanwhile. Raises
        Superseded."""
        looked: datetime | None = None
        percent = 0
        async for block in blocks:
            reached = told[-1] if told else Progress(0, 0, 0)
            del told[:-1]
            step = reached.done_bytes // _step_bytes(now)
            if looked is None or step > percent or self.clock() - looked >= self._look:
                looked, percent = self.clock(), step
                await self.run(
                    RecordBackupProgress(
                        id=now.id,
                        attempt=attempt,
                        done_bytes=reached.done_bytes,
                        object_count=reached.object_count,
                        stored_bytes=reached.stored_bytes,
                        at=self.moment(cause),
                    )
                )
            yield block

    async def _cancelled(self, id: UUID, attempt: int) -> bool:
        now = await self.read(id)
        return now.state == "cancelling" and now.attempt == attempt

    async def _clear_what_is_over(self, id: UUID) -> None:
        """Of one that nobody makes any more, nothing may stay on the backend. Raises
        DriverFailure."""
        now = await self.read(id)
        if now.state not in ("requested", "making", "cancelling"):
            await self._let_go(now)

    async def _let_go(self, now: Backup) -> None:
        if now.snapshot_id is None:
            await self.called(self.driver.delete_snapshot(capture_of(now)))


class Restoring(_BackupWork):
    """Claims a backup that is to be put back into a volume of its backend, does it, tells what
    came of it. A claim whose worker died is taken over, and begins anew."""

    name: ClassVar[str] = "restoring"

    @reacts_to(events.RestoreRequested)
    async def restore(self, requested: Recorded[events.RestoreRequested]) -> None:
        """Raises NotAllowed if it is done already, waits for the volume's key, or is given up."""
        await self._restore(requested)

    @reacts_to(events.RestoreKeyMade)
    async def restore_with_key(self, made: Recorded[events.RestoreKeyMade]) -> None:
        """Raises as `restore`: when it was requested it could not be done yet."""
        await self._restore(made)

    async def _restore(
        self, requested: Recorded[events.RestoreRequested] | Recorded[events.RestoreKeyMade]
    ) -> None:
        id = requested.aggregate_id
        now = await self.read(id)
        if now.restoring_to != requested.event.volume_id:  # an old message, of another restore
            raise NotAllowed(kind=now.kind, id=str(id), state=now.status, event="restore")
        attempt = await self.run(StartRestore(id=id, worker=self.worker, at=self.moment(requested)))
        volume = await self.commands.aggregates.read(Volume, UUID(requested.event.volume_id))

        async def still_wanted() -> None:
            (await self.read(id)).check_claim(attempt, "writing")

        blocks = self.store.read(location_of(now))
        content = while_wanted(blocks, still_wanted, clock=self.clock, look=self._look)
        failure = None
        try:
            await self.called(
                self.driver.overwrite_volume(spec_of_volume(volume), content),
                timeout_s=self._copy_timeout_s,
            )
        except (DriverFailure, BackupStoreFailure) as failed:
            failure = failed.reason
        except NotFound:
            failure = f"{location_of(now)} is not in the backup store"
        await self.run(
            FinishRestore(id=id, attempt=attempt, failure=failure, at=self.moment(requested))
        )


def location_of(backup: Backup) -> Location:
    """Where the store has it."""
    return Location(backup.container, backup.id)


def capture_of(backup: Backup) -> SnapshotSpec:
    """What its volume is read through."""
    return SnapshotSpec(
        id=backup.id,
        volume_id=UUID(backup.volume_id),
        size_gib=backup.size_gib,
        pool=backup.made_on().partition("#")[2],
        project_id=backup.project_id,
    )


def _step_bytes(backup: Backup) -> int:
    return backup.size_gib * making.GIB * making.PROGRESS_PERCENT // 100


def _read_from(backup: Backup) -> SnapshotSpec:
    if backup.snapshot_id is None:
        return capture_of(backup)
    return SnapshotSpec(
        id=UUID(backup.snapshot_id),
        volume_id=UUID(backup.volume_id),
        size_gib=backup.size_gib,
        pool=backup.made_on().partition("#")[2],
        project_id=backup.project_id,
    )


def _kept_as(backup: Backup) -> BackupSpec:
    parent = backup.parent
    return BackupSpec(
        location=location_of(backup),
        volume_id=UUID(backup.volume_id),
        size_gib=backup.size_gib,
        parent=None if parent is None else Location(parent.container, UUID(parent.id)),
        about={
            "project_id": backup.project_id,
            "name": backup.name or "",
            "content_at": "" if backup.content_at is None else backup.content_at.isoformat(),
        },
    )
