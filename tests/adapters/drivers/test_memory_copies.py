"""Copies by the driver in memory: the contract, and copies that are cut off or cannot be."""

from collections.abc import Callable

import pytest

from adapters.drivers.content import fingerprint
from adapters.drivers.contract import Driver, DriverFailure
from adapters.drivers.memory import Fault, Faults, MemoryBackend, MemoryDriver, Work
from tests.adapters.drivers.contract import POOLS, a_volume, pool_stats
from tests.adapters.drivers.copy_contract import CopyContract, a_snapshot
from tests.adapters.drivers.test_memory_driver import BROKEN

HALF = Fault(failure=BROKEN, work=Work.HALF)


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend(dict.fromkeys(POOLS, 100.0))


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def driver(backend: MemoryBackend, faults: Faults) -> Driver:
    return MemoryDriver(backend, faults=faults)


class TestMemoryDriverCopies(CopyContract):
    @pytest.fixture
    def another(self, backend: MemoryBackend) -> Callable[[], Driver]:
        return lambda: MemoryDriver(backend)


async def test_a_backend_that_cannot_copy_between_its_pools_says_so_and_does_nothing():
    driver = MemoryDriver(MemoryBackend(dict.fromkeys(POOLS, 100.0), clones_across_pools=False))
    assert (await pool_stats(driver)).capabilities["clone_across_pools"] is False
    spec = a_volume()
    await driver.create_volume(spec)
    assert await driver.clone_volume(a_volume(pool="silver"), spec) is None
    assert await driver.objects("silver") == set()
    assert await driver.clone_volume(a_volume(), spec) is not None


@pytest.mark.parametrize("call", ["create_snapshot", "clone_volume"])
async def test_a_half_made_copy_is_finished_or_deleted(driver: Driver, faults: Faults, call: str):
    spec = a_volume()
    await driver.create_volume(spec)
    taken = call == "create_snapshot"
    for finish in (True, False):
        made = a_snapshot(spec) if taken else a_volume()
        copying = [made] if taken else [made, spec]
        faults.plan("create_snapshot" if taken else "clone_volume", HALF)
        with pytest.raises(DriverFailure):
            await getattr(driver, call)(*copying)
        assert await driver.objects() == {spec.object_name, made.object_name}
        with pytest.raises(DriverFailure, match="not there to read"):
            await fingerprint(driver.read(made))
        if finish:
            await getattr(driver, call)(*copying)
            assert await fingerprint(driver.read(made)) == await fingerprint(driver.read(spec))
        await getattr(driver, "delete_snapshot" if taken else "delete_volume")(made)
        assert await driver.objects() == {spec.object_name}
