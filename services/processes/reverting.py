"""Taking volumes back to their latest snapshots."""

from typing import Any, ClassVar
from uuid import UUID

from adapters.drivers.contract import DriverFailure
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume, reverting
from domain.event import Recorded
from services.commands.reverting import FinishReversion, StartReversion
from services.processes.backend_work import BackendWork, spec_of_snapshot, spec_of_volume
from services.processes.copying import Copier
from services.processes.runtime import reacts_to


class Reverting(BackendWork):
    """Claims a volume that is to be reverted, has it done, tells what came of it.

    A claim whose worker died is taken over when the message comes again: the driver converges, and
    whatever happens to it the volume holds all of what it held, or all of what it is to hold.
    """

    name: ClassVar[str] = "reverting"

    def __init__(self, *, copier: Copier, **shared: Any) -> None:
        super().__init__(**shared)
        self._timeout_of_copies_s = copier.timeout_s

    @reacts_to(reverting.ReversionRequested)
    async def revert(self, requested: Recorded[reverting.ReversionRequested]) -> None:
        """Raises NotAllowed if it is done already, or given up."""
        id, event = requested.aggregate_id, requested.event
        attempt = await self.run(
            StartReversion(id=id, worker=self.worker, on=event.host, at=self.moment(requested))
        )
        now = await self.commands.aggregates.read(Volume, id)
        to = await self.commands.aggregates.read(Snapshot, UUID(event.snapshot_id))
        failure = None
        try:
            await self.called(
                self.driver.revert_volume(spec_of_volume(now), spec_of_snapshot(to)),
                timeout_s=self._timeout_of_copies_s,
            )
        except DriverFailure as failed:
            failure = failed.reason
        await self.run(
            FinishReversion(id=id, attempt=attempt, failure=failure, at=self.moment(requested))
        )
