"""What backends and services report of themselves: telemetry on the bus, not events."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from adapters.bus.port import Board, Bus
from adapters.drivers.contract import BackendStats, Capacity, PoolStats
from domain.errors import Unavailable
from domain.placement import UNLIMITED, Pool, Promise
from domain.placement.capacity import NOTHING
from domain.placement.filters import READS_FROM
from services.settings import Backend
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
    foreign_gib: dict[str, float] = {}
    """What is provisioned on a pool, by its name, and was promised to nobody by the log."""
    reads_from: list[str] = []
    """Other backends, as host@backend, whose volumes it can read and so take over."""
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
        self._look: asyncio.Task[None] | None = None
        self.latest: list[Report] = []
        """As of the last look; may be a moment behind."""
        self._pools: dict[str, tuple[datetime, list[Pool]]] = {}
        """By `host`, with the time of the report that they are from."""

    async def put(self, report: Report) -> None:
        """Shows a report to everyone. Raises Unavailable."""
        board = await self._open()
        await board.put(f"{report.binary}/{report.host}", _encoder.encode(report))
        self._read_at = self._look = None

    async def all(self) -> list[Report]:
        """Every service's newest report, those of services that are down included."""
        now = self._clock()
        if self._read_at is None or now - self._read_at >= self._refresh:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(self._read(now))
                self._look.add_done_callback(_seen)
            await asyncio.shield(self._look)  # also for all who ask meanwhile
        return self.latest

    async def _read(self, now: datetime) -> None:
        board = await self._open()
        found = await board.all()
        self.latest = [_decoder.decode(value) for value in found.values()]
        if self._look is asyncio.current_task():  # else something was put meanwhile
            self._read_at = now

    def up(self, report: Report) -> bool:
        """Whether the service was heard of lately, and well."""
        return report.problem is None and self._clock() - report.at < self._down_after

    async def placeable(self) -> list[Pool]:
        """The pools of live backends, by name."""
        reports = [report for report in await self.all() if self.up(report) and report.stats]
        return [pool for report in reports for pool in self._pools_of(report)]

    def _pools_of(self, report: Report) -> list[Pool]:
        at, pools = self._pools.get(report.host, (None, []))
        if at != report.at:
            pools = pools_of(report)
            self._pools[report.host] = report.at, pools
        return pools

    async def _open(self) -> Board:
        if self._board is None:
            self._board = await self._bus.board("reports", FORGET_S)
        return self._board


def _seen(look: asyncio.Task[None]) -> None:
    """Whoever asked may have gone: a failure that nobody is told of is no loss."""
    if not look.cancelled():
        look.exception()


def as_configured(stats: BackendStats, backend: Backend) -> BackendStats:
    """What a driver says, with what its operator adds."""
    pools = tuple(
        msgspec.structs.replace(
            pool,
            capabilities={**pool.capabilities, **backend.capabilities},
            filter_function=backend.filter_function or pool.filter_function,
            goodness_function=backend.goodness_function or pool.goodness_function,
        )
        for pool in stats.pools
    )
    return msgspec.structs.replace(stats, pools=pools)


def foreign_gib(
    stats: BackendStats, host: str, *promised: Mapping[str, Promise]
) -> dict[str, float]:
    """What is provisioned for others, by pool, given what the log promised about that time.

    Where promises moved meanwhile the greater one counts: what is ours must not look foreign, for
    that would take room away; and whatever we promise is checked when it is promised.
    """
    foreign = {}
    for pool in stats.pools:
        name = f"{host}#{pool.pool_name}"
        ours = max((known.get(name, NOTHING).gib for known in promised), default=0)
        foreign[pool.pool_name] = max(0.0, pool.provisioned_capacity_gib - ours)
    return foreign


def pools_of(report: Report) -> list[Pool]:
    """The pools of a backend's report, as placement sees them."""
    stats = report.stats
    if stats is None:
        return []
    backend = msgspec.to_builtins(stats)
    del backend["pools"]
    return [_pool(report, pool, backend) for pool in stats.pools]


def _pool(report: Report, pool: PoolStats, backend: dict[str, Any]) -> Pool:
    return Pool(
        name=f"{report.host}#{pool.pool_name}",
        zone=report.zone,
        total_gib=_gib(pool.total_capacity_gib),
        free_gib=_gib(pool.free_capacity_gib),
        provisioned_gib=pool.provisioned_capacity_gib,
        allocated_gib=pool.allocated_capacity_gib,
        reserved_percentage=pool.reserved_percentage,
        over_subscription_ratio=pool.max_over_subscription_ratio,
        thin=pool.thin_provisioning_support,
        foreign_gib=report.foreign_gib.get(pool.pool_name),
        capabilities={**backend, **flat(pool), READS_FROM: report.reads_from},
        filter_function=pool.filter_function,
        goodness_function=pool.goodness_function,
    )


def flat(pool: PoolStats) -> dict[str, Any]:
    """What a pool reports, its further capabilities beside the others, under Cinder's names."""
    fields: dict[str, Any] = msgspec.to_builtins(pool)
    told = {name: value for name, value in fields.items() if value is not None}
    return {**told.pop("capabilities"), **told}


def _gib(capacity: Capacity) -> float:
    return UNLIMITED if isinstance(capacity, str) else capacity


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
