"""What services report of themselves, and what is made of it when they fall silent."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from structlog.testing import capture_logs

from adapters.bus.memory import MemoryBus
from adapters.drivers.contract import BackendStats, PoolStats
from domain.errors import Unavailable
from domain.placement import UNLIMITED, Promise
from services.reports import (
    FORGET_S,
    Report,
    Reports,
    as_configured,
    foreign_gib,
    keep_reporting,
    pools_of,
)
from services.settings import Backend
from tests.services.processes.ring import Clock
from tests.support.around import Outage, around
from tests.support.patience import PATIENCE_S

DOWN_AFTER_S = 60.0
REFRESH_S = 0.5


def some_stats(*pools: str) -> BackendStats:
    return BackendStats(
        volume_backend_name="gold",
        vendor_name="Lapilli",
        driver_version="1",
        storage_protocol="memory",
        pools=tuple(
            PoolStats(
                pool_name=pool,
                total_capacity_gib=100.0,
                free_capacity_gib=60.0,
                allocated_capacity_gib=40.0,
                provisioned_capacity_gib=50.0,
                total_volumes=3,
                thin_provisioning_support=True,
                thick_provisioning_support=False,
                max_over_subscription_ratio=3.0,
                reserved_percentage=10,
            )
            for pool in pools
        ),
    )


class Board:
    """Two processes that report and look, and their clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bus = MemoryBus(self.clock.monotonic)
        self.mine, self.others = self.reports(), self.reports()

    def reports(self, bus: MemoryBus | None = None) -> Reports:
        return Reports(
            bus or self.bus.another(),
            clock=self.clock,
            down_after_s=DOWN_AFTER_S,
            refresh_s=REFRESH_S,
        )

    def a_report(
        self, host: str = "host1@gold", *, stats: BackendStats | None = None, problem: str = ""
    ) -> Report:
        return Report(
            binary="cinder-volume",
            host=host,
            zone="attic",
            at=self.clock(),
            stats=stats,
            problem=problem or None,
        )

    async def names(self) -> list[str]:
        """The pools that a volume may be placed on."""
        return [pool.name for pool in await self.others.placeable()]


@pytest.fixture
def board() -> Board:
    return Board()


async def test_what_one_process_reports_every_process_sees(board: Board):
    report = board.a_report(stats=some_stats("pool1"))
    await board.mine.put(report)
    assert await board.mine.all() == await board.others.all() == [report]
    assert board.others.latest == [report]


async def test_the_newest_report_of_each_service_counts(board: Board):
    for host, problem in (("a", "old"), ("b", ""), ("a", "new")):
        await board.mine.put(board.a_report(host, problem=problem))
    assert [(r.host, r.problem) for r in await board.others.all()] == [("a", "new"), ("b", None)]


async def test_who_has_just_reported_sees_that_at_once(board: Board):
    for problem in ("one", "two"):
        await board.mine.put(board.a_report(problem=problem))
        assert [r.problem for r in await board.mine.all()] == [problem]


async def test_others_see_it_within_the_refresh_and_ask_no_oftener(board: Board):
    await board.mine.put(board.a_report(problem="old"))
    await board.others.all()
    await board.mine.put(board.a_report(problem="new"))
    board.clock.now_s += REFRESH_S / 2
    assert [r.problem for r in await board.others.all()] == ["old"]
    board.clock.now_s += REFRESH_S / 2
    assert [r.problem for r in await board.others.all()] == ["new"]


async def test_all_who_ask_at_once_share_one_look(board: Board):
    looks: list[str] = []

    async def count(method: str) -> None:
        looks.append(method)
        await asyncio.sleep(0)

    board.others._board = around(await board.bus.board("reports", FORGET_S), before=count)
    await board.mine.put(board.a_report(problem="old"))
    found = await asyncio.gather(*(board.others.all() for _ in range(5)))
    assert [[r.problem for r in each] for each in found] == [["old"]] * 5
    assert looks == ["all"]


async def test_who_reports_during_a_look_does_not_take_it_for_the_newest(board: Board):
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def hold(method: str) -> None:
        if method == "all":
            under_way.set()
            await go_on.wait()

    await board.mine.put(board.a_report(problem="old"))
    board.others._board = around(await board.bus.board("reports", FORGET_S), after=hold)
    looking = asyncio.create_task(board.others.all())
    await under_way.wait()
    await board.others.put(board.a_report(problem="new"))
    go_on.set()
    assert [r.problem for r in await board.others.all()] == ["new"]
    await looking
    assert [r.problem for r in await board.others.all()] == ["new"]


@pytest.mark.parametrize(
    ("age_s", "up"), [(0.0, True), (DOWN_AFTER_S - 0.001, True), (DOWN_AFTER_S, False)]
)
def test_a_service_is_up_while_it_was_heard_of_lately(board: Board, age_s: float, up: bool):
    report = board.a_report()
    board.clock.now_s += age_s
    assert board.mine.up(report) is up


def test_a_service_with_a_problem_is_down_however_lately_it_spoke(board: Board):
    assert not board.mine.up(board.a_report(problem="no mount"))


def test_a_clock_that_is_ahead_elsewhere_does_no_harm(board: Board):
    report = board.a_report()
    board.clock.now_s -= 5
    assert board.mine.up(report)


async def test_pools_of_live_backends_can_be_placed_on_by_their_full_names(board: Board):
    await board.mine.put(board.a_report("h1@gold", stats=some_stats("p1", "p2")))
    await board.mine.put(board.a_report("h2@lead", stats=some_stats("p1")))
    assert await board.names() == ["h1@gold#p1", "h1@gold#p2", "h2@lead#p1"]


async def test_pools_of_a_backend_that_fell_silent_vanish_and_come_back_with_it(board: Board):
    await board.mine.put(board.a_report("h1@gold", stats=some_stats("p")))
    board.clock.now_s += DOWN_AFTER_S - 1
    await board.mine.put(board.a_report("h2@lead", stats=some_stats("p")))
    assert await board.names() == ["h1@gold#p", "h2@lead#p"]
    board.clock.now_s += 1
    assert await board.names() == ["h2@lead#p"]
    assert len(await board.others.all()) == 2  # it is down, but not forgotten
    await board.mine.put(board.a_report("h1@gold", stats=some_stats("p")))
    board.clock.now_s += REFRESH_S
    assert await board.names() == ["h1@gold#p", "h2@lead#p"]


async def test_pools_of_a_backend_with_a_problem_are_left_alone(board: Board):
    await board.mine.put(board.a_report(stats=some_stats("p"), problem="degraded"))
    assert await board.names() == []


async def test_a_service_without_pools_is_no_backend(board: Board):
    await board.mine.put(board.a_report("host1"))
    assert await board.names() == []
    assert len(await board.others.all()) == 1


async def test_a_service_is_forgotten_after_a_month(board: Board):
    await board.mine.put(board.a_report())
    board.clock.now_s += FORGET_S - 1
    assert len(await board.others.all()) == 1
    board.clock.now_s += 1
    assert await board.others.all() == []


def test_placement_is_told_what_the_driver_said(board: Board):
    [pool] = pools_of(board.a_report(stats=some_stats("p1")))
    assert (pool.name, pool.zone, pool.thin) == ("host1@gold#p1", "attic", True)
    assert (pool.total_gib, pool.free_gib, pool.provisioned_gib) == (100.0, 60.0, 50.0)
    assert (pool.allocated_gib, pool.reserved_percentage) == (40.0, 10)
    assert pool.over_subscription_ratio == 3.0


async def test_a_bus_that_is_away_is_told_and_the_last_look_kept(board: Board):
    outage = Outage("message bus")
    reports = board.reports(around(board.bus.another(), before=outage.before))
    outage.away = True
    with pytest.raises(Unavailable):
        await reports.all()
    with pytest.raises(Unavailable):
        await reports.put(board.a_report())
    outage.away = False
    await reports.put(board.a_report())
    assert len(await reports.all()) == 1


# keep_reporting


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not so():  # noqa: ASYNC110 - only turns of the event loop
            await asyncio.sleep(0)


async def test_it_looks_anew_for_every_report(board: Board):
    looks = 0

    async def look() -> Report:
        nonlocal looks
        looks += 1
        return board.a_report(f"host{looks}")

    reporting = asyncio.create_task(keep_reporting(board.mine, look, interval_s=0))
    await until(lambda: looks > 3)
    reporting.cancel()
    assert {r.host for r in await board.others.all()} >= {"host1", "host2", "host3"}


async def test_it_goes_on_after_outages_and_says_so(board: Board):
    outage = Outage("message bus")
    reports = board.reports(around(board.bus.another(), before=outage.before))

    async def look() -> Report:
        return board.a_report()

    outage.away = True
    with capture_logs() as said:
        reporting = asyncio.create_task(keep_reporting(reports, look, interval_s=0))
        await until(lambda: outage.refused > 2)
        outage.away = False
        await until(lambda: bool(board.bus._broker.boards.get("reports")))
        reporting.cancel()
    assert "cannot report" in {entry["event"] for entry in said}
    assert len(await board.others.all()) == 1


async def test_what_cannot_be_looked_at_now_is_looked_at_again(board: Board):
    failures = [Unavailable(part="database", reason="away")] * 3

    async def look() -> Report:
        if failures:
            raise failures.pop()
        return board.a_report()

    reporting = asyncio.create_task(keep_reporting(board.mine, look, interval_s=0))
    await until(lambda: bool(board.bus._broker.boards.get("reports")))
    reporting.cancel()
    assert len(await board.others.all()) == 1


def test_reports_keep_their_time_to_the_microsecond(board: Board):
    board.clock.now_s += 0.000001
    later = board.a_report()
    assert later.at - timedelta(microseconds=1) == Board().clock()


# what placement makes of it


def test_what_is_provisioned_beyond_what_was_promised_is_others():
    stats = some_stats("p1", "p2")  # 50 GiB are provisioned on each
    before = {"h@gold#p1": Promise(20, 2), "h@gold#p2": Promise(70, 1)}
    assert foreign_gib(stats, "h@gold", before, {}) == {"p1": 30.0, "p2": 0.0}


def test_what_was_promised_while_the_driver_was_asked_does_not_look_foreign():
    stats = some_stats("p1")
    before, after = {"h@gold#p1": Promise(40, 4)}, {"h@gold#p1": Promise(50, 5)}
    assert foreign_gib(stats, "h@gold", before, after) == {"p1": 0.0}
    assert foreign_gib(stats, "h@gold", after, before) == {"p1": 0.0}


def test_operators_add_what_volume_types_may_ask_for_and_functions():
    backend = Backend(capabilities={"tier": "slow"}, filter_function="volume.size < 5")
    stats = as_configured(some_stats("p1"), backend)
    board = Board()
    [pool] = pools_of(board.a_report("h@gold", stats=stats))
    assert pool.capabilities["tier"] == "slow"
    assert pool.capabilities["volume_backend_name"] == "gold"
    assert (pool.filter_function, pool.goodness_function) == ("volume.size < 5", None)


@pytest.mark.parametrize("said", ["infinite", "unknown"])
def test_capacities_in_words_are_without_limit(said):
    [pool] = some_stats("p1").pools
    pool = msgspec.structs.replace(pool, total_capacity_gib=said, free_capacity_gib=said)
    stats = msgspec.structs.replace(some_stats(), pools=(pool,))
    [seen] = pools_of(Board().a_report("h@gold", stats=stats))
    assert (seen.total_gib, seen.free_gib) == (UNLIMITED, UNLIMITED)


async def test_pools_are_made_anew_only_when_their_backend_reports_anew():
    board = Board()
    await board.mine.put(board.a_report("h@gold", stats=some_stats("p1")))
    [first] = await board.mine.placeable()
    [again] = await board.mine.placeable()
    assert again is first
    board.clock.now_s += 1
    await board.mine.put(board.a_report("h@gold", stats=some_stats("p1")))
    [later] = await board.mine.placeable()
    assert later is not first
