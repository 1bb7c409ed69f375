"""What the API runs commands and asks questions through."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from adapters.bus.port import Bus
from adapters.event_store.port import EventStore
from adapters.image_service.port import ImageService
from domain.aggregates.quota_limits import DEFAULT_CLASS
from domain.errors import LapilliError, NotAllowed, NotFound, Unavailable
from domain.event import Event, Recorded
from domain.quota import Usage
from projections.views import Views
from services.api.application import Health, Part, PoolStatus, ServiceStatus
from services.commands import HANDLERS
from services.errands import Errand, Outcomes
from services.metrics import COMMAND_SECONDS, COMMANDS
from services.reports import Report, Reports, flat
from services.settings import Settings
from services.unit_of_work import Commands, Done
from services.wakeup import Wakeup, going_on

LAG_WARNING = 10_000
"""A relay or projector this many events behind the log counts as unwell."""


class Lapilli:
    """Keeps the API's `Application` port over store, views, bus and reports."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: EventStore,
        views: Views,
        bus: Bus,
        reports: Reports,
        commands: Commands,
        images: ImageService,
        default_limits: Mapping[str, int],
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        appended: Wakeup | None = None,
    ) -> None:
        """`appended` is woken when the log has grown."""
        self.settings = settings
        self.views = views
        self.images = images
        self.clock = clock
        self.new_id = new_id
        self._store = store
        self._bus = bus
        self._reports = reports
        self._default_limits = dict(default_limits)
        self._commands = commands
        self._outcomes = Outcomes(store, appended or Wakeup())

    async def execute(self, command: Any) -> Any:
        done = await self._run(command)
        await self._until_visible(done.position)
        return done.value

    async def carry_out(self, command: Any) -> Event | None:
        done = await self._run(command)
        errand = done.value
        if not isinstance(errand, Errand):
            await self._until_visible(done.position)
            return None
        ended = await self._outcome(errand)
        failure = errand.failure(ended.event)
        if failure is not None:
            raise failure
        await self._until_visible(ended.position)
        return ended.event

    async def _outcome(self, errand: Errand) -> Recorded[Event]:
        """What became of it, if only that it was given up. Raises Unavailable."""
        timeout_s = self.settings.api.backend_timeout_s
        ended = await self._outcomes.of(errand, timeout_s=timeout_s)
        if ended is None and errand.give_up is not None:
            now = msgspec.structs.replace(errand.give_up.at, at=self.clock())
            with contextlib.suppress(NotAllowed, NotFound):  # it ended at the last moment
                await self._run(msgspec.structs.replace(errand.give_up, at=now))
            ended = await self._outcomes.so_far(errand)
        if ended is None:
            raise Unavailable(
                part=f"backend {errand.host}", reason=f"no answer within {timeout_s:g} s"
            )
        return ended

    async def _run(self, command: Any) -> Done[Any]:
        name, started = type(command).__name__, time.perf_counter()
        try:
            async with asyncio.timeout(self.settings.api.write_timeout_s):
                done = await self._commands.run(HANDLERS[type(command)], command)
        except TimeoutError:
            COMMANDS.labels(name, "timeout").inc()
            raise Unavailable(part="database", reason="the write took too long") from None
        except LapilliError as refusal:
            COMMANDS.labels(name, type(refusal).__name__).inc()
            raise
        COMMANDS.labels(name, "done").inc()
        COMMAND_SECONDS.labels(name).observe(time.perf_counter() - started)
        return done

    async def _until_visible(self, position: int) -> None:
        """Read your own writes; late is better than a refusal of what is done already."""
        try:
            await self.views.wait_for(position, self.settings.api.read_your_writes_s)
        except Unavailable:
            COMMANDS.labels("read_your_writes", "late").inc()

    async def usage(self, project_id: str) -> dict[str, Usage]:
        return await self._store.usage(project_id)

    async def limits(self, subject: str) -> dict[str, int]:
        return {**await self.default_limits(), **await self._store.limits(subject)}

    async def default_limits(self) -> dict[str, int]:
        return {**self._default_limits, **await self._store.limits(DEFAULT_CLASS)}

    async def services(self) -> list[ServiceStatus]:
        return [
            ServiceStatus(
                binary=report.binary,
                host=report.host,
                zone=report.zone,
                up=self._reports.up(report),
                updated_at=report.at,
            )
            for report in await self._reports.all()
        ]

    async def pools(self) -> list[PoolStatus]:
        return [
            status
            for report in await self._reports.all()
            if self._reports.up(report)
            for status in _pool_statuses(report)
        ]

    def zones(self) -> frozenset[str]:
        reported = {report.zone for report in self._reports.latest if report.stats is not None}
        return frozenset({self.settings.placement.default_zone, *reported})

    async def health(self) -> Health:
        """Ready if requests can be answered; every part that is unwell says so."""
        parts = {"message bus": Part(self._bus.connected())}
        try:
            log = await self._store.last_position()
            parts["database"] = Part(True, f"log at {log}")
        except Unavailable as error:
            parts["database"] = Part(False, error.reason)
            return Health(False, parts)
        try:
            seen = await self.views.position()
            parts["views"] = Part(log - seen < LAG_WARNING, f"{log - seen} events behind")
        except Unavailable as error:
            parts["views"] = Part(False, error.reason)
        parts.update(await self._services_health())
        ready = parts["database"].ok and parts["views"].ok
        return Health(ready, parts)

    async def _services_health(self) -> dict[str, Part]:
        try:
            reports = await self._reports.all()
        except Unavailable as error:
            return {"services": Part(False, error.reason)}
        parts = {}
        for report in reports:
            up, behind = self._reports.up(report), report.behind
            said = "" if up else "silent, "
            said += f"last seen {report.at:%H:%M:%S}"
            said += "" if behind is None else f", {behind} events behind"
            parts[f"{report.binary} {report.host}"] = Part(
                up and (behind or 0) < LAG_WARNING, report.problem or said
            )
        return parts

    async def watch(self, interval_s: float) -> None:
        """Keeps the reports fresh, which `zones` reads without asking. Runs until cancelled."""
        while going_on():
            with contextlib.suppress(Unavailable):
                await self._reports.all()
            await asyncio.sleep(interval_s)


def _pool_statuses(report: Report) -> list[PoolStatus]:
    stats = report.stats
    if stats is None:
        return []
    backend = msgspec.to_builtins(stats)
    del backend["pools"]
    return [
        PoolStatus(
            name=f"{report.host}#{pool.pool_name}",
            zone=report.zone,
            capabilities={**backend, **flat(pool), "backend_state": "up"},
            timestamp=report.at,
        )
        for pool in stats.pools
    ]
