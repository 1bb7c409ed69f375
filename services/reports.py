"""What backends and services report of themselves: telemetry on the bus, not events."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from adapters.bus.port import Board, Bus
from adapters.drivers.contract import BackendStats
from domain.errors import Unavailable
from domain.placement import Pool
from services.wakeup import going_on

log = structlog.get_logger()

FORGET_S = 30 * 86400.0
"""How long a service that has gone quiet is still listed, as down."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A service's sign of life; `stats` if it is a backend that works, `problem` if it does not."""

    binary: str
    host: str
    zone: str
    at: datetime
    stats: BackendStats | None = None
    problem: str | None = None
    behind: int | None = None
    """How many events of the log it had not dealt with, if it follows the log."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Report)


class Reports:
    """The newest report of every service, from whichever process."""

    def __init__(
        self,
        bus: Bus,
        *,
        clock: Callable[[], datetime],
        down_after_s: float,
        refresh_s: float = 0.5,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._down_after = timedelta(seconds=down_after_s)
        self._refresh = timedelta(seconds=refresh_s)
        self._board: Board | None = None
        self._read_at: datetime | None = None
        self.latest: list[Report] = []
        """As of the last look; may be a moment behind."""

    async def put(self, report: Report) -> None:
        """Shows a report to everyone. Raises Unavailable."""
        board = await self._open()
        await board.put(f"{report.binary}/{report.host}", _encoder.encode(report))
        self._read_at = None

    async def all(self) -> list[Report]:
        """Every service's newest report, those of services that are down included."""
        now = self._clock()
        if self._read_at is None or now - self._read_at >= self._refresh:
            board = await self._open()
            self.latest = [_decoder.decode(value) for value in (await board.all()).values()]
            self._read_at = now
        return self.latest

    def up(self, report: Report) -> bool:
        """Whether the service was heard of lately, and well."""
        return report.problem is None and self._clock() - report.at < self._down_after

    async def placeable(self) -> list[Pool]:
        """The pools of live backends, by name."""
        reports = [report for report in await self.all() if self.up(report)]
        return [pool for report in reports for pool in pools_of(report)]

    async def _open(self) -> Board:
        if self._board is None:
            self._board = await self._bus.board("reports", FORGET_S)
        return self._board


def pools_of(report: Report) -> list[Pool]:
    """The pools of a backend's report, as placement sees them."""
    if report.stats is None:
        return []
    return [
        Pool(
            name=f"{report.host}#{pool.pool_name}",
            zone=report.zone,
            total_gib=pool.total_capacity_gib,
            free_gib=pool.free_capacity_gib,
            provisioned_gib=pool.provisioned_capacity_gib,
            allocated_gib=pool.allocated_capacity_gib,
            reserved_percentage=pool.reserved_percentage,
            over_subscription_ratio=pool.max_over_subscription_ratio,
            thin=pool.thin_provisioning_support,
        )
        for pool in report.stats.pools
    ]


async def keep_reporting(
    reports: Reports, look: Callable[[], Awaitable[Report]], *, interval_s: float
) -> None:
    """Looks and tells, now and every `interval_s` seconds. Runs until cancelled."""
    while going_on():
        try:
            await reports.put(await look())
        except Unavailable as error:
            log.warning("cannot report", reason=str(error))
        await asyncio.sleep(interval_s)
