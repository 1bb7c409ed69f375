"""Deleting volumes from their backend."""

from typing import Any, ClassVar
from uuid import UUID

from adapters.drivers.contract import DriverFailure, VolumeBusy
from domain.aggregates import volume
from domain.event import Recorded
from services.commands.volume import FinishDeletion, StartDeletion
from services.processes.backend_work import BackendWork, spec_of_volume
from services.processes.runtime import reacts_to


class Deletion(BackendWork):
    """Claims a volume that is to go, removes it, tells what came of it."""

    name: ClassVar[str] = "deletion"

    @reacts_to(volume.DeletionRequested)
    async def requested(self, recorded: Recorded[volume.DeletionRequested]) -> None:
        """Raises NotAllowed if it is gone already."""
        await self._remove(recorded)

    @reacts_to(volume.CreationCancelled)
    async def cancelled(self, recorded: Recorded[volume.CreationCancelled]) -> None:
        """Its creation was waited for; now it may go."""
        await self._remove(recorded)

    async def _remove(self, cause: Recorded[Any]) -> None:
        id = cause.aggregate_id
        attempt = await self.run(
            StartDeletion(id=id, worker=self.worker, on=cause.event.host, at=self.moment(cause))
        )
        now = await self.commands.aggregates.read(volume.Volume, id)
        spec = spec_of_volume(now)
        failure, busy = None, False
        try:
            for attachment_id in now.attachments:  # of which nobody makes use
                await self.called(self.driver.disconnect_volume(spec, UUID(attachment_id)))
            await self.called(self.driver.delete_volume(spec))
        except DriverFailure as failed:
            failure, busy = failed.reason, isinstance(failed, VolumeBusy)
        await self.run(
            FinishDeletion(
                id=id, attempt=attempt, failure=failure, busy=busy, at=self.moment(cause)
            )
        )
