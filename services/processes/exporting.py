"""Exporting again what is attached, once its backend is back."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog

from adapters.drivers.contract import Driver, DriverFailure
from domain.aggregates.volume import Volume, exporting
from domain.errors import Unavailable
from domain.event import Actor, Moment
from projections import volumes
from projections.views import Views
from services.commands.exporting import ReportExports, report_exports
from services.processes.attaching import connect, undo_if_gone
from services.unit_of_work import Commands
from services.wakeup import going_on

log = structlog.get_logger()

INTERVAL_S = 60.0
"""How often what could not be exported is tried again."""

PATIENCE_S = 10.0
"""How long views may be behind the log when a backend starts."""


class Exporting:
    """Lets the nodes that the log says are attached reach their volumes again.

    Drivers bring back what they remember; the log knows what there has to be, and connecting
    converges. A volume whose nodes cannot reach it is in error until they can.
    """

    def __init__(
        self,
        *,
        commands: Commands,
        views: Views,
        driver: Driver,
        backend: str,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self._commands = commands
        self._views = views
        self._driver = driver
        self._backend = backend
        self._clock = clock
        self._new_id = new_id

    async def keep_exported(self, *, interval_s: float = INTERVAL_S) -> None:
        """All at once now, which is when the backend was away, and what failed again and again.

        Runs until cancelled.
        """
        state = None
        while going_on():
            try:
                await self.export(await self._attached(state))
                state = "unreachable"
            except Unavailable as away:
                log.warning("cannot export again", backend=self._backend, reason=str(away))
            await asyncio.sleep(interval_s)

    async def export(self, ids: list[UUID]) -> None:
        """Each of these volumes, as far as it is attached. Raises Unavailable."""
        for id in ids:
            volume = await self._commands.aggregates.read(Volume, id)
            if volume.state not in ("available", "unreachable"):
                continue
            failure = await self._export(volume)
            if failure is not None:
                log.error("cannot be exported", volume=str(id), reason=failure)
            at = Moment(
                at=self._clock(),
                request_id=f"req-{self._new_id()}",
                actor=Actor("system:exporting", volume.project_id),
            )
            await self._commands.run(report_exports, ReportExports(id=id, failure=failure, at=at))

    async def _export(self, volume: Volume) -> str | None:
        """Why not, if not."""
        for attachment in filter(exporting.exported, volume.attachments.values()):
            try:
                await connect(self._driver, volume, attachment)
                await undo_if_gone(self._commands, self._driver, volume, UUID(attachment.id))
            except DriverFailure as failed:
                return failed.reason
        return None

    async def _attached(self, state: str | None) -> list[UUID]:
        await self._views.wait_for(
            await self._commands.aggregates.store.last_position(), PATIENCE_S
        )
        return await self._views.read(volumes.attached_on, self._backend, state=state)
