"""What process managers share that decide whether a pool has room for more."""

from collections.abc import Callable
from datetime import datetime

from services.processes.runtime import ProcessManager
from services.reports import Reports
from services.unit_of_work import Commands


class RoomDecision(ProcessManager):
    """Decides by what the backends last reported."""

    def __init__(
        self, *, commands: Commands, clock: Callable[[], datetime], reports: Reports
    ) -> None:
        super().__init__(commands=commands, clock=clock)
        self.reports = reports
