"""Making volumes larger: the room first, then the backend."""

from typing import ClassVar

from adapters.drivers.contract import DriverFailure
from domain.aggregates.volume import Volume, extension
from domain.event import Recorded
from services.commands.extension import FinishExtension, PlaceExtension, StartExtension
from services.processes.backend_work import BackendWork, spec_of
from services.processes.room import RoomDecision
from services.processes.runtime import reacts_to


class ExtensionPlacement(RoomDecision):
    """Decides whether the volume's pool has the room, from what its backend last reported."""

    name: ClassVar[str] = "extension-placement"

    @reacts_to(extension.ExtensionRequested)
    async def place(self, requested: Recorded[extension.ExtensionRequested]) -> None:
        """Raises NotAllowed if it is decided, or given up."""
        pools = await self.reports.placeable()
        await self.run(
            PlaceExtension(id=requested.aggregate_id, pools=pools, at=self.moment(requested))
        )


class Extending(BackendWork):
    """Claims a volume whose pool has the room, makes it larger, tells what came of it.

    A claim whose worker died is taken over when the message comes again: the driver converges.
    """

    name: ClassVar[str] = "extending"

    @reacts_to(extension.ExtensionPlaced)
    async def extend(self, placed: Recorded[extension.ExtensionPlaced]) -> None:
        """Raises NotAllowed if it is larger already, or given up."""
        id = placed.aggregate_id
        on = placed.event.host
        attempt = await self.run(
            StartExtension(id=id, worker=self.worker, on=on, at=self.moment(placed))
        )
        now = await self.commands.aggregates.read(Volume, id)
        wanted = extension.under_way(now)
        spec = spec_of(id, host=on, size_gib=now.size_gib, project_id=now.project_id)
        failure = None
        try:
            await self.called(self.driver.extend_volume(spec, wanted.new_size_gib))
        except DriverFailure as failed:
            failure = failed.reason
        await self.run(
            FinishExtension(id=id, attempt=attempt, failure=failure, at=self.moment(placed))
        )
