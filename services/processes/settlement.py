"""Settling quota reservations that nobody settled with the operation that they pay for."""

from typing import ClassVar

from domain.aggregates import quota_reservation
from domain.event import Recorded
from services.commands.settling import SettleReservation
from services.processes.runtime import NotYet, ProcessManager, reacts_to

AGAIN_S = 60.0
"""How long an operation that outlives the deadline of its reservation is left alone."""


class Settlement(ProcessManager):
    """Looks at once and at the deadline what the log says of the operation, and settles by that.

    Time alone settles nothing: an operation that is under way keeps its reservation, however late
    it is, and whatever ends it settles that in the same append.
    """

    name: ClassVar[str] = "settlement"

    @reacts_to(quota_reservation.Held)
    async def settle(self, held: Recorded[quota_reservation.Held]) -> None:
        """Raises NotYet while it cannot be settled."""
        settled = await self.run(SettleReservation(id=held.aggregate_id, at=self.moment(held)))
        if not settled:
            left_s = (held.event.deadline - self.clock()).total_seconds()
            raise NotYet("its operation has not ended", delay_s=left_s if left_s > 0 else AGAIN_S)
