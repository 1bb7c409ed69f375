"""The file driver: the contract, crashes, other processes, broken filesystems, what is on disk."""

import asyncio
import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.drivers.contract import Driver, DriverFailure
from adapters.drivers.durable import partial_of
from adapters.drivers.file import GIB, FileDriver
from tests.adapters.drivers import mounts
from tests.adapters.drivers.content_contract import ContentContract
from tests.adapters.drivers.contract import POOLS, DriverContract, a_volume, pool_stats
from tests.adapters.drivers.copy_contract import CopyContract
from tests.adapters.drivers.other_process import NEW_SIZE_GIB, SPEC
from tests.support import kills
from tests.support.kills import said

OTHER = "tests.adapters.drivers.other_process"
other_process = partial(kills.other_process, OTHER)
killed_at_every_step = partial(kills.killed_at_every_step, OTHER)

MEGABYTE_GIB = 1 / 1024


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable[..., FileDriver]]:
    """Gives drivers of tmp_path, or of another directory, and closes them in the end."""
    drivers: list[FileDriver] = []

    def give(directory: Path = tmp_path) -> FileDriver:
        drivers.append(FileDriver(directory, POOLS))
        return drivers[-1]

    yield give
    for each in drivers:
        await each.close()


@pytest.fixture
async def driver(opened: Callable[..., FileDriver]) -> FileDriver:
    driver = opened()
    await driver.check()
    return driver


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return tmp_path / "gold"


def names(directory: Path) -> set[str]:
    """All that is in a pool, apart from the lock file."""
    return {path.name for path in directory.iterdir()} - {".lock"}


def sizes_gib(pool: Path) -> list[int]:
    return [path.stat().st_size // GIB for path in pool.glob("volume-*")]


def replaced_by_a_file(directory: Path) -> None:
    (directory / ".lock").unlink()
    directory.rmdir()
    directory.touch()


class TestFileDriver(DriverContract, ContentContract):
    @pytest.fixture
    def another(self, opened: Callable[..., FileDriver]) -> Callable[[], Driver]:
        return opened


class TestFileDriverCopies(CopyContract):
    @pytest.fixture
    def another(self, opened: Callable[..., FileDriver]) -> Callable[[], Driver]:
        return opened


class TestWhatIsOnDisk:
    async def test_a_volume_is_a_sparse_file_of_exactly_its_size_for_the_owner_alone(
        self, driver: FileDriver, gold: Path
    ):
        spec = a_volume(size_gib=1000)
        await driver.create_volume(spec)
        found = (gold / spec.object_name).stat()
        assert names(gold) == {spec.object_name}
        assert found.st_size == 1000 * GIB
        assert found.st_blocks * 512 < 2**20
        assert stat.S_IMODE(found.st_mode) == 0o600

    async def test_stats_tell_what_is_promised_from_what_is_occupied(
        self, driver: FileDriver, gold: Path
    ):
        spec = a_volume(size_gib=3)
        await driver.create_volume(spec)
        with (gold / spec.object_name).open("r+b") as file:
            file.write(os.urandom(2**20))
            os.fsync(file.fileno())
        stats = await pool_stats(driver)
        assert stats.provisioned_capacity_gib == 3
        assert MEGABYTE_GIB <= stats.allocated_capacity_gib < 2 * MEGABYTE_GIB
        assert stats.thin_provisioning_support
        assert stats.capabilities["reflink"] in (True, False)

    async def test_extending_keeps_the_content_and_adds_zeros(self, driver: FileDriver, gold: Path):
        spec = a_volume(size_gib=1)
        await driver.create_volume(spec)
        with (gold / spec.object_name).open("r+b") as file:
            file.write(b"kept")
        await driver.extend_volume(spec, 2)
        with (gold / spec.object_name).open("rb") as file:
            assert file.read(4) == b"kept"
            file.seek(GIB)
            assert file.read(4096) == bytes(4096)
            assert file.seek(0, os.SEEK_END) == 2 * GIB

    async def test_a_volume_is_on_disk_before_it_has_its_name_and_its_name_before_success(
        self, driver: FileDriver, monkeypatch: pytest.MonkeyPatch
    ):
        order: list[str] = []

        def recorded(name: str, label: Callable[..., str]):
            call = getattr(os, name)

            def record(*arguments, **keywords):
                order.append(label(*arguments))
                return call(*arguments, **keywords)

            monkeypatch.setattr(os, name, record)

        def fsync_label(file: int) -> str:
            return "sync directory" if stat.S_ISDIR(os.fstat(file).st_mode) else "sync file"

        recorded("fsync", fsync_label)
        recorded("ftruncate", lambda *_: "size")
        recorded("rename", lambda *_: "rename")
        recorded("unlink", lambda path: f"unlink {Path(path).name[0]}")
        spec = a_volume()
        for call, steps in [
            (
                driver.create_volume(spec),
                ["unlink .", "size", "sync file", "rename", "sync directory"],
            ),
            (driver.create_volume(spec), ["sync directory"]),
            (driver.extend_volume(spec, 3), ["size", "sync file"]),
            (driver.extend_volume(spec, 3), ["sync file"]),
            (driver.delete_volume(spec), ["unlink .", "unlink v", "sync directory"]),
            (driver.delete_volume(spec), ["unlink .", "unlink v", "sync directory"]),
        ]:
            order.clear()
            await call
            assert order == steps

    async def test_what_the_driver_did_not_make_is_no_object_and_stays(
        self, driver: FileDriver, gold: Path
    ):
        strangers = {"notes.txt", "volume-1", ".volume-1.partial"}
        for name in strangers:
            (gold / name).touch()
        await driver.check()
        assert await driver.objects() == set()
        assert names(gold) == strangers

    async def test_a_symbolic_link_in_the_place_of_a_volume_is_not_followed(
        self, driver: FileDriver, gold: Path, tmp_path: Path
    ):
        spec = a_volume(size_gib=1)
        precious = tmp_path / "precious"
        precious.write_bytes(b"content")
        (gold / spec.object_name).symlink_to(precious)
        with pytest.raises(DriverFailure, match="left as it is"):
            await driver.create_volume(spec)
        with pytest.raises(DriverFailure, match="symbolic link"):
            await driver.extend_volume(spec, 2)
        await driver.delete_volume(spec)
        assert precious.read_bytes() == b"content"
        assert names(gold) == set()

    @pytest.mark.parametrize("pool", ["", ".", "..", "a/b", "/etc", ".hidden"])
    def test_a_pool_name_cannot_lead_out_of_the_directory(self, tmp_path: Path, pool: str):
        with pytest.raises(ValueError, match="pool"):
            FileDriver(tmp_path, [pool])


class TestCrashes:
    @pytest.mark.parametrize(
        ("operation", "sizes"),
        [("create", {None, 2}), ("extend", {2, NEW_SIZE_GIB}), ("delete", {2, None})],
    )
    async def test_a_kill_at_any_step_leaves_the_volume_as_before_or_as_after(
        self,
        tmp_path: Path,
        opened: Callable[..., FileDriver],
        operation: str,
        sizes: set[int | None],
    ):
        seen: set[int | None] = set()
        for directory in await killed_at_every_step(operation, tmp_path):
            volume = directory / "gold" / SPEC.object_name
            size_gib = volume.stat().st_size // GIB if volume.exists() else None
            seen.add(size_gib)

            driver = opened(directory)
            await driver.check()
            whole = set() if size_gib is None else {SPEC.object_name}
            assert await driver.objects() == whole == names(directory / "gold")

            if operation == "create":
                await driver.create_volume(SPEC)
            elif operation == "extend":
                await driver.extend_volume(SPEC, NEW_SIZE_GIB)
                assert volume.stat().st_size == NEW_SIZE_GIB * GIB
            await driver.delete_volume(SPEC)
            assert names(directory / "gold") == set()
        assert seen == sizes

    async def test_a_call_repeated_after_a_kill_needs_no_check_before(
        self, tmp_path: Path, opened: Callable[..., FileDriver]
    ):
        for again in ("create", "delete"):
            for directory in await killed_at_every_step("create", tmp_path / again):
                driver = opened(directory)
                if again == "create":
                    await driver.create_volume(SPEC)
                    assert names(directory / "gold") == {SPEC.object_name}
                else:
                    await driver.delete_volume(SPEC)
                    assert names(directory / "gold") == set()

    async def test_a_kill_at_any_step_of_a_copy_leaves_a_whole_copy_or_none(self, tmp_path: Path):
        whole = 0
        for directory in await killed_at_every_step("copy", tmp_path):
            source, copy = directory / "source", directory / "copy"
            partial_of(copy).unlink(missing_ok=True)
            assert names(directory) <= {"source", "copy"}
            if copy.exists():
                whole += 1
                assert copy.read_bytes() == source.read_bytes()
        assert whole >= 2  # killed after the rename, and not killed


class TestOtherProcesses:
    async def test_processes_that_create_the_same_volumes_at_once_make_each_once(
        self, driver: FileDriver, tmp_path: Path, gold: Path
    ):
        async with AsyncExitStack() as started:
            racers = [
                await started.enter_async_context(other_process("race", tmp_path, 30))
                for _ in range(4)
            ]
            for process in racers:
                assert await said(process) == "ready"
            await asyncio.gather(*(process.communicate(b"go\n") for process in racers))
            assert [process.returncode for process in racers] == [0] * 4
        assert len(await driver.objects()) == len(names(gold)) == 30
        assert sizes_gib(gold) == [1] * 30

    async def test_a_call_waits_for_another_process_in_the_middle_of_the_same_volume(
        self, driver: FileDriver, tmp_path: Path, gold: Path
    ):
        async with other_process("stop", tmp_path) as process:
            assert await said(process) == "standing"
            deleting = asyncio.create_task(driver.delete_volume(SPEC))
            await driver.create_volume(a_volume())  # the neighbours do not wait
            await driver.check()  # and the work of the living is not cleared away
            assert names(gold) >= {f".{SPEC.object_name}.partial"}
            assert not deleting.done()

            await process.communicate(b"go\n")
            assert process.returncode == 0
        await deleting
        assert SPEC.object_name not in names(gold)

    async def test_what_a_process_leaves_half_made_is_cleared_once_it_is_dead(
        self, driver: FileDriver, tmp_path: Path, gold: Path
    ):
        async with other_process("stop", tmp_path) as process:
            assert await said(process) == "standing"
            process.kill()
        assert names(gold) == {f".{SPEC.object_name}.partial"}
        assert await driver.objects() == set()
        await driver.check()
        assert names(gold) == set()


class TestBrokenFilesystems:
    async def test_a_missing_directory_is_not_made_but_reported(
        self, opened: Callable[..., FileDriver], tmp_path: Path
    ):
        driver = opened(tmp_path / "unmounted")
        for call in (driver.check(), driver.stats(), driver.objects()):
            with pytest.raises(DriverFailure, match="mount the filesystem") as failure:
                await call
            assert failure.value.retryable_elsewhere
        assert not (tmp_path / "unmounted").exists()

    @pytest.mark.parametrize(
        ("broken", "reason"),
        [(shutil.rmtree, "create the directory"), (replaced_by_a_file, "a directory is needed")],
        ids=["gone", "a file"],
    )
    async def test_a_pool_without_its_directory_is_reported_by_every_call(
        self, driver: FileDriver, gold: Path, broken: Callable[[Path], None], reason: str
    ):
        spec = a_volume()
        await driver.delete_volume(spec)
        broken(gold)
        for call in (
            driver.create_volume(spec),
            driver.delete_volume(spec),
            driver.extend_volume(spec, 3),
            driver.stats(),
            driver.objects(),
        ):
            with pytest.raises(DriverFailure, match=reason) as failure:
                await call
            assert failure.value.retryable_elsewhere
            assert str(gold) in failure.value.reason

    @pytest.mark.parametrize(
        ("error", "remedy"),
        [
            (errno.ENOSPC, "free some space"),
            (errno.EACCES, "permission"),
            (errno.EIO, "kernel log"),
            (errno.ENOMEM, "system log"),
        ],
    )
    @pytest.mark.parametrize("step", ["open", "ftruncate", "fsync", "rename"])
    async def test_an_error_at_any_step_says_what_to_do_and_leaves_nothing(
        self,
        driver: FileDriver,
        gold: Path,
        monkeypatch: pytest.MonkeyPatch,
        step: str,
        error: int,
        remedy: str,
    ):
        def failing(*arguments, **keywords):
            raise OSError(error, os.strerror(error))

        spec = a_volume()
        with monkeypatch.context() as broken:
            broken.setattr(os, step, failing)
            with pytest.raises(DriverFailure, match=remedy) as failure:
                await driver.create_volume(spec)
        assert failure.value.retryable_elsewhere
        assert names(gold) == set()
        await driver.create_volume(spec)

    async def test_a_full_disk_takes_no_volume_but_still_gives_them_back(
        self, opened: Callable[..., FileDriver], tmp_path: Path
    ):
        with mounts.tmpfs(tmp_path, options="size=1m,nr_inodes=16") as directory:
            driver = opened(directory)
            await driver.check()
            made = []
            with pytest.raises(DriverFailure, match="No space left") as failure:
                for _ in range(16):
                    spec = a_volume()
                    await driver.create_volume(spec)
                    made.append(spec)
            assert failure.value.retryable_elsewhere
            assert await driver.objects() == {spec.object_name for spec in made}
            assert names(directory / "gold") == {spec.object_name for spec in made}

            again = opened(directory)
            await again.check()
            assert (await pool_stats(again)).total_volumes == len(made)
            await again.delete_volume(made[0])
            await again.create_volume(made[0])
            await driver.close()
            await again.close()

    async def test_a_filesystem_that_became_read_only_is_unusable(
        self, opened: Callable[..., FileDriver], tmp_path: Path
    ):
        with mounts.tmpfs(tmp_path, options="size=1m") as directory:
            driver = opened(directory)
            await driver.check()
            remount = await asyncio.create_subprocess_exec(
                "mount", "-o", "remount,ro", str(directory)
            )
            assert await remount.wait() == 0
            for call in (opened(directory).check(), driver.create_volume(a_volume())):
                with pytest.raises(DriverFailure, match="mount the filesystem read-write"):
                    await call

    async def test_a_volume_larger_than_any_file_is_refused(
        self, opened: Callable[..., FileDriver], tmp_path: Path
    ):
        with mounts.filesystem(tmp_path, "ext4") as directory:
            driver = opened(directory)
            await driver.check()
            with pytest.raises(DriverFailure) as failure:
                await driver.create_volume(a_volume(id=uuid4(), size_gib=2**32))
            assert failure.value.retryable_elsewhere
            assert names(directory / "gold") == set()


@pytest.mark.parametrize(
    ("kind", "can"),
    [("xfs", True), ("btrfs", True), ("xfs without reflink", False), ("ext4", False)],
)
async def test_stats_say_whether_the_filesystem_has_reflinks(
    opened: Callable[..., FileDriver], tmp_path: Path, kind: str, can: bool
):
    with mounts.filesystem(tmp_path, kind) as directory:
        driver = opened(directory)
        await driver.check()
        assert (await pool_stats(driver)).capabilities["reflink"] is can
        assert names(directory / "gold") == set()
