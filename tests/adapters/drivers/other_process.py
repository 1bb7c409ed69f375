"""Another process at the file driver: dies at a chosen step, stops, races, or stays connected.

Usage: python -m tests.adapters.drivers.other_process die|stop|race|connect ... (see `main`)
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from uuid import UUID

from adapters.drivers import unfinished
from adapters.drivers.content import BLOCK_BYTES, Block, Blocks
from adapters.drivers.contract import OpenFile, SnapshotSpec, VolumeSpec
from adapters.drivers.file import GIB, FileDriver
from adapters.drivers.reflink import copy_file
from tests.support.kills import before_every_step, die_at, die_everywhere

SPEC = VolumeSpec(id=UUID(int=7), size_gib=2, pool="gold", project_id="a-project")
NEW_SIZE_GIB = 5
SNAPSHOT = SnapshotSpec(
    id=UUID(int=9), volume_id=SPEC.id, size_gib=2, pool="gold", project_id="a-project"
)
CLONE = VolumeSpec(id=UUID(int=10), size_gib=3, pool="gold", project_id="a-project")
OLD = [Block(0, b"o" * BLOCK_BYTES), Block(2 * BLOCK_BYTES, b"l" * BLOCK_BYTES)]
NEW = [Block(0, b"n" * BLOCK_BYTES), Block(2047 * BLOCK_BYTES, b"w" * BLOCK_BYTES)]
ATTACHMENT = UUID(int=8)


async def blocks(content: list[Block]) -> Blocks:
    for block in content:
        yield block


def a_file(content: list[Block]) -> OpenFile:
    """In memory."""
    file = OpenFile(os.memfd_create("file"))
    with open(file.fileno(), "wb", closefd=False) as writing:
        for offset, data in content:
            writing.seek(offset)
            writing.write(data)
    return file


class Unchecked:
    """Everything passes."""

    def copied(self, content: Iterator[Block]) -> None:
        for _ in content:
            pass

    def shared(self) -> None:
        pass


async def driven(operation: str, directory: Path, *, step: int) -> None:
    """One operation on a fresh directory, killed at the step, if it has that many."""
    if operation == "copy":
        source = directory / "source"
        source.write_bytes(os.urandom(2**20))
        os.truncate(source, 2**22)
        die_at(step)
        size = source.stat().st_size
        copy_file(
            source, directory / "copy", first_bytes=size, size_bytes=size, still=nullcontext()
        )
        return
    driver = FileDriver(directory, ["gold"])
    await driver.check()
    if operation != "create":
        await driver.create_volume(SPEC)
    if operation in ("snapshot", "clone", "revert", "overwrite", "write"):
        await driver.overwrite_volume(SPEC, blocks(OLD))
    if operation == "revert":
        await driver.overwrite_volume(SPEC, blocks(NEW))
        await driver.create_snapshot(SNAPSHOT)
        await driver.overwrite_volume(SPEC, blocks(OLD))
    unfinished.MARK_BYTES = BLOCK_BYTES
    if operation == "disconnect":
        await driver.connect_volume(SPEC, ATTACHMENT, {"host": "a-node"}, "rw")
    die_at(step)
    await begun(operation, driver)


async def begun(operation: str, driver: FileDriver) -> None:
    """The operation, as far as it gets; where it already came to its end, this changes nothing."""
    match operation:
        case "connect":
            await driver.connect_volume(SPEC, ATTACHMENT, {"host": "a-node"}, "rw")
        case "disconnect":
            await driver.disconnect_volume(SPEC, ATTACHMENT)
        case "create":
            await driver.create_volume(SPEC)
        case "extend":
            await driver.extend_volume(SPEC, NEW_SIZE_GIB)
        case "delete":
            await driver.delete_volume(SPEC)
        case "snapshot":
            await driver.create_snapshot(SNAPSHOT)
        case "clone":
            await driver.clone_volume(CLONE, SPEC)
        case "revert":
            await driver.revert_volume(SPEC, SNAPSHOT)
        case "overwrite":
            await driver.overwrite_volume(SPEC, blocks(NEW))
        case "write":
            done = await driver.written(CLONE)
            content = blocks([block for block in NEW if block.offset >= done])
            await driver.write_volume(CLONE, content, resume_at=done)
        case "file":
            await driver.copy_file(CLONE, a_file(NEW), first_bytes=2 * GIB, check=Unchecked())
        case _:
            raise SystemExit(__doc__)


def stop(directory: Path) -> None:
    """Create the volume, but stand still before the rename until a line comes in."""

    def act(name: str) -> None:
        if name == "rename":
            print("standing", flush=True)
            sys.stdin.readline()

    before_every_step(act)
    asyncio.run(FileDriver(directory, ["gold"]).create_volume(SPEC))


def race(directory: Path, volumes: int) -> None:
    """Once a line comes in, create volumes 0, 1, …, each as soon as it can be."""

    async def create() -> None:
        driver = FileDriver(directory, ["gold"])
        for number in range(volumes):
            await driver.create_volume(
                VolumeSpec(id=UUID(int=number), size_gib=1, pool="gold", project_id="a-project")
            )

    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run(create())


async def connect(directory: Path, volume_id: UUID) -> None:
    """Connect a volume of 1 GiB, print its URI, and be killed."""
    driver = FileDriver(directory, ["gold"])
    spec = VolumeSpec(id=volume_id, size_gib=1, pool="gold", project_id="a-project")
    connection = await driver.connect_volume(spec, ATTACHMENT, {"host": "a-node"}, "rw")
    print(connection.data["uri"], flush=True)
    await asyncio.Event().wait()


def main(role: str, *arguments: str) -> None:
    match role, arguments:
        case "die", (operation, root):
            die_everywhere(
                Path(root), lambda path, step: asyncio.run(driven(operation, path, step=step))
            )
        case "stop", (directory,):
            stop(Path(directory))
        case "race", (directory, volumes):
            race(Path(directory), int(volumes))
        case "connect", (directory, volume_id):
            asyncio.run(connect(Path(directory), UUID(volume_id)))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
