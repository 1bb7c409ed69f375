"""Telling notifications that an operator retries."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from domain.event import Recorded
from services.notifications.envelope import STREAM
from services.notifications.telling import Notifications
from services.processes.runtime import ProcessManager
from services.unit_of_work import Commands


class Notification(ProcessManager):
    """Hears only what was parked: all else is told by the relay, in order."""

    name: ClassVar[str] = STREAM

    def __init__(
        self,
        *,
        commands: Commands,
        clock: Callable[[], datetime],
        notifications: Notifications,
    ) -> None:
        super().__init__(commands=commands, clock=clock)
        self._notifications = notifications

    async def react(self, recorded: Recorded[Any]) -> None:
        """Raises Unavailable, and whatever keeps it from being told."""
        await self._notifications.retry(recorded)
