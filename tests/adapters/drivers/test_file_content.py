"""What files hold, block by block; fingerprints; copies that stay sparse."""

import os
from pathlib import Path

import pytest

from adapters.drivers.content import BLOCK_BYTES, Block, Fingerprint, fingerprint
from adapters.drivers.file import GIB, FileDriver
from adapters.drivers.file_content import PIECE_BYTES, blocks_of
from tests.adapters.drivers import mounts
from tests.adapters.drivers.content_contract import CONTENT, OTHER, Broken, blocks
from tests.adapters.drivers.contract import a_volume


async def test_a_fingerprint_tells_contents_apart():
    same = await fingerprint(blocks(CONTENT))
    assert same == await fingerprint(blocks(list(CONTENT)))
    moved = [Block(BLOCK_BYTES, CONTENT[0].data), *CONTENT[1:]]
    assert (
        len({same, *[await fingerprint(blocks(c)) for c in (CONTENT[:3], moved, OTHER, [])]}) == 5
    )


async def test_a_fingerprint_is_complete_when_everything_was_seen():
    seen = Fingerprint()
    passing = seen.of(blocks(CONTENT))
    assert await anext(passing) == CONTENT[0]
    before = seen.complete
    assert [block async for block in passing] == CONTENT[1:]
    assert (before, seen.complete) == (False, True)
    assert seen.value == await fingerprint(blocks(CONTENT))


@pytest.fixture
async def driver(tmp_path: Path):
    driver = FileDriver(tmp_path, ["gold", "silver"])
    await driver.check()
    yield driver
    await driver.close()


def a_file(path: Path, size_bytes: int, **at: bytes) -> Path:
    with path.open("wb") as file:
        file.truncate(size_bytes)
        for offset, data in at.items():
            os.pwrite(file.fileno(), data, int(offset.removeprefix("at_")))
    return path


def all_of(path: Path) -> list[Block]:
    return list(blocks_of(path, first_bytes=path.stat().st_size))


def test_a_file_that_ends_within_a_block_is_read_to_its_end(tmp_path: Path):
    path = a_file(tmp_path / "odd", BLOCK_BYTES + 7, **{f"at_{BLOCK_BYTES + 6}": b"!"})
    assert all_of(path) == [Block(BLOCK_BYTES, b"\0" * 6 + b"!")]


def test_zeros_that_are_stored_are_not_told(tmp_path: Path):
    path = a_file(tmp_path / "zeros", 3 * BLOCK_BYTES, at_0=bytes(3 * BLOCK_BYTES))
    assert path.stat().st_blocks > 0
    assert all_of(path) == []


async def test_a_copy_is_as_sparse_as_its_source_and_equal_byte_for_byte(
    driver: FileDriver, tmp_path: Path
):
    spec, copy = a_volume(size_gib=100), a_volume(size_gib=100, pool="silver")
    await driver.create_volume(spec)
    source = tmp_path / "gold" / spec.object_name
    with source.open("r+b") as file:
        for offset in (0, 50 * GIB + 12345, 100 * GIB - 9):
            os.pwrite(file.fileno(), b"something", offset)
    await driver.write_volume(copy, driver.read(spec))
    target = tmp_path / "silver" / copy.object_name
    assert target.stat().st_size == source.stat().st_size
    assert target.stat().st_blocks * 512 <= 4 * PIECE_BYTES
    assert all_of(target) == all_of(source)
    with target.open("rb") as file:
        for offset in (0, 50 * GIB + 12345, 100 * GIB - 9):
            assert os.pread(file.fileno(), 9, offset) == b"something"


async def test_pools_on_two_filesystems_cannot_adopt(driver: FileDriver, tmp_path: Path):
    with mounts.tmpfs(tmp_path, options="size=64m") as mount:
        (tmp_path / "silver").rmdir()
        (tmp_path / "silver").symlink_to(mount)
        spec = a_volume()
        await driver.create_volume(spec)
        target = a_volume(id=spec.id, pool="silver")
        assert await driver.adopt_volume(target, "gold") is None
        assert await driver.objects("silver") == set()


async def test_a_volume_of_the_name_that_is_another_file_is_not_taken_for_the_same(
    driver: FileDriver,
):
    spec = a_volume()
    target = a_volume(id=spec.id, pool="silver")
    await driver.write_volume(spec, blocks(CONTENT))
    await driver.write_volume(target, blocks(OTHER))
    assert await driver.adopt_volume(target, "gold") is None
    assert [block async for block in driver.read(target)] == OTHER


async def test_content_that_breaks_off_before_it_begins_leaves_no_file(
    driver: FileDriver, tmp_path: Path
):
    with pytest.raises(Broken):
        await driver.write_volume(a_volume(), blocks([], then=Broken()))
    assert list((tmp_path / "gold").glob(".volume-*")) == []
