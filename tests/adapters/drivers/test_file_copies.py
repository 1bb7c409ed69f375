"""Copies and content of the file driver: crashes, full disks, shared blocks, clients at work."""

import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.drivers.content import BLOCK_BYTES, Block, fingerprint
from adapters.drivers.contract import DriverFailure, Source
from adapters.drivers.file import FileDriver
from tests.adapters.drivers import mounts
from tests.adapters.drivers.content_contract import blocks
from tests.adapters.drivers.contract import a_volume, pool_stats
from tests.adapters.drivers.copy_contract import a_snapshot, holds
from tests.adapters.drivers.other_process import CLONE, NEW, OLD, SNAPSHOT, SPEC, begun
from tests.adapters.drivers.test_file_driver import killed_at_every_step, names

MIB = 2**20
DATA = [Block(at * BLOCK_BYTES, os.urandom(BLOCK_BYTES)) for at in range(3, 11)]
"""8 MiB."""


@asynccontextmanager
async def driving(directory: Path) -> AsyncIterator[FileDriver]:
    driver = FileDriver(directory, ["gold"])
    await driver.check()
    yield driver
    await driver.close()


class TestCrashes:
    @pytest.mark.parametrize(
        ("operation", "made", "before", "after"),
        [
            ("snapshot", SNAPSHOT, None, OLD),
            ("clone", CLONE, None, OLD),
            ("revert", SPEC, OLD, NEW),
            ("overwrite", SPEC, OLD, NEW),
            ("write", CLONE, None, NEW),
            ("file", CLONE, None, NEW),
        ],
    )
    async def test_a_kill_at_any_step_leaves_all_of_it_or_nothing_and_the_call_converges(
        self,
        tmp_path: Path,
        operation: str,
        made: Source,
        before: list[Block] | None,
        after: list[Block],
    ):
        seen: set[str] = set()
        for directory in await killed_at_every_step(operation, tmp_path):
            async with driving(directory) as driver:
                gold, path = directory / "gold", directory / "gold" / made.object_name
                done = await driver.written(CLONE)
                partial = {f".{CLONE.object_name}.partial"} if done else set()
                assert {name for name in names(gold) if name.startswith(".")} == partial
                assert (made.object_name in await driver.objects()) == (path.exists() or done > 0)
                if done:
                    seen.add("gone on with")
                    assert done in (BLOCK_BYTES, 2048 * BLOCK_BYTES, CLONE.size_gib * 2**30)
                elif not path.exists():
                    seen.add("before")
                    assert before is None
                else:
                    contents = {"before": before, "after": after}
                    [found] = [
                        name
                        for name, content in contents.items()
                        if content is not None and await holds(driver, made, content)
                    ]
                    seen.add(found)

                await begun(operation, driver)
                assert await holds(driver, made, after)
                assert not [name for name in names(gold) if name.startswith(".")]
                for volume in (SPEC, CLONE):
                    await driver.delete_volume(volume)
                await driver.delete_snapshot(SNAPSHOT)
                assert names(gold) == set()
        assert seen == {"before", "after"} | ({"gone on with"} if operation == "write" else set())


async def assert_full(call: Awaitable[object]) -> None:
    with pytest.raises(DriverFailure, match="No space left") as failure:
        await call
    assert failure.value.retryable_elsewhere


async def test_a_disk_that_fills_up_leaves_everything_as_it_was(tmp_path: Path):
    with mounts.tmpfs(tmp_path, options="size=20m") as directory:
        async with driving(directory) as driver:
            spec, other = a_volume(), a_volume()
            snapshot = a_snapshot(spec)
            await driver.write_volume(spec, blocks(DATA))
            await driver.create_snapshot(snapshot)
            there = names(directory / "gold")
            for call in (
                driver.create_snapshot(a_snapshot(spec)),
                driver.clone_volume(a_volume(), snapshot),
                driver.write_volume(other, blocks(DATA)),
                driver.overwrite_volume(spec, blocks(DATA)),
                driver.revert_volume(spec, snapshot),
            ):
                await assert_full(call)
                assert names(directory / "gold") == there
            for each in (spec, snapshot):
                assert await holds(driver, each, DATA)
            assert await driver.written(other) == 0
            await driver.delete_snapshot(snapshot)
            await driver.write_volume(other, blocks(DATA))


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
async def test_copies_share_their_blocks_where_the_filesystem_can(tmp_path: Path, kind: str):
    with mounts.filesystem(tmp_path, kind) as directory:
        async with driving(directory) as driver:
            spec, clone = a_volume(), a_volume(size_gib=3)
            snapshot = a_snapshot(spec)
            await driver.write_volume(spec, blocks(DATA))
            before = in_use(directory)
            await driver.create_snapshot(snapshot)
            await driver.clone_volume(clone, snapshot)
            await driver.revert_volume(spec, snapshot)
            assert in_use(directory) - before < MIB
            same = await fingerprint(blocks(DATA))
            for each in (spec, snapshot, clone):
                assert await fingerprint(driver.read(each)) == same
            stats = await pool_stats(driver)
            assert stats.allocated_capacity_gib * 2**30 <= in_use(directory)


def in_use(directory: Path) -> int:
    os.sync()
    space = os.statvfs(directory)
    return (space.f_blocks - space.f_bfree) * space.f_frsize
