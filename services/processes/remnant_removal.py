"""Removing from backends what failed attempts may have left there."""

from typing import ClassVar
from uuid import UUID

from domain.aggregates import remnant
from domain.event import Recorded
from services.commands.remnant import FinishRemnantRemoval
from services.processes.backend_work import BackendWork, spec_of
from services.processes.runtime import reacts_to


class RemnantRemoval(BackendWork):
    """Deletes on its backend what is not there any more by the log; a driver deletes what is not
    there with success. A backend that refuses is asked again, until the reaction is parked."""

    name: ClassVar[str] = "remnant-removal"

    @reacts_to(remnant.Left)
    async def remove(self, left: Recorded[remnant.Left]) -> None:
        """Raises DriverFailure, and NotAllowed if others were faster."""
        now = await self.commands.aggregates.read(remnant.Remnant, left.aggregate_id)
        if now.state != "left":  # an old message must not touch what came there since
            return
        spec = spec_of(
            UUID(now.volume_id), host=now.host, size_gib=now.size_gib, project_id=now.project_id
        )
        await self.called(self.driver.delete_volume(spec))
        await self.run(FinishRemnantRemoval(id=now.id, at=self.moment(left)))
