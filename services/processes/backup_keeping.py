"""What is done with backups in the store, wherever their volumes are: deleted, taken over."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from adapters.backup_store.port import BackupBusy, BackupStore, BackupStoreFailure, Location
from domain.aggregates.backup import Backup, events
from domain.errors import NotFound
from domain.event import Recorded
from services.commands.backup_work import FinishBackupDeletion, FinishImport, StartBackupDeletion
from services.processes.backing_up import BUSY_S, location_of
from services.processes.runtime import NotYet, ProcessManager, reacts_to
from services.unit_of_work import Commands


class BackupDeletion(ProcessManager):
    """Claims a backup that is to go, removes it from the store, tells what came of it."""

    name: ClassVar[str] = "backup-deletion"

    def __init__(
        self,
        *,
        commands: Commands,
        clock: Callable[[], datetime],
        store: BackupStore,
        worker: str,
    ) -> None:
        super().__init__(commands=commands, clock=clock)
        self._store = store
        self._worker = worker

    @reacts_to(events.DeletionRequested)
    async def requested(self, recorded: Recorded[events.DeletionRequested]) -> None:
        """Raises NotAllowed if it is gone already."""
        await self._remove(recorded)

    @reacts_to(events.CreationCancelled)
    async def cancelled(self, recorded: Recorded[events.CreationCancelled]) -> None:
        """Its making was waited for; now it may go."""
        await self._remove(recorded)

    async def _remove(self, cause: Recorded[Any]) -> None:
        id = cause.aggregate_id
        attempt = await self.run(
            StartBackupDeletion(id=id, worker=self._worker, at=self.moment(cause))
        )
        now = await self.commands.aggregates.read(Backup, id)
        failure = None
        try:
            await self._store.delete(location_of(now))
        except BackupBusy as busy:  # who writes there still, will find that it is not wanted
            raise NotYet(busy.reason, delay_s=BUSY_S) from busy
        except BackupStoreFailure as failed:
            failure = failed.reason
        await self.run(
            FinishBackupDeletion(id=id, attempt=attempt, failure=failure, at=self.moment(cause))
        )


class BackupImport(ProcessManager):
    """Looks whether the store has what the record of a backup tells of."""

    name: ClassVar[str] = "backup-import"

    def __init__(
        self, *, commands: Commands, clock: Callable[[], datetime], store: BackupStore
    ) -> None:
        super().__init__(commands=commands, clock=clock)
        self._store = store

    @reacts_to(events.ImportRequested)
    async def look(self, requested: Recorded[events.ImportRequested]) -> None:
        """Raises NotAllowed if that is known already, or it waits for its key."""
        await self._look(requested)

    @reacts_to(events.KeyMade)
    async def look_with_key(self, made: Recorded[events.KeyMade]) -> None:
        """Raises as `look`: when it was imported nothing could be told yet."""
        await self._look(made)

    async def _look(self, requested: Recorded[Any]) -> None:
        id = requested.aggregate_id
        now = await self.commands.aggregates.read(Backup, id)
        objects = stored_bytes = 0
        failure = None
        try:
            stored = await self._store.describe(location_of(now))
        except NotFound:
            failure = f"{location_of(now)} is not in the backup store"
        except BackupStoreFailure as failed:
            failure = failed.reason
        else:
            objects, stored_bytes = stored.object_count, stored.stored_bytes
            parent = now.parent and Location(now.parent.container, UUID(now.parent.id))
            said = UUID(now.volume_id), now.size_gib, parent
            found = stored.backup.volume_id, stored.backup.size_gib, stored.backup.parent
            if said != found:
                failure = f"{location_of(now)} is of something else than the record says"
        await self.run(
            FinishImport(
                id=id,
                object_count=objects,
                stored_bytes=stored_bytes,
                failure=failure,
                at=self.moment(requested),
            )
        )
