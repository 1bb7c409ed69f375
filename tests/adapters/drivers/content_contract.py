"""What every driver promises about what volumes hold, as tests; run by subclassing."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest

from adapters.drivers.content import BLOCK_BYTES, Block, Blocks
from adapters.drivers.contract import Driver, DriverFailure, Source, TypeChange, VolumeSpec
from tests.adapters.drivers.contract import a_volume, provisioned_gib

CONTENT = [
    Block(0, b"boot".ljust(BLOCK_BYTES, b"\0")),
    Block(5 * BLOCK_BYTES, b"\0" * (BLOCK_BYTES - 3) + b"end"),
    Block(6 * BLOCK_BYTES, bytes(range(256)) * (BLOCK_BYTES // 256)),
    Block(2047 * BLOCK_BYTES, b"x" * BLOCK_BYTES),
]
"""Of a volume of 2 GiB, its first and last block included."""

OTHER = [Block(0, b"y" * BLOCK_BYTES)]


class Broken(Exception):
    """Something that is no driver's fault."""


async def blocks(content: Sequence[Block], *, then: Exception | None = None) -> Blocks:
    for block in content:
        yield block
    if then is not None:
        raise then


async def read(driver: Driver, source: Source) -> list[Block]:
    return [block async for block in driver.read(source)]


class ContentContract:
    """Every driver passes this; see DriverContract for the fixtures."""

    @pytest.fixture
    def spec(self) -> VolumeSpec:
        return a_volume()

    async def test_what_was_written_is_read(self, driver: Driver, spec: VolumeSpec):
        await driver.write_volume(spec, blocks(CONTENT))
        assert await read(driver, spec) == CONTENT
        assert await driver.objects() == {spec.object_name}
        assert await provisioned_gib(driver) == spec.size_gib

    async def test_a_new_volume_holds_nothing(self, driver: Driver, spec: VolumeSpec):
        await driver.create_volume(spec)
        assert await read(driver, spec) == []

    async def test_nothing_is_content_too(self, driver: Driver, spec: VolumeSpec):
        await driver.write_volume(spec, blocks([]))
        assert await read(driver, spec) == []
        assert await provisioned_gib(driver) == spec.size_gib

    async def test_a_volume_that_is_there_is_left_as_it_is(self, driver: Driver, spec: VolumeSpec):
        made = await driver.write_volume(spec, blocks(CONTENT))
        assert await driver.write_volume(spec, blocks(OTHER)) == made
        assert await read(driver, spec) == CONTENT

    async def test_one_of_another_size_is_refused_and_left_as_it_is(
        self, driver: Driver, spec: VolumeSpec
    ):
        await driver.write_volume(spec, blocks(CONTENT))
        with pytest.raises(DriverFailure) as failure:
            await driver.write_volume(msgspec.structs.replace(spec, size_gib=3), blocks(OTHER))
        assert not failure.value.retryable_elsewhere
        assert await read(driver, spec) == CONTENT

    async def test_content_that_breaks_off_says_why_and_makes_no_volume(
        self, driver: Driver, spec: VolumeSpec
    ):
        with pytest.raises(Broken):
            await driver.write_volume(spec, blocks([], then=Broken()))
        assert await driver.objects() == set()
        for why in (Broken(), DriverFailure("the source is gone", False), ConnectionResetError()):
            with pytest.raises(type(why)):
                await driver.write_volume(spec, blocks(CONTENT[:2], then=why))
            with pytest.raises(DriverFailure):
                await read(driver, spec)
        await driver.write_volume(spec, blocks(CONTENT))
        assert await read(driver, spec) == CONTENT

    async def test_a_cancelled_write_may_be_repeated(self, driver: Driver, spec: VolumeSpec):
        begun, never = asyncio.Event(), asyncio.Event()

        async def endless() -> Blocks:
            yield CONTENT[0]
            begun.set()
            await never.wait()

        writing = asyncio.create_task(driver.write_volume(spec, endless()))
        async with asyncio.timeout(30):
            await begun.wait()
        writing.cancel()
        await asyncio.wait({writing})
        assert writing.cancelled()
        await driver.write_volume(spec, blocks(CONTENT))
        assert await read(driver, spec) == CONTENT

    async def test_what_broke_off_is_gone_on_with(
        self, driver: Driver, another: Callable[[], Driver], spec: VolumeSpec
    ):
        """Twice, and by another process."""
        assert await driver.written(spec) == 0
        with pytest.raises(Broken):
            await driver.write_volume(spec, blocks(CONTENT[:1], then=Broken()))
        assert await driver.written(spec) == BLOCK_BYTES
        with pytest.raises(Broken):
            content = blocks(CONTENT[1:3], then=Broken())
            await driver.write_volume(spec, content, resume_at=BLOCK_BYTES)
        await driver.close()
        later = another()
        await later.check()
        assert await later.written(spec) == 7 * BLOCK_BYTES
        assert [block async for block in later.read_written(spec)] == CONTENT[:3]
        assert await later.objects() == {spec.object_name}
        await later.write_volume(spec, blocks(CONTENT[3:]), resume_at=7 * BLOCK_BYTES)
        assert await read(later, spec) == CONTENT
        assert await later.written(spec) == 0
        assert [block async for block in later.read_written(spec)] == []
        assert await provisioned_gib(later) == spec.size_gib

    async def test_what_broke_off_is_gone_on_with_from_an_earlier_place_but_no_later_one(
        self, driver: Driver, spec: VolumeSpec
    ):
        with pytest.raises(Broken):
            await driver.write_volume(spec, blocks(CONTENT[:3], then=Broken()))
        with pytest.raises(DriverFailure) as failure:
            await driver.write_volume(spec, blocks(CONTENT[3:]), resume_at=8 * BLOCK_BYTES)
        assert not failure.value.retryable_elsewhere
        assert await driver.written(spec) == 7 * BLOCK_BYTES
        await driver.write_volume(spec, blocks(CONTENT[3:]), resume_at=5 * BLOCK_BYTES)
        assert await read(driver, spec) == [CONTENT[0], CONTENT[3]]

    @pytest.mark.parametrize("call", ["delete_volume", "create_volume", "write_volume"])
    async def test_what_broke_off_is_forgotten_when_nobody_goes_on(
        self, driver: Driver, spec: VolumeSpec, call: str
    ):
        with pytest.raises(Broken):
            await driver.write_volume(spec, blocks(CONTENT, then=Broken()))
        content = {"write_volume": [blocks([])]}.get(call, [])
        await getattr(driver, call)(spec, *content)
        assert await driver.written(spec) == 0
        if call == "delete_volume":
            assert await driver.objects() == set()
            assert await provisioned_gib(driver) == 0
        else:
            assert await read(driver, spec) == []

    async def test_an_overwritten_volume_holds_the_new_content_and_nothing_else(
        self, driver: Driver, spec: VolumeSpec
    ):
        await driver.write_volume(spec, blocks(CONTENT))
        for content in (OTHER, [], CONTENT):
            await driver.overwrite_volume(spec, blocks(content))
            assert await read(driver, spec) == content
        assert await driver.objects() == {spec.object_name}
        assert await provisioned_gib(driver) == spec.size_gib

    async def test_what_cannot_be_overwritten_stays_as_it_is(
        self, driver: Driver, spec: VolumeSpec
    ):
        await driver.write_volume(spec, blocks(CONTENT))
        with pytest.raises(Broken):
            await driver.overwrite_volume(spec, blocks(OTHER, then=Broken()))
        for wrong in (a_volume(), msgspec.structs.replace(spec, size_gib=3)):
            with pytest.raises(DriverFailure) as failure:
                await driver.overwrite_volume(wrong, blocks(OTHER))
            assert not failure.value.retryable_elsewhere
        assert await read(driver, spec) == CONTENT
        assert await driver.written(spec) == 0
        assert await driver.objects() == {spec.object_name}

    @pytest.mark.parametrize("pool", ["gold", "brass"])
    async def test_what_is_not_there_cannot_be_read(self, driver: Driver, pool: str):
        with pytest.raises(DriverFailure):
            await read(driver, a_volume(pool=pool))

    async def test_a_pool_that_does_not_exist_takes_nothing(self, driver: Driver):
        with pytest.raises(DriverFailure, match="brass") as failure:
            await driver.write_volume(a_volume(pool="brass"), blocks(CONTENT))
        assert failure.value.retryable_elsewhere

    async def test_many_volumes_are_copied_to_another_pool_at_once(self, driver: Driver):
        """More than there are threads for either side."""
        specs = [a_volume(size_gib=1) for _ in range(20)]
        content = [Block(0, b"z" * BLOCK_BYTES)]
        for spec in specs:
            await driver.write_volume(spec, blocks(content))
        targets = [msgspec.structs.replace(spec, pool="silver") for spec in specs]
        async with asyncio.timeout(120):
            await asyncio.gather(
                *(
                    driver.write_volume(target, driver.read(spec))
                    for spec, target in zip(specs, targets, strict=True)
                )
            )
        for target in targets:
            assert await read(driver, target) == content

    async def test_two_writers_of_one_volume_make_one(
        self, driver: Driver, another: Callable[[], Driver], spec: VolumeSpec
    ):
        other = another()
        async with asyncio.timeout(120):
            await asyncio.gather(
                *(each.write_volume(spec, blocks(CONTENT)) for each in [driver, other] * 3)
            )
        assert await read(driver, spec) == CONTENT
        assert await provisioned_gib(driver) == spec.size_gib

    async def test_an_adopted_volume_holds_the_same_in_both_pools(
        self, driver: Driver, spec: VolumeSpec
    ):
        target = msgspec.structs.replace(spec, pool="silver")
        await driver.write_volume(spec, blocks(CONTENT))
        for _ in range(2):
            assert await driver.adopt_volume(target, "gold") is not None
            assert await read(driver, target) == await read(driver, spec) == CONTENT
        await driver.delete_volume(spec)
        assert await read(driver, target) == CONTENT
        await driver.extend_volume(target, 3)
        assert await read(driver, target) == CONTENT
        assert await driver.objects() == {spec.object_name}

    async def test_what_is_not_there_cannot_be_adopted(self, driver: Driver, spec: VolumeSpec):
        with pytest.raises(DriverFailure):
            await driver.adopt_volume(spec, "silver")
        assert await driver.objects() == set()

    async def test_a_type_changes_nothing_of_what_is_held(self, driver: Driver, spec: VolumeSpec):
        change = TypeChange(extra_specs={"tier": ("1", "2")})
        with pytest.raises(DriverFailure):
            await driver.retype_volume(spec, change)
        await driver.write_volume(spec, blocks(CONTENT))
        for _ in range(2):
            await driver.retype_volume(spec, change)
        assert await read(driver, spec) == CONTENT
