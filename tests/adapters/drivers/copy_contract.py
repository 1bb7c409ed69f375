"""What every driver promises of snapshots, clones and reverting, as tests; run by subclassing."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from adapters.drivers.content import BLOCK_BYTES, Block, fingerprint
from adapters.drivers.contract import Driver, DriverFailure, SnapshotSpec, Source, VolumeSpec
from tests.adapters.drivers.content_contract import CONTENT, OTHER, blocks
from tests.adapters.drivers.contract import a_volume, pool_stats, provisioned_gib


def a_snapshot(volume: VolumeSpec, *, id: UUID | None = None) -> SnapshotSpec:
    return SnapshotSpec(
        id=id or uuid4(),
        volume_id=volume.id,
        size_gib=volume.size_gib,
        pool=volume.pool,
        project_id=volume.project_id,
    )


async def holds(driver: Driver, source: Source, content: list[Block]) -> bool:
    return await fingerprint(driver.read(source)) == await fingerprint(blocks(content))


class CopyContract:
    """Every driver passes this; see DriverContract for the fixtures."""

    @pytest.fixture
    async def spec(self, driver: Driver) -> VolumeSpec:
        """A volume of 2 GiB that holds CONTENT."""
        spec = a_volume()
        await driver.write_volume(spec, blocks(CONTENT))
        return spec

    async def test_a_snapshot_keeps_what_the_volume_held(self, driver: Driver, spec: VolumeSpec):
        snapshot = a_snapshot(spec)
        await driver.create_snapshot(snapshot)
        assert await driver.objects("gold") == {spec.object_name, snapshot.object_name}
        assert (await pool_stats(driver)).total_volumes == 1
        assert await provisioned_gib(driver) == 4
        await driver.overwrite_volume(spec, blocks(OTHER))
        assert await holds(driver, snapshot, CONTENT)
        await driver.delete_volume(spec)
        assert await driver.objects() == {snapshot.object_name}
        assert await holds(driver, snapshot, CONTENT)

    async def test_a_snapshot_taken_again_is_left_as_it_is(self, driver: Driver, spec: VolumeSpec):
        snapshot = a_snapshot(spec)
        made = await driver.create_snapshot(snapshot)
        await driver.overwrite_volume(spec, blocks(OTHER))
        assert await driver.create_snapshot(snapshot) == made
        with pytest.raises(DriverFailure, match="exists") as failure:
            await driver.create_snapshot(replace(snapshot, size_gib=1))
        assert not failure.value.retryable_elsewhere
        await driver.delete_volume(spec)
        assert await driver.create_snapshot(snapshot) == made
        assert await holds(driver, snapshot, CONTENT)

    async def test_a_snapshot_of_a_volume_that_grew_since_has_the_size_it_was_asked_with(
        self, driver: Driver, spec: VolumeSpec
    ):
        await driver.extend_volume(spec, 3)
        snapshot = a_snapshot(spec)
        await driver.create_snapshot(snapshot)
        assert await provisioned_gib(driver) == 3 + 2
        assert await holds(driver, snapshot, CONTENT)

    async def test_what_is_not_there_has_no_snapshot(self, driver: Driver, spec: VolumeSpec):
        for absent in (a_volume(), replace(spec, pool="silver"), replace(spec, size_gib=3)):
            with pytest.raises(DriverFailure) as failure:
                await driver.create_snapshot(a_snapshot(absent))
            assert not failure.value.retryable_elsewhere
        with pytest.raises(DriverFailure, match="brass"):
            await driver.create_snapshot(a_snapshot(replace(spec, pool="brass")))
        assert await driver.objects() == {spec.object_name}

    async def test_a_deleted_snapshot_is_gone_and_nothing_else(
        self, driver: Driver, spec: VolumeSpec
    ):
        snapshot, clone = a_snapshot(spec), a_volume()
        await driver.delete_snapshot(snapshot)
        await driver.create_snapshot(snapshot)
        await driver.clone_volume(clone, snapshot)
        for _ in range(2):
            await driver.delete_snapshot(snapshot)
        assert await driver.objects() == {spec.object_name, clone.object_name}
        assert await holds(driver, spec, CONTENT)
        assert await holds(driver, clone, CONTENT)

    @pytest.mark.parametrize("of_snapshot", [True, False], ids=["of a snapshot", "of a volume"])
    @pytest.mark.parametrize("size_gib", [2, 3])
    @pytest.mark.parametrize("pool", ["gold", "silver"])
    async def test_a_clone_holds_the_same_and_is_independent(
        self, driver: Driver, spec: VolumeSpec, of_snapshot: bool, size_gib: int, pool: str
    ):
        source: Source = spec
        if of_snapshot:
            source = a_snapshot(spec)
            await driver.create_snapshot(source)
        clone = a_volume(size_gib=size_gib, pool=pool)
        before = await provisioned_gib(driver, pool)
        for _ in range(2):
            assert await driver.clone_volume(clone, source) is not None
            assert await provisioned_gib(driver, pool) == before + size_gib
            assert await holds(driver, clone, CONTENT)
        await driver.overwrite_volume(clone, blocks(OTHER))
        assert await holds(driver, source, CONTENT)
        if of_snapshot:
            await driver.delete_snapshot(a_snapshot(spec, id=source.id))
        await driver.delete_volume(spec)
        assert await driver.clone_volume(clone, source) is not None
        assert await holds(driver, clone, OTHER)

    async def test_a_clone_of_what_grew_since_takes_its_first_part(self, driver: Driver):
        grown, beyond = a_volume(size_gib=3), Block(2048 * BLOCK_BYTES, b"!" * BLOCK_BYTES)
        await driver.write_volume(grown, blocks([*CONTENT, beyond]))
        source, clone = replace(grown, size_gib=2), a_volume(size_gib=3)
        await driver.clone_volume(clone, source)
        assert await holds(driver, clone, CONTENT)
        assert await holds(driver, source, CONTENT)

    async def test_what_cannot_be_cloned_makes_nothing(self, driver: Driver, spec: VolumeSpec):
        clone = a_volume(size_gib=3)
        for source in (a_volume(), a_snapshot(spec), replace(spec, size_gib=3)):
            with pytest.raises(DriverFailure) as failure:
                await driver.clone_volume(clone, source)
            assert not failure.value.retryable_elsewhere
        with pytest.raises(DriverFailure, match="fit"):
            await driver.clone_volume(a_volume(size_gib=1), spec)
        with pytest.raises(DriverFailure, match="brass"):
            await driver.clone_volume(a_volume(pool="brass"), spec)
        assert await driver.objects() == {spec.object_name}
        await driver.create_volume(clone)
        with pytest.raises(DriverFailure, match="exists"):
            await driver.clone_volume(replace(clone, size_gib=2), spec)
        assert await holds(driver, clone, [])

    async def test_a_reverted_volume_holds_what_its_snapshot_does(
        self, driver: Driver, spec: VolumeSpec
    ):
        snapshot = a_snapshot(spec)
        await driver.create_snapshot(snapshot)
        await driver.overwrite_volume(spec, blocks(OTHER))
        for _ in range(2):
            await driver.revert_volume(spec, snapshot)
            assert await holds(driver, spec, CONTENT)
        await driver.overwrite_volume(spec, blocks(OTHER))
        assert await holds(driver, snapshot, CONTENT)
        assert await driver.objects() == {spec.object_name, snapshot.object_name}
        assert await provisioned_gib(driver) == 4

    async def test_what_cannot_be_reverted_stays_as_it_is(self, driver: Driver, spec: VolumeSpec):
        snapshot, larger = a_snapshot(spec), a_volume(size_gib=3)
        await driver.create_snapshot(snapshot)
        await driver.overwrite_volume(spec, blocks(OTHER))
        await driver.write_volume(larger, blocks(OTHER))
        for volume, to in [
            (spec, a_snapshot(spec)),
            (a_volume(), snapshot),
            (larger, snapshot),
            (replace(larger, size_gib=2), snapshot),
            (larger, replace(snapshot, size_gib=3)),
        ]:
            with pytest.raises(DriverFailure) as failure:
                await driver.revert_volume(volume, to)
            assert not failure.value.retryable_elsewhere
        assert await holds(driver, spec, OTHER)
        assert await holds(driver, larger, OTHER)

    async def test_copies_of_one_another_at_once_wait_for_each_other_and_end(
        self, driver: Driver, another: Callable[[], Driver], spec: VolumeSpec
    ):
        drivers, snapshot = [driver, another()] * 2, a_snapshot(spec)
        one, two = a_volume(id=UUID(int=1)), a_volume(id=UUID(int=2), pool="silver")
        async with asyncio.timeout(120):
            outcomes = await asyncio.gather(
                *(each.create_snapshot(snapshot) for each in drivers),
                *(each.clone_volume(one, two) for each in drivers),
                *(each.clone_volume(two, one) for each in drivers),
                *(each.clone_volume(one, spec) for each in drivers),
                *(each.clone_volume(one, snapshot) for each in drivers),
                *(each.delete_snapshot(snapshot) for each in drivers),
                return_exceptions=True,
            )
        failed = [each for each in outcomes if isinstance(each, BaseException)]
        assert all(isinstance(each, DriverFailure) for each in failed), failed
        assert await holds(driver, one, CONTENT)
        await driver.clone_volume(two, one)
        assert await holds(driver, two, CONTENT)
