"""The driver in memory: the contract, and that it fails exactly as it is told."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest

from adapters.drivers.contract import Connected, Driver, DriverFailure, VolumeBusy
from adapters.drivers.memory import (
    Fault,
    Faults,
    Hold,
    MemoryBackend,
    MemoryDriver,
    Operation,
    Work,
)
from tests.adapters.drivers.connection_contract import NODE, ConnectionContract
from tests.adapters.drivers.content_contract import ContentContract
from tests.adapters.drivers.contract import (
    POOLS,
    DriverContract,
    a_volume,
    pool_stats,
    provisioned_gib,
)

BROKEN = DriverFailure("the array is on fire", True)


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend(dict.fromkeys(POOLS, 100.0))


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def driver(backend: MemoryBackend, faults: Faults) -> Driver:
    return MemoryDriver(backend, faults=faults)


def goes_straight_through(call) -> bool:
    """Whether a coroutine ends without ever yielding to the event loop."""
    try:
        call.send(None)
    except StopIteration:
        return True
    call.close()
    return False


class TestMemoryDriver(DriverContract, ContentContract):
    @pytest.fixture
    def another(self, backend: MemoryBackend) -> Callable[[], Driver]:
        return lambda: MemoryDriver(backend)


class TestMemoryDriverConnections(ConnectionContract):
    @pytest.fixture
    def another(self, backend: MemoryBackend) -> Callable[[], Driver]:
        return lambda: MemoryDriver(backend)


def test_without_faults_no_call_yields_to_the_event_loop(driver: Driver):
    spec = a_volume()
    assert goes_straight_through(driver.check())
    assert goes_straight_through(driver.create_volume(spec))
    assert goes_straight_through(driver.extend_volume(spec, 3))
    assert goes_straight_through(driver.connect_volume(spec, uuid4(), NODE, "rw"))
    assert goes_straight_through(driver.connections())
    assert goes_straight_through(driver.disconnect_volume(spec, uuid4()))
    assert goes_straight_through(driver.stats())
    assert goes_straight_through(driver.objects())
    assert goes_straight_through(driver.delete_volume(a_volume()))


async def test_a_call_fails_as_often_as_planned_and_does_nothing(driver: Driver, faults: Faults):
    faults.fail("create_volume", BROKEN, times=2)
    spec = a_volume()
    for _ in range(2):
        with pytest.raises(DriverFailure, match="on fire") as failure:
            await driver.create_volume(spec)
        assert failure.value.retryable_elsewhere
        assert await driver.objects() == set()
    await driver.create_volume(spec)
    assert await driver.objects() == {spec.object_name}


async def test_a_planned_failure_keeps_its_kind(driver: Driver, faults: Faults):
    faults.fail("delete_volume", VolumeBusy("attached to a host"))
    with pytest.raises(VolumeBusy, match="attached to a host") as failure:
        await driver.delete_volume(a_volume())
    assert not failure.value.retryable_elsewhere


@pytest.mark.parametrize("operation", ["check", "stats", "objects", "connections"])
async def test_reports_and_checks_fail_too(driver: Driver, faults: Faults, operation: Operation):
    faults.fail(operation, BROKEN)
    with pytest.raises(DriverFailure, match="on fire"):
        await getattr(driver, operation)()
    await getattr(driver, operation)()


async def test_connecting_and_disconnecting_fail_before_or_after_they_are_done(
    driver: Driver, faults: Faults
):
    spec, attachment_id = a_volume(), uuid4()
    connected = {Connected(spec.object_name, attachment_id)}
    await driver.create_volume(spec)
    for work, after in [(Work.NONE, set()), (Work.ALL, connected)]:
        faults.plan("connect_volume", Fault(failure=BROKEN, work=work))
        with pytest.raises(DriverFailure, match="on fire"):
            await driver.connect_volume(spec, attachment_id, NODE, "rw")
        assert await driver.connections() == after
    for work, after in [(Work.NONE, connected), (Work.ALL, set())]:
        faults.plan("disconnect_volume", Fault(failure=BROKEN, work=work))
        with pytest.raises(DriverFailure, match="on fire"):
            await driver.disconnect_volume(spec, attachment_id)
        assert await driver.connections() == after


async def test_check_ends_connections_of_volumes_that_are_gone(
    driver: Driver, backend: MemoryBackend
):
    spec = a_volume()
    await driver.create_volume(spec)
    await driver.connect_volume(spec, uuid4(), NODE, "rw")
    del backend.pool("gold").volumes[spec.object_name]
    await driver.check()
    assert await driver.connections() == set()


async def test_work_done_before_a_failure_is_found_when_the_call_is_repeated(
    driver: Driver, faults: Faults
):
    spec = a_volume()
    done_then_failed = Fault(failure=BROKEN, work=Work.ALL)
    faults.plan("create_volume", done_then_failed)
    faults.plan("extend_volume", done_then_failed)
    faults.plan("delete_volume", done_then_failed)

    with pytest.raises(DriverFailure):
        await driver.create_volume(spec)
    assert await provisioned_gib(driver) == 2
    await driver.create_volume(spec)
    with pytest.raises(DriverFailure):
        await driver.extend_volume(spec, 5)
    assert await provisioned_gib(driver) == 5
    await driver.extend_volume(spec, 5)
    with pytest.raises(DriverFailure):
        await driver.delete_volume(spec)
    assert await provisioned_gib(driver) == 0
    await driver.delete_volume(spec)


async def test_a_half_made_volume_is_an_object_until_finished_or_deleted(
    driver: Driver, faults: Faults
):
    faults.plan("create_volume", Fault(failure=BROKEN, work=Work.HALF), times=2)
    finished, abandoned = a_volume(size_gib=2), a_volume(size_gib=3)
    for spec in (finished, abandoned):
        with pytest.raises(DriverFailure):
            await driver.create_volume(spec)
    assert await driver.objects() == {finished.object_name, abandoned.object_name}
    with pytest.raises(DriverFailure, match="not there to extend"):
        await driver.extend_volume(abandoned, 4)

    await driver.create_volume(finished)
    await driver.delete_volume(abandoned)
    assert await driver.objects() == {finished.object_name}
    assert await provisioned_gib(driver) == 2


async def test_a_half_deleted_volume_is_deleted_or_made_anew(driver: Driver, faults: Faults):
    spec = a_volume()
    for again in (driver.delete_volume, driver.create_volume):
        faults.plan("delete_volume", Fault(failure=BROKEN, work=Work.HALF))
        await driver.create_volume(spec)
        with pytest.raises(DriverFailure):
            await driver.delete_volume(spec)
        assert await driver.objects() == {spec.object_name}
        await again(spec)
    assert await provisioned_gib(driver) == 2
    await driver.extend_volume(spec, 3)


async def test_a_half_extended_volume_holds_the_space_and_is_extended_again(
    driver: Driver, faults: Faults
):
    spec = a_volume()
    faults.plan("extend_volume", Fault(failure=BROKEN, work=Work.HALF))
    await driver.create_volume(spec)
    with pytest.raises(DriverFailure):
        await driver.extend_volume(spec, 5)
    assert await provisioned_gib(driver) == 5
    await driver.extend_volume(spec, 4)
    assert await provisioned_gib(driver) == 4


async def test_latency_passes_by_the_clock_it_is_given(backend: MemoryBackend):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    faults = Faults(sleep=sleep, latency_s={"create_volume": 0.5})
    driver = MemoryDriver(backend, faults=faults)
    faults.plan("create_volume", Fault(latency_s=60.0))
    await driver.create_volume(a_volume())
    await driver.create_volume(a_volume())
    await driver.delete_volume(a_volume())
    assert slept == [60.5, 0.5]
    assert len(await driver.objects()) == 2


async def test_a_held_call_keeps_the_others_on_its_volume_waiting_and_no_more(
    driver: Driver, faults: Faults
):
    spec, neighbour = a_volume(), a_volume()
    hold = Hold()
    faults.plan("create_volume", Fault(hold=hold))
    creating = asyncio.create_task(driver.create_volume(spec))
    await hold.reached.wait()
    deleting = asyncio.create_task(driver.delete_volume(spec))

    await driver.create_volume(neighbour)
    _, waiting = await asyncio.wait({creating, deleting}, timeout=0)
    assert waiting == {creating, deleting}

    hold.release()
    await creating
    await deleting
    assert await driver.objects() == {neighbour.object_name}


async def test_a_worker_killed_while_held_has_done_nothing_and_lets_go(
    driver: Driver, faults: Faults
):
    hold = Hold()
    faults.plan("create_volume", Fault(hold=hold))
    spec = a_volume()
    creating = asyncio.create_task(driver.create_volume(spec))
    await hold.reached.wait()
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert await driver.objects() == set()
    await driver.create_volume(spec)
    assert await driver.objects() == {spec.object_name}


async def test_a_full_pool_takes_no_more_and_another_might(driver: Driver):
    whole, one = a_volume(size_gib=100), a_volume(size_gib=1)
    await driver.create_volume(whole)
    for refused in (driver.create_volume(one), driver.extend_volume(whole, 101)):
        with pytest.raises(DriverFailure, match="free") as failure:
            await refused
        assert failure.value.retryable_elsewhere
    stats = await pool_stats(driver)
    assert (stats.free_capacity_gib, stats.allocated_capacity_gib) == (0, 100)
    await driver.delete_volume(whole)
    await driver.create_volume(one)
