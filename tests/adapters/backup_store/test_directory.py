"""Backups in a directory: the contract, kills, other processes, full and missing disks."""

import asyncio
import hashlib
import shutil
import stat
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import zstandard

from adapters.backup_store.directory import DirectoryShelf
from adapters.backup_store.port import BackupBusy, BackupDamaged, BackupStoreFailure, Location
from adapters.backup_store.shelf import Shelf
from adapters.drivers.content import BLOCK_BYTES, Block
from domain.errors import NotFound
from tests.adapters.backup_store.contract import (
    CHANGED,
    CONTENT,
    MANIFEST,
    BackupStoreContract,
    a_backup,
    noise,
    offset_of,
    opened,
    read,
    where,
)
from tests.adapters.drivers import mounts
from tests.adapters.drivers.content_contract import blocks
from tests.support.kills import killed_at_every_step, other_process, said
from tests.support.patience import soon

OTHER = "tests.adapters.backup_store.other_process"


class TestDirectory(BackupStoreContract):
    @pytest.fixture
    def shelf(self, tmp_path: Path) -> Shelf:
        return DirectoryShelf(tmp_path)


def folder(directory: Path, number: int) -> Path:
    return directory / "nightly" / str(UUID(int=number))


def files(directory: Path) -> set[str]:
    """All files apart from the lock."""
    found = (path for path in directory.rglob("*") if not path.is_dir())
    return {str(path.relative_to(directory)) for path in found} - {".lock"}


def modes(directory: Path) -> set[tuple[bool, int]]:
    """Of everything in it: whether it is a directory, and its mode."""
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in directory.rglob("*")}


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_backups_are_for_the_owner_alone(tmp_path: Path):
    await opened(DirectoryShelf(tmp_path)).write(a_backup(), blocks(CONTENT))
    assert modes(tmp_path) == {(True, 0o700), (False, 0o600)}


async def test_a_backup_can_be_put_together_by_hand(tmp_path: Path):
    """What is documented for a day on which nothing else is left: files and offsets."""
    await opened(DirectoryShelf(tmp_path)).write(a_backup(), blocks(CONTENT))
    for block, suffix in zip(CONTENT, ["zst", "raw", "zst"], strict=True):
        stored = (folder(tmp_path, 1) / f"{block.offset:016x}.{suffix}").read_bytes()
        assert (zstandard.decompress(stored) if suffix == "zst" else stored) == block.data


async def test_a_kill_at_any_step_of_a_write_leaves_no_backup_or_a_whole_one(tmp_path: Path):
    outcomes: list[bool | None] = []
    for directory in await killed_at_every_step(OTHER, "write", tmp_path):
        store = opened(DirectoryShelf(directory))
        outcomes.append((await store.held()).get(where(2)))
        assert await read(store, where(1)) == CONTENT
        if outcomes[-1]:
            assert await store.verify(where(2)) == []
        whole = {path: path.stat().st_ino for path in folder(directory, 2).glob("0*.*")}
        await store.write(a_backup(2, parent=where(1)), blocks(CHANGED))
        assert await read(store, where(2)) == CHANGED
        assert {path: path.stat().st_ino for path in whole} == whole  # and not stored again
        assert {path.name.partition(".")[0] for path in folder(directory, 2).iterdir()} == {
            "manifest",
            *(offset_of(block) for block in CHANGED[1:]),
        }
        await store.close()
    assert set(outcomes) == {None, False, True}


async def test_a_kill_at_any_step_of_a_deletion_is_gone_on_with(tmp_path: Path):
    outcomes: set[bool | None] = set()
    for directory in await killed_at_every_step(OTHER, "delete", tmp_path):
        store = opened(DirectoryShelf(directory))
        complete = (await store.held()).get(where(2))
        outcomes.add(complete)
        if complete:
            assert await read(store, where(2)) == CHANGED
        for number in (2, 1):
            await store.delete(where(number))
        assert names(directory) == {".lock"}
        await store.close()
    assert outcomes == {True, False, None}


async def test_a_process_that_writes_is_not_disturbed_and_gone_on_for_once_it_is_dead(
    tmp_path: Path,
):
    store = opened(DirectoryShelf(tmp_path))
    async with other_process(OTHER, "stop", tmp_path) as process:
        assert await soon(said(process)) == "standing"
        for call in (store.write(a_backup(1), blocks(CHANGED)), store.delete(where(1))):
            with pytest.raises(BackupBusy):
                await call
        process.kill()
    await store.write(a_backup(1), blocks(CONTENT))
    assert await read(store, where(1)) == CONTENT
    assert len(files(tmp_path)) == 4


async def test_containers_come_and_go_with_their_backups(tmp_path: Path):
    stores = [opened(DirectoryShelf(tmp_path)) for _ in range(2)]

    async def again_and_again(number: int) -> None:
        for _ in range(20):
            await stores[number].write(a_backup(number), blocks(CONTENT[:1]))
            await stores[number].delete(where(number))

    await soon(asyncio.gather(again_and_again(0), again_and_again(1)))
    assert names(tmp_path) == {".lock"}


async def test_a_full_disk_is_told_and_the_rest_is_written_when_there_is_room(tmp_path: Path):
    content = [Block(n * BLOCK_BYTES, noise(n)) for n in range(6)]
    with mounts.tmpfs(tmp_path, options="size=4m") as directory:
        store = opened(DirectoryShelf(directory))
        await store.write(a_backup(2), blocks(content[:1]))
        with pytest.raises(BackupStoreFailure, match="free some space"):
            await store.write(a_backup(1), blocks(content))
        assert await store.held() == {where(1): False, where(2): True}
        assert not [path for path in folder(directory, 1).iterdir() if path.name[0] == "."]
        await store.delete(where(2))
        grown = await asyncio.create_subprocess_exec(
            "mount", "-o", "remount,size=16m", str(directory)
        )
        assert await grown.wait() == 0
        await store.write(a_backup(1), blocks(content))
        assert await read(store, where(1)) == content
        await store.close()


async def test_a_missing_directory_is_told_and_not_made(tmp_path: Path):
    store = opened(DirectoryShelf(tmp_path / "unmounted"))
    for call in (
        store.check(),
        store.held(),
        store.write(a_backup(), blocks(CONTENT)),
        store.describe(where(1)),
        store.verify(where(1)),
        store.delete(where(1)),
        read(store, where(1)),
    ):
        with pytest.raises(BackupStoreFailure, match="mount the filesystem"):
            await call
    assert not (tmp_path / "unmounted").exists()


async def test_a_directory_that_vanishes_is_no_damage(tmp_path: Path):
    store = opened(DirectoryShelf(tmp_path / "mount"), threads=1)
    (tmp_path / "mount").mkdir()
    await store.write(a_backup(), blocks([Block(n * BLOCK_BYTES, noise(n)) for n in range(20)]))
    with pytest.raises(BackupStoreFailure, match="mount the filesystem") as failure:
        async for _ in store.read(where(1)):
            shutil.rmtree(tmp_path / "mount", ignore_errors=True)
    assert not isinstance(failure.value, BackupDamaged)


async def test_strangers_are_no_backups_and_links_are_not_followed(tmp_path: Path):
    store = opened(DirectoryShelf(tmp_path))
    (tmp_path / "nightly").mkdir()
    (tmp_path / "nightly" / "notes.txt").touch()
    (tmp_path / "nightly" / where(7).id.hex).mkdir()
    (tmp_path / "file").touch()
    assert await store.held() == {}
    await store.write(a_backup(), blocks(CONTENT))
    first = folder(tmp_path, 1) / f"{offset_of(CONTENT[0])}.zst"
    first.rename(tmp_path / "elsewhere")
    first.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupDamaged, match="symbolic link"):
        await read(store, where(1))
    await store.delete(where(1))
    assert (tmp_path / "elsewhere").exists()
    assert files(tmp_path) == {"nightly/notes.txt", "file", "elsewhere"}


async def test_a_manifest_in_anothers_directory_cannot_lead_out_of_it(tmp_path: Path):
    """It is what somebody else may have written, where installations share a directory."""
    store = opened(DirectoryShelf(tmp_path))
    await store.write(a_backup(1), blocks(CONTENT))
    path = folder(tmp_path, 1) / MANIFEST
    manifest = msgspec.json.decode(path.read_bytes())["manifest"]
    manifest["holders"].append({"container": "../..", "id": str(where(2).id)})
    manifest["backup"]["parent"] = manifest["holders"][1]
    raw = msgspec.json.encode(manifest)
    sealed = {"sha256": hashlib.sha256(raw).hexdigest(), "manifest": manifest}
    path.write_bytes(msgspec.json.encode(sealed))
    with pytest.raises(BackupDamaged, match="cannot name a container"):
        await store.describe(where(1))


async def test_what_is_gone_or_elsewhere_is_not_found(tmp_path: Path):
    store = opened(DirectoryShelf(tmp_path))
    await store.write(a_backup(1), blocks(CONTENT))
    with pytest.raises(NotFound):
        await store.describe(Location("weekly", where(1).id))
    assert names(tmp_path / "nightly") == {str(where(1).id)}
