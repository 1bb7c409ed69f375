"""Making placed volumes on their backend."""

from typing import ClassVar

from adapters.drivers.contract import DriverFailure
from domain.aggregates import volume
from domain.errors import Superseded
from domain.event import Recorded
from services.commands.volume import FinishProvisioning, StartProvisioning
from services.processes.backend_work import BackendWork, spec_of
from services.processes.runtime import reacts_to


class Provisioning(BackendWork):
    """Claims a placed volume, makes it, tells what came of it: that it failed, too, and whether
    another backend may well succeed.

    A claim whose worker died is taken over when the message comes again: the driver converges,
    and the dead worker's result, should it still arrive, is refused.
    """

    name: ClassVar[str] = "provisioning"

    @reacts_to(volume.Placed)
    async def provision(self, placed: Recorded[volume.Placed]) -> None:
        """Raises NotAllowed if it is made already, or not wanted any more."""
        id, event = placed.aggregate_id, placed.event
        attempt = await self.run(
            StartProvisioning(id=id, worker=self.worker, on=event.host, at=self.moment(placed))
        )
        if attempt is None:
            return
        spec = spec_of(id, host=event.host, size_gib=event.size_gib, project_id=event.project_id)
        provider_id, failure, elsewhere = None, None, False
        try:
            provider_id = (await self.called(self.driver.create_volume(spec))).provider_id
        except DriverFailure as failed:
            failure, elsewhere = failed.reason, failed.retryable_elsewhere
        try:
            await self.run(
                FinishProvisioning(
                    id=id,
                    attempt=attempt,
                    provider_id=provider_id,
                    failure=failure,
                    elsewhere=elsewhere,
                    at=self.moment(placed),
                )
            )
        except Superseded:
            await self._undo_if_gone(placed)
            raise

    async def _undo_if_gone(self, placed: Recorded[volume.Placed]) -> None:
        """What was made after the volume was deleted, or went elsewhere, must not stay behind."""
        event = placed.event
        now = await self.commands.aggregates.read(volume.Volume, placed.aggregate_id)
        if now.state in ("deleting", "removing", "deleted") or now.host != event.host:
            spec = spec_of(
                now.id, host=event.host, size_gib=event.size_gib, project_id=event.project_id
            )
            await self.called(self.driver.delete_volume(spec))
