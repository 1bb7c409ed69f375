"""Snapshots: the room first, then the backend; and deleting them from it."""

from typing import Any, ClassVar
from uuid import UUID

from adapters.drivers.contract import DriverFailure, SnapshotSpec, VolumeBusy
from domain.aggregates import snapshot, volume
from domain.aggregates.snapshot import Snapshot
from domain.errors import Superseded
from domain.event import Recorded
from services.commands.following import GoOnDeleting
from services.commands.snapshot import (
    FinishSnapshotCreation,
    FinishSnapshotDeletion,
    PlaceSnapshot,
    StartSnapshotCreation,
    StartSnapshotDeletion,
)
from services.processes.backend_work import BackendWork, spec_of_snapshot
from services.processes.room import RoomDecision
from services.processes.runtime import ProcessManager, reacts_to


class SnapshotPlacement(RoomDecision):
    """Decides whether the pool of the volume has the room, from what its backend last reported."""

    name: ClassVar[str] = "snapshot-placement"

    @reacts_to(snapshot.Requested)
    async def place(self, requested: Recorded[snapshot.Requested]) -> None:
        """Raises NotAllowed if it is decided, or the snapshot not wanted any more."""
        pools = await self.reports.placeable()
        await self.run(
            PlaceSnapshot(id=requested.aggregate_id, pools=pools, at=self.moment(requested))
        )


class SnapshotCreation(BackendWork):
    """Claims a snapshot whose pool has the room, makes it, tells what came of it.

    A claim whose worker died is taken over when the message comes again: the driver converges,
    and the dead worker's result, should it still arrive, is refused.
    """

    name: ClassVar[str] = "snapshot-creation"

    @reacts_to(snapshot.Placed)
    async def make(self, placed: Recorded[snapshot.Placed]) -> None:
        """Raises NotAllowed if it is made already, or not wanted any more."""
        id, at = placed.aggregate_id, self.moment(placed)
        attempt = await self.run(StartSnapshotCreation(id=id, worker=self.worker, at=at))
        if attempt is None:
            return
        spec = spec_of_snapshot(await self.commands.aggregates.read(Snapshot, id))
        provider_id, failure = None, None
        try:
            provider_id = (await self.called(self.driver.create_snapshot(spec))).provider_id
        except DriverFailure as failed:
            failure = failed.reason
        try:
            await self.run(
                FinishSnapshotCreation(
                    id=id,
                    attempt=attempt,
                    provider_id=provider_id,
                    failure=failure,
                    at=self.moment(placed),
                )
            )
        except Superseded:
            await self._undo_if_gone(spec)
            raise

    async def _undo_if_gone(self, spec: SnapshotSpec) -> None:
        """What was made after the snapshot was deleted must not stay behind."""
        now = await self.commands.aggregates.read(Snapshot, spec.id)
        if now.state in ("deleting", "removing", "deleted"):
            await self.called(self.driver.delete_snapshot(spec))


class SnapshotDeletion(BackendWork):
    """Claims a snapshot that is to go, removes it, tells what came of it."""

    name: ClassVar[str] = "snapshot-deletion"

    @reacts_to(snapshot.DeletionRequested)
    async def requested(self, recorded: Recorded[snapshot.DeletionRequested]) -> None:
        """Raises NotAllowed if it is gone already."""
        await self._remove(recorded)

    @reacts_to(snapshot.CreationCancelled)
    async def cancelled(self, recorded: Recorded[snapshot.CreationCancelled]) -> None:
        """Its creation was waited for; now it may go."""
        await self._remove(recorded)

    async def _remove(self, cause: Recorded[Any]) -> None:
        id, at = cause.aggregate_id, self.moment(cause)
        attempt = await self.run(StartSnapshotDeletion(id=id, worker=self.worker, at=at))
        spec = spec_of_snapshot(await self.commands.aggregates.read(Snapshot, id))
        failure, busy = None, False
        try:
            await self.called(self.driver.delete_snapshot(spec))
        except DriverFailure as failed:
            failure, busy = failed.reason, isinstance(failed, VolumeBusy)
        await self.run(
            FinishSnapshotDeletion(
                id=id, attempt=attempt, failure=failure, busy=busy, at=self.moment(cause)
            )
        )


class CascadingDeletion(ProcessManager):
    """Goes on with volumes that wait for their snapshots to be deleted, whatever becomes of those.

    Each snapshot may have been the last one; and all may have been gone, or stuck, by the time that
    the volume began to wait.
    """

    name: ClassVar[str] = "cascading-deletion"

    @reacts_to(volume.CascadeRequested)
    async def begun(self, recorded: Recorded[volume.CascadeRequested]) -> None:
        """The snapshots on their way before it may be there already."""
        await self.run(GoOnDeleting(id=recorded.aggregate_id, at=self.moment(recorded)))

    @reacts_to(snapshot.Deleted)
    async def gone(self, recorded: Recorded[snapshot.Deleted]) -> None:
        """It may have been the last one."""
        await self._go_on(recorded, UUID(recorded.event.volume_id))

    @reacts_to(snapshot.DeletionFailed)
    async def failed(self, recorded: Recorded[snapshot.DeletionFailed]) -> None:
        """It stays, and so does its volume."""
        await self._of(recorded, recorded.event.reason)

    @reacts_to(snapshot.FoundBusy)
    async def busy(self, recorded: Recorded[snapshot.FoundBusy]) -> None:
        """As `failed`."""
        await self._of(recorded, recorded.event.reason)

    @reacts_to(snapshot.ResetToError)
    async def reset(self, recorded: Recorded[snapshot.ResetToError]) -> None:
        """An administrator does not wait for it: as `failed`."""
        await self._of(recorded, "an administrator reset it")

    async def _of(self, cause: Recorded[Any], why: str) -> None:
        known = await self.commands.aggregates.read(Snapshot, cause.aggregate_id)
        await self._go_on(cause, UUID(known.volume_id), why)

    async def _go_on(self, cause: Recorded[Any], volume_id: UUID, why: str | None = None) -> None:
        await self.run(GoOnDeleting(id=volume_id, why=why, at=self.moment(cause)))
