"""Volumes from files of this machine: what is checked is what is there, or nothing is there."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.drivers import checked_copy
from adapters.drivers.checked_copy import STEP_BYTES
from adapters.drivers.content import BLOCK_BYTES, Block
from adapters.drivers.contract import DriverFailure, OpenFile, VolumeSpec
from adapters.drivers.file import FileDriver
from tests.adapters.drivers import mounts
from tests.adapters.drivers.content_contract import CONTENT, blocks, read
from tests.adapters.drivers.contract import a_volume
from tests.adapters.drivers.test_file_copies import DATA, assert_full, driving, in_use
from tests.adapters.drivers.test_file_driver import names

MIB = 2**20


class Watch:
    """Passes everything, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[Block] = []
        self.calls: list[str] = []

    def copied(self, content: Iterator[Block]) -> None:
        self.calls.append("copied")
        for block in content:
            self.seen.append(block)
            self.at(block)

    def at(self, block: Block) -> None:
        pass

    def shared(self) -> None:
        self.calls.append("shared")


class Wrong(Exception):
    """What the check finds."""


def a_file(path: Path, size: int, **at: bytes) -> OpenFile:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in at.items():
            os.pwrite(file.fileno(), data, int(offset.removeprefix("at_")))
    return opened(path)


def opened(path: Path) -> OpenFile:
    return OpenFile(os.open(path, os.O_RDONLY))


async def copied(driver: FileDriver, spec: VolumeSpec, file: OpenFile, check: Watch) -> None:
    size = os.fstat(file.fileno()).st_size
    assert await driver.copy_file(spec, file, first_bytes=size, check=check) is not None


SCATTERED = {
    "at_0": b"boot",
    f"at_{3 * MIB - 2}": b"across",
    f"at_{5 * MIB}": os.urandom(2 * STEP_BYTES + 77),
    f"at_{20 * MIB}": bytes(4 * MIB),
    f"at_{30 * MIB + 1}": b"the end",
}


async def test_the_volume_holds_the_file_and_its_zeros_take_no_room(tmp_path: Path):
    file = a_file(tmp_path / "file", 30 * MIB + 8, **SCATTERED)
    spec, check = a_volume(), Watch()
    async with driving(tmp_path) as driver:
        await copied(driver, spec, file, check)
        assert check.seen == await read(driver, spec)
    path = tmp_path / "gold" / spec.object_name
    with path.open("rb") as volume:
        assert volume.read(30 * MIB + 8) == (tmp_path / "file").read_bytes()
    assert path.stat().st_size == spec.size_gib * 2**30
    stored = 2 * STEP_BYTES + 4 * 64 * 2**10 * 2
    assert path.stat().st_blocks * 512 <= stored


async def test_a_file_that_changes_while_it_is_copied_is_checked_as_it_was_copied(tmp_path: Path):
    size = 16 * STEP_BYTES
    file = a_file(tmp_path / "file", size, at_0=b"old!" * (size // 4))

    class Meanwhile(Watch):
        def at(self, block: Block) -> None:
            with (tmp_path / "file").open("r+b") as writing:
                os.pwrite(writing.fileno(), b"new!", size - 4 - block.offset)
                os.pwrite(writing.fileno(), b"new!", block.offset)

    spec, check = a_volume(), Meanwhile()
    async with driving(tmp_path) as driver:
        await copied(driver, spec, file, check)
        assert check.seen == await read(driver, spec)
        assert len(check.seen) == size // BLOCK_BYTES


@pytest.mark.parametrize("at", [0, 10, 19])
async def test_what_does_not_pass_is_no_volume(tmp_path: Path, at: int):
    file = a_file(tmp_path / "file", 20 * MIB, at_0=b"x" * 20 * MIB)

    class Picky(Watch):
        def at(self, block: Block) -> None:
            if block.offset == at * BLOCK_BYTES:
                raise Wrong

    spec = a_volume()
    async with driving(tmp_path) as driver:
        with pytest.raises(Wrong):
            await copied(driver, spec, file, Picky())
        assert names(tmp_path / "gold") == set()
        await copied(driver, spec, file, Watch())


async def test_a_disk_that_fails_meanwhile_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whoever asks for the rest to be written does not hear of it any more."""
    file = a_file(tmp_path / "file", 20 * MIB, at_0=b"x" * 20 * MIB)

    def fails(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(checked_copy, "SYNC_BYTES", STEP_BYTES)
    async with driving(tmp_path) as driver:
        await copied(driver, a_volume(), file, Watch())
        there = names(tmp_path / "gold")
        monkeypatch.setattr(os, "fdatasync", fails)
        with pytest.raises(DriverFailure, match="Input/output error"):
            await copied(driver, a_volume(), file, Watch())
        assert names(tmp_path / "gold") == there


async def test_a_file_that_becomes_shorter_is_as_if_zeros_followed(tmp_path: Path):
    file = a_file(tmp_path / "file", MIB, at_0=b"x" * MIB)
    spec, check = a_volume(), Watch()
    async with driving(tmp_path) as driver:
        await driver.copy_file(spec, file, first_bytes=2 * MIB, check=check)
        assert check.seen == await read(driver, spec) == [Block(0, b"x" * MIB)]


async def test_a_volume_that_is_there_is_neither_changed_nor_checked(tmp_path: Path):
    file = a_file(tmp_path / "file", MIB, at_0=b"x")
    spec, check = a_volume(), Watch()
    async with driving(tmp_path) as driver:
        await driver.write_volume(spec, blocks(CONTENT))
        await copied(driver, spec, file, check)
        assert (check.calls, await read(driver, spec)) == ([], CONTENT)
        with pytest.raises(DriverFailure, match="exists"):
            await copied(driver, replace(spec, size_gib=3), file, check)
        with pytest.raises(DriverFailure, match="do not fit") as failure:
            await driver.copy_file(a_volume(), file, first_bytes=2**31 + 1, check=check)
        assert not failure.value.retryable_elsewhere


async def test_a_disk_that_fills_up_keeps_nothing(tmp_path: Path):
    file = a_file(tmp_path / "file", 30 * MIB, at_0=os.urandom(30 * MIB))
    with mounts.tmpfs(tmp_path, options="size=20m") as directory:
        async with driving(directory) as driver:
            check = Watch()
            await assert_full(copied(driver, a_volume(), file, check))
            assert names(directory / "gold") == set()


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
async def test_blocks_are_shared_where_the_filesystem_can(tmp_path: Path, kind: str):
    with mounts.filesystem(tmp_path, kind) as directory:
        async with driving(directory) as driver:
            content = b"".join(block.data for block in DATA) + b"odd"
            file = a_file(directory / "file", len(content), at_0=content)
            spec, check = a_volume(), Watch()
            before = in_use(directory)
            await copied(driver, spec, file, check)
            assert in_use(directory) - before < MIB
            assert check.calls == ["shared"]
            (directory / "file").write_bytes(b"another")
            found = b"".join(block.data for block in await read(driver, spec))
            assert found == content.ljust(len(found), b"\0")
