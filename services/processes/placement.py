"""Placing requested volumes, and those that move."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from domain.aggregates import move, volume
from domain.aggregates.volume import encryption
from domain.event import Recorded
from domain.placement import Pool, Rules
from services.commands.move import PlaceMove
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
        rules: Rules | None = None,
        max_attempts: int = 1,
    ) -> None:
        super().__init__(commands=commands, clock=clock)
        self._reports = reports
        self._patience_s = patience_s
        self._rules = rules or Rules()
        self._max_attempts = max_attempts

    @reacts_to(volume.Requested)
    async def place(self, requested: Recorded[volume.Requested]) -> None:
        """Waits for a backend to report at all, but not for ever (Cinder: 60 s)."""
        await self._place(requested)

    @reacts_to(encryption.KeyMade)
    async def place_with_key(self, made: Recorded[encryption.KeyMade]) -> None:
        """It is encrypted, and has its key now: when it was requested it was not placed yet."""
        await self._place(made)

    @reacts_to(volume.Rescheduled)
    async def place_again(self, rescheduled: Recorded[volume.Rescheduled]) -> None:
        """A backend failed: another one shall try."""
        await self._place(rescheduled)

    @reacts_to(move.Requested)
    async def place_move(self, requested: Recorded[move.Requested]) -> None:
        """It may be to stay in its pool."""
        await self._place_move(requested)

    @reacts_to(move.Declined)
    async def place_move_again(self, declined: Recorded[move.Declined]) -> None:
        """It cannot stay in its pool: another one shall take it."""
        await self._place_move(declined)

    async def _place(self, cause: Recorded[Any]) -> None:
        await self.run(
            PlaceVolume(
                id=cause.aggregate_id,
                pools=await self._pools(cause),
                rules=self._rules,
                max_attempts=self._max_attempts,
                at=self.moment(cause),
            )
        )

    async def _place_move(self, cause: Recorded[Any]) -> None:
        await self.run(
            PlaceMove(
                id=cause.aggregate_id,
                pools=await self._pools(cause),
                rules=self._rules,
                at=self.moment(cause),
            )
        )

    async def _pools(self, cause: Recorded[Any]) -> list[Pool]:
        pools = await self._reports.placeable()
        waited_s = (self.clock() - cause.moment.at).total_seconds()
        if not pools and waited_s < self._patience_s:
            raise NotYet("no backend has reported itself", delay_s=1.0)
        return pools
