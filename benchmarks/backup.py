"""Backing up a volume of real content and reading it back, against `tar | gzip` of the same.

Ours reads the volume through the file driver, hashes, compresses and syncs every chunk; tar and
gzip do neither hash nor sync. What they are fed are programs of this machine, and as much that
cannot be compressed.
"""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import uvloop

from adapters.backup_store.directory import DirectoryShelf
from adapters.backup_store.port import BackupSpec, Location
from adapters.backup_store.store import ChunkedBackupStore
from adapters.drivers.content import BLOCK_BYTES
from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import FileDriver
from benchmarks.report import median, table

BLOCKS = 256
GIB = 2**30


def content() -> Iterator[bytes]:
    """Blocks, in turn of libraries and of noise."""
    libraries = b"".join(
        path.read_bytes()[: 4 * BLOCK_BYTES]
        for path in sorted(Path("/usr/lib").rglob("*.so*"))[:400]
        if path.is_file()
    )
    places = range(0, len(libraries) - BLOCK_BYTES, BLOCK_BYTES)
    for number in range(BLOCKS):
        if number % 2:
            yield os.urandom(BLOCK_BYTES)
        else:
            place = places[number // 2 % len(places)]
            yield libraries[place : place + BLOCK_BYTES]


async def ours(directory: Path, volume: VolumeSpec, turn: int) -> list[float]:
    """Seconds of a full backup, of an increment without changes, and of reading the latter."""
    driver = FileDriver(directory, [volume.pool])
    store = ChunkedBackupStore(DirectoryShelf(directory / "backups"))
    took, parent = [], None
    for _ in range(2):
        location = Location(f"turn{turn}", uuid4())
        spec = BackupSpec(location=location, volume_id=volume.id, size_gib=1, parent=parent)
        started = time.perf_counter()
        await store.write(spec, driver.read(volume))
        took.append(time.perf_counter() - started)
        parent = location
    started = time.perf_counter()
    async for _ in store.read(location):
        pass
    took.append(time.perf_counter() - started)
    await asyncio.gather(store.close(), driver.close())
    return took


def tar_and_gzip(path: Path) -> float:
    """Seconds."""
    started = time.perf_counter()
    with (
        subprocess.Popen(
            ["tar", "-cSf", "-", "-C", path.parent, path.name], stdout=subprocess.PIPE
        ) as tar,
        (path.parent / "tgz").open("wb") as archive,
    ):
        subprocess.run(["gzip", "-1"], stdin=tar.stdout, stdout=archive, check=True)
    return time.perf_counter() - started


def run(runs: int) -> None:
    """Prints MB/s of content, and how often as fast as tar and gzip that is."""
    volume = VolumeSpec(id=uuid4(), size_gib=1, pool="pool", project_id="p")
    times: list[list[float]] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "pool").mkdir()
        (directory / "backups").mkdir()
        path = directory / "pool" / volume.object_name
        with path.open("wb") as file:
            for block in content():
                file.write(block)
            file.truncate(GIB)
        for turn in range(runs):
            theirs = tar_and_gzip(path)
            times.append([theirs, *uvloop.run(ours(directory, volume, turn))])
    theirs, full, increment, read = (median(each) for each in zip(*times, strict=True))
    size_mb = BLOCKS * BLOCK_BYTES / 1e6
    rows: list[tuple[str, str, str, bool | None]] = [
        (
            "full backup",
            f"{size_mb / full:.0f} MB/s, {theirs / full:.1f} × tar | gzip -1",
            "≥ 2 ×",
            theirs / full >= 2,
        ),
        ("increment without changes", f"{size_mb / increment:.0f} MB/s", "", None),
        ("reading, verified", f"{size_mb / read:.0f} MB/s", "", None),
    ]
    table(f"Backup of {size_mb:.0f} MB in a volume of 1 GiB", rows)
