"""Images that are files of this machine become volumes of the file driver, or nothing does."""

import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from adapters.drivers.content import Block
from adapters.drivers.contract import DriverFailure
from adapters.drivers.file import FileDriver
from adapters.drivers.memory import MemoryBackend, MemoryDriver
from adapters.image_service.directory import DirectoryImageService
from adapters.image_service.port import ImageFile, Stream
from adapters.images.verified import FileCheck
from domain.image import ChosenImage
from services.images import chosen
from services.processes.downloading import Downloads, ImageFailed
from tests.adapters.drivers import mounts
from tests.adapters.drivers.content_contract import Broken, blocks, read
from tests.adapters.drivers.contract import a_volume
from tests.adapters.drivers.nbd_clients import needs
from tests.adapters.drivers.test_file_copies import driving
from tests.adapters.drivers.test_file_driver import names
from tests.adapters.images.disks import a_qcow2
from tests.services.processes.imaging import as_qcow2
from tests.support.patience import PATIENCE_S, soon

MIB = 2**20
DISK = random.Random(3).randbytes(9 * MIB) + bytes(3 * MIB) + b"the end"
SPEC = a_volume()


class World:
    """One image, one backend."""

    def __init__(self, directory: Path, driver: FileDriver | MemoryDriver) -> None:
        self.directory, self.driver = directory, driver
        self.images = Images(directory, answer_s=PATIENCE_S)
        self.path = directory / "disk.raw"
        self.path.write_bytes(DISK)
        self.told: list[int | None] = []

    async def the_image(self) -> ChosenImage:
        [image] = await self.images.find("disk", project_id="p")
        return chosen(image)

    async def bring(self, image: ChosenImage | None = None) -> None:
        downloads = Downloads(
            images=self.images,
            driver=self.driver,
            directory=self.directory,
            clock=lambda: datetime.now(UTC),
            timeout_s=PATIENCE_S,
        )

        async def tell(done: int | None) -> None:
            self.told.append(done)

        await soon(downloads.bring(image or await self.the_image(), SPEC, tell))

    async def holds_the_disk(self) -> bool:
        found = bytearray(len(DISK))
        for offset, data in await read(self.driver, SPEC):
            found[offset : offset + len(data)] = data[: len(DISK) - offset]
        return found == DISK


class Images(DirectoryImageService):
    """Lets something happen once the file is open."""

    streams = 0
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    async def file(self, image_id: str) -> ImageFile | None:
        file = await super().file(image_id)
        self.meanwhile()
        return file

    async def read(self, image_id: str, *, start: int = 0) -> Stream:
        self.streams += 1
        async for chunk in super().read(image_id, start=start):
            yield chunk


@asynccontextmanager
async def a_world(directory: Path) -> AsyncIterator[World]:
    async with driving(directory) as driver:
        yield World(directory, driver)


async def test_it_becomes_the_volume_without_being_streamed(tmp_path: Path):
    async with a_world(tmp_path) as world:
        await world.bring()
        assert await world.holds_the_disk()
        assert (world.images.streams, world.told) == (0, [0])
        await world.bring()  # the attempt before died before it could say so
        assert await world.holds_the_disk()


async def test_a_backend_that_takes_no_files_is_given_a_stream(tmp_path: Path):
    world = World(tmp_path, MemoryDriver(MemoryBackend({"gold": 10})))
    await world.bring()
    assert await world.holds_the_disk()
    assert world.images.streams == 1


@pytest.mark.parametrize("kind", ["plain", "xfs"])
async def test_a_file_that_changes_is_no_volume(tmp_path: Path, kind: str):
    """Between its description and its copy, its time set back."""
    async with _filesystem(tmp_path, kind) as directory, a_world(directory) as world:
        image = await world.the_image()

        def change() -> None:
            before = world.path.stat()
            with world.path.open("r+b") as file:
                os.pwrite(file.fileno(), b"!", len(DISK) - 1)
            os.utime(world.path, ns=(before.st_atime_ns, before.st_mtime_ns))

        world.images.meanwhile = change
        with pytest.raises(ImageFailed) as failed:
            await world.bring(image)
        assert failed.value.problem == "not_copied"
        assert ("fingerprint" if kind == "plain" else "has changed") in failed.value.reason
        assert names(directory / "gold") == set()


@asynccontextmanager
async def _filesystem(directory: Path, kind: str) -> AsyncIterator[Path]:
    if kind == "plain":
        yield directory
    else:
        with mounts.filesystem(directory, kind) as mounted:
            yield mounted


def _damage(world: World) -> None:
    """As a disk does: nothing but the bytes is different, and the record says the same."""
    record = world.path.with_name(f"{world.path.name}.json")
    said = msgspec.json.decode(record.read_bytes())
    with world.path.open("r+b") as file:
        os.pwrite(file.fileno(), b"!", 5 * MIB)
    found = world.path.stat()
    said["content"]["stamp"] |= {"modified_ns": found.st_mtime_ns, "changed_ns": found.st_ctime_ns}
    record.write_bytes(msgspec.json.encode(said))


WRONG: dict[str, tuple[Callable[[World], object], str, str]] = {
    "another image by now": (
        lambda world: world.path.write_bytes(DISK[:-1] + b"!"),
        "not_copied",
        "not what it was",
    ),
    "damaged": (_damage, "not_copied", "fingerprint"),
    "gone": (lambda world: world.path.unlink(), "not_copied", "is queued"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_not_as_described_is_no_volume(tmp_path: Path, wrong: str):
    do_wrong, problem, why = WRONG[wrong]
    async with a_world(tmp_path) as world:
        image = await world.the_image()
        do_wrong(world)
        (tmp_path / "disk.raw.json").touch()
        with pytest.raises(ImageFailed) as failed:
            await world.bring(image)
        assert failed.value.problem == problem
        assert why in failed.value.reason
        assert names(tmp_path / "gold") == set()


async def test_what_is_no_raw_image_is_no_volume(tmp_path: Path):
    async with a_world(tmp_path) as world:
        world.path.write_bytes(a_qcow2())
        with pytest.raises(ImageFailed, match="is qcow2") as failed:
            await world.bring()
        assert failed.value.problem == "unacceptable"
        assert names(tmp_path / "gold") == set()


async def test_a_volume_that_holds_something_else_is_not_taken_for_it(tmp_path: Path):
    async with a_world(tmp_path) as world:
        await world.driver.write_volume(SPEC, blocks([Block(0, b"x" * MIB)]))
        with pytest.raises(DriverFailure, match="does not hold its image"):
            await world.bring()


async def test_who_is_not_waited_for_any_more_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    checking, loop, go_on = asyncio.Event(), asyncio.get_running_loop(), threading.Event()
    check = FileCheck.copied

    def held(self: FileCheck, content: Iterator[Block]) -> None:
        loop.call_soon_threadsafe(checking.set)
        assert go_on.wait(PATIENCE_S)
        check(self, content)

    monkeypatch.setattr(FileCheck, "copied", held)
    async with a_world(tmp_path) as world:
        image = await world.the_image()
        bringing = asyncio.create_task(world.bring(image))
        await soon(checking.wait())
        bringing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bringing
        go_on.set()
    assert names(tmp_path / "gold") == set()


# those that have to be converted


@asynccontextmanager
async def with_a_qcow2(directory: Path) -> AsyncIterator[World]:
    made = directory / "made"
    made.mkdir()
    content = as_qcow2(made, DISK)
    async with a_world(directory) as world:
        world.path.unlink()
        world.path = directory / "disk.qcow2"
        world.path.write_bytes(content)
        yield world


@needs("qemu-img")
async def test_it_is_converted_where_it_is(tmp_path: Path):
    async with with_a_qcow2(tmp_path) as world:
        await world.bring()
        assert await world.holds_the_disk()
        assert world.images.streams == 0
        assert not [name for name in names(tmp_path) if name.endswith(".image")]
        await world.bring()  # the attempt before died before it could say so
        assert await world.holds_the_disk()


@needs("qemu-img")
@pytest.mark.parametrize(
    ("wrong", "why"), [("touched meanwhile", "has changed"), ("damaged", "fingerprint")]
)
async def test_a_changed_or_damaged_file_is_converted_to_no_volume(
    tmp_path: Path, wrong: str, why: str
):
    async with with_a_qcow2(tmp_path) as world:
        image = await world.the_image()
        if wrong == "damaged":
            _damage(world)
        else:
            world.images.meanwhile = world.path.touch
        with pytest.raises(ImageFailed) as failed:
            await world.bring(image)
        assert failed.value.problem == "not_copied"
        assert why in failed.value.reason
        with pytest.raises(DriverFailure):
            await read(world.driver, SPEC)


@needs("qemu-img")
async def test_a_conversion_that_broke_off_is_gone_on_with(tmp_path: Path):
    async with with_a_qcow2(tmp_path) as world:
        half = [Block(at * MIB, b"%d" % at * MIB) for at in range(4)]  # to see that it stays
        with pytest.raises(Broken):
            await world.driver.write_volume(SPEC, blocks(half, then=Broken()))
        await world.bring()
        found = {block.offset: block for block in await read(world.driver, SPEC)}
        assert [found[at * MIB] for at in range(4)] == half
        assert found[4 * MIB].data == DISK[4 * MIB : 5 * MIB]


@needs("qemu-img")
async def test_a_volume_that_holds_another_disk_is_not_taken_for_it(tmp_path: Path):
    async with with_a_qcow2(tmp_path) as world:
        await world.driver.write_volume(SPEC, blocks([Block(0, b"x" * MIB)]))
        with pytest.raises(DriverFailure, match="does not hold its image"):
            await world.bring()
