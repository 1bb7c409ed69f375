"""What every driver promises, as tests; run by subclassing for each driver."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.drivers.contract import Driver, DriverFailure, PoolStats, VolumeSpec

POOLS = ("gold", "silver")


def a_volume(*, id: UUID | None = None, size_gib: int = 2, pool: str = "gold") -> VolumeSpec:
    return VolumeSpec(id=id or uuid4(), size_gib=size_gib, pool=pool, project_id="a-project")


async def pool_stats(driver: Driver, pool: str = "gold") -> PoolStats:
    return {each.pool_name: each for each in (await driver.stats()).pools}[pool]


async def provisioned_gib(driver: Driver, pool: str = "gold") -> float:
    return (await pool_stats(driver, pool)).provisioned_capacity_gib


class DriverContract:
    """Every driver passes this.

    The subclass has two fixtures: `driver`, checked and empty, with the POOLS; and `another`,
    which gives a further driver of the same backend, as another process would have.
    """

    @pytest.fixture
    def spec(self) -> VolumeSpec:
        return a_volume()

    async def test_a_created_volume_is_there(self, driver: Driver, spec: VolumeSpec):
        await driver.create_volume(spec)
        assert await driver.objects() == {spec.object_name}
        assert await provisioned_gib(driver) == spec.size_gib

    async def test_create_again_after_a_crash_converges(self, driver: Driver, spec: VolumeSpec):
        first = await driver.create_volume(spec)
        assert await driver.create_volume(spec) == first
        assert await driver.objects() == {spec.object_name}
        assert await provisioned_gib(driver) == spec.size_gib

    async def test_create_with_another_size_is_refused_and_changes_nothing(
        self, driver: Driver, spec: VolumeSpec
    ):
        await driver.create_volume(spec)
        with pytest.raises(DriverFailure) as failure:
            await driver.create_volume(msgspec.structs.replace(spec, size_gib=1))
        assert not failure.value.retryable_elsewhere
        assert await provisioned_gib(driver) == spec.size_gib

    @pytest.mark.parametrize("call", ["create_volume", "delete_volume"])
    async def test_a_pool_that_does_not_exist_is_a_failure(self, driver: Driver, call: str):
        with pytest.raises(DriverFailure, match="brass") as failure:
            await getattr(driver, call)(a_volume(pool="brass"))
        assert failure.value.retryable_elsewhere
        with pytest.raises(DriverFailure, match="brass"):
            await driver.objects("brass")

    async def test_a_deleted_volume_is_gone(self, driver: Driver, spec: VolumeSpec):
        await driver.create_volume(spec)
        await driver.delete_volume(spec)
        assert await driver.objects() == set()
        assert await provisioned_gib(driver) == 0

    async def test_delete_of_what_is_not_there_succeeds(self, driver: Driver, spec: VolumeSpec):
        await driver.delete_volume(spec)
        await driver.create_volume(spec)
        await driver.delete_volume(spec)
        await driver.delete_volume(spec)
        assert await driver.objects() == set()

    async def test_a_deleted_volume_may_be_created_anew(self, driver: Driver, spec: VolumeSpec):
        await driver.create_volume(spec)
        await driver.delete_volume(spec)
        await driver.create_volume(msgspec.structs.replace(spec, size_gib=1))
        assert await provisioned_gib(driver) == 1

    async def test_delete_leaves_the_others_alone(self, driver: Driver, spec: VolumeSpec):
        other = a_volume()
        await driver.create_volume(spec)
        await driver.create_volume(other)
        await driver.delete_volume(spec)
        assert await driver.objects() == {other.object_name}

    async def test_an_extended_volume_has_its_new_size(self, driver: Driver, spec: VolumeSpec):
        await driver.create_volume(spec)
        await driver.extend_volume(spec, 5)
        assert await provisioned_gib(driver) == 5

    async def test_extend_again_after_a_crash_converges(self, driver: Driver, spec: VolumeSpec):
        await driver.create_volume(spec)
        await driver.extend_volume(spec, 5)
        await driver.extend_volume(spec, 5)
        assert await provisioned_gib(driver) == 5

    async def test_shrinking_is_refused_and_changes_nothing(self, driver: Driver, spec: VolumeSpec):
        await driver.create_volume(spec)
        with pytest.raises(DriverFailure, match="shrink") as failure:
            await driver.extend_volume(spec, 1)
        assert not failure.value.retryable_elsewhere
        assert await provisioned_gib(driver) == spec.size_gib

    async def test_extending_what_is_not_there_is_refused_and_makes_nothing(
        self, driver: Driver, spec: VolumeSpec
    ):
        with pytest.raises(DriverFailure) as failure:
            await driver.extend_volume(spec, 5)
        assert not failure.value.retryable_elsewhere
        assert await driver.objects() == set()

    async def test_one_name_in_two_pools_is_two_volumes(self, driver: Driver, spec: VolumeSpec):
        twin = msgspec.structs.replace(spec, pool="silver")
        await driver.create_volume(spec)
        await driver.create_volume(twin)
        await driver.delete_volume(spec)
        assert await driver.objects("gold") == set()
        assert await driver.objects("silver") == {spec.object_name}
        assert await driver.objects() == {spec.object_name}

    async def test_simultaneous_creates_of_one_volume_make_one(
        self, driver: Driver, another: Callable[[], Driver], spec: VolumeSpec
    ):
        other = another()
        made = await asyncio.gather(
            *(each.create_volume(spec) for each in [driver, other] * 10),
        )
        assert len(set(made)) == 1
        assert await driver.objects() == {spec.object_name}
        assert await provisioned_gib(driver) == spec.size_gib

    async def test_simultaneous_calls_on_one_volume_leave_it_whole_or_gone(
        self, driver: Driver, another: Callable[[], Driver], spec: VolumeSpec
    ):
        other = another()
        outcomes = await asyncio.gather(
            *(each.create_volume(spec) for each in [driver, other] * 5),
            *(each.delete_volume(spec) for each in [driver, other] * 5),
            *(each.extend_volume(spec, 3) for each in [driver, other] * 5),
            return_exceptions=True,
        )
        failures = [each for each in outcomes if isinstance(each, BaseException)]
        assert all(isinstance(each, DriverFailure) for each in failures), failures
        size_gib = await provisioned_gib(driver)
        assert size_gib in ({2, 3} if await driver.objects() else {0})
        await driver.delete_volume(spec)
        await driver.create_volume(spec)
        assert await provisioned_gib(other) == spec.size_gib

    async def test_a_cancelled_call_may_be_repeated(self, driver: Driver, spec: VolumeSpec):
        call = asyncio.create_task(driver.create_volume(spec))
        await asyncio.wait({call}, timeout=0)
        call.cancel()
        await asyncio.wait({call})
        await driver.create_volume(spec)
        assert await driver.objects() == {spec.object_name}

    async def test_volumes_outlive_the_driver(
        self, driver: Driver, another: Callable[[], Driver], spec: VolumeSpec
    ):
        await driver.create_volume(spec)
        await driver.close()
        later = another()
        await later.check()
        assert await later.objects() == {spec.object_name}
        await later.create_volume(spec)
        assert await provisioned_gib(later) == spec.size_gib

    async def test_check_may_be_repeated_and_keeps_every_volume(
        self, driver: Driver, spec: VolumeSpec
    ):
        await driver.create_volume(spec)
        await driver.check()
        await driver.check()
        assert await driver.objects() == {spec.object_name}

    async def test_stats_count_every_pool_by_itself(self, driver: Driver):
        await driver.create_volume(a_volume(size_gib=1))
        await driver.create_volume(a_volume(size_gib=2))
        await driver.create_volume(a_volume(size_gib=4, pool="silver"))
        stats = await driver.stats()
        assert [
            (p.pool_name, p.total_volumes, p.provisioned_capacity_gib) for p in stats.pools
        ] == [
            ("gold", 2, 3),
            ("silver", 1, 4),
        ]
        for pool in stats.pools:
            assert not isinstance(pool.free_capacity_gib, str)
            assert not isinstance(pool.total_capacity_gib, str)
            assert 0 <= pool.free_capacity_gib <= pool.total_capacity_gib
            assert pool.thin_provisioning_support or pool.thick_provisioning_support

    async def test_stats_are_encoded_under_the_names_that_cinder_uses(self, driver: Driver):
        stats = msgspec.to_builtins(await driver.stats())
        assert {"volume_backend_name", "vendor_name", "driver_version", "storage_protocol"} <= set(
            stats
        )
        assert {
            "pool_name",
            "total_capacity_gb",
            "free_capacity_gb",
            "allocated_capacity_gb",
            "provisioned_capacity_gb",
            "thin_provisioning_support",
            "thick_provisioning_support",
            "max_over_subscription_ratio",
            "reserved_percentage",
            "total_volumes",
        } <= set(stats["pools"][0])
