"""Placing requested volumes."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from domain.aggregates import volume
from domain.event import Recorded
from services.commands.volume import PlaceVolume
from services.processes.runtime import NotYet, ProcessManager, reacts_to
from services.reports import Reports
from services.unit_of_work import Commands


class Placement(ProcessManager):
    """Decides which pool takes a volume, from what the backends last reported."""

    name: ClassVar[str] = "placement"

    def __init__(
        self,
        *,
        commands: Commands,
        clock: Callable[[], datetime],
        reports: Reports,
        patience_s: float,
    ) -> None:
        super().__init__(commands=commands, clock=clock)
        self._reports = reports
        self._patience_s = patience_s

    @reacts_to(volume.Requested)
    async def place(self, requested: Recorded[volume.Requested]) -> None:
        """Waits for a backend to report at all, but not for ever (Cinder: 60 s)."""
        pools = await self._reports.placeable()
        waited_s = (self.clock() - requested.moment.at).total_seconds()
        if not pools and waited_s < self._patience_s:
            raise NotYet("no backend has reported itself", delay_s=1.0)
        await self.run(
            PlaceVolume(id=requested.aggregate_id, pools=pools, at=self.moment(requested))
        )
