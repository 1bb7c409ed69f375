"""Clones, snapshots and content of large sparse volumes, against what cp takes for the same."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.drivers.contract import SnapshotSpec, VolumeSpec
from adapters.drivers.file import GIB, FileDriver
from benchmarks.report import median, table
from tests.adapters.drivers import mounts

SIZE_GIB = 100
PIECE_BYTES = 2**20
PIECES = 64
"""Of data, as far apart as they can be."""

CONTENT_BYTES = 512 * 2**20
"""In one piece, of what is written as content."""

POOL = "pool"
BUDGET_S = 0.1
Row = tuple[str, str, str, bool | None]


def a_volume() -> VolumeSpec:
    return VolumeSpec(id=uuid4(), size_gib=SIZE_GIB, pool=POOL, project_id="a-project")


async def filled(driver: FileDriver, directory: Path, *pieces: int, piece_bytes: int) -> VolumeSpec:
    """A volume with random data in these places."""
    spec = a_volume()
    await driver.create_volume(spec)
    with (directory / POOL / spec.object_name).open("r+b") as file:
        for offset in pieces:
            os.pwrite(file.fileno(), os.urandom(piece_bytes), offset)
        os.fsync(file.fileno())
    return spec


async def took(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def copied_by_cp(source: Path) -> None:
    """By cp, and on disk, as drivers have it."""
    copy = source.with_name("copy")
    command = ["cp", "--reflink=auto", "--sparse=always", str(source), str(copy)]
    await asyncio.to_thread(subprocess.run, command, check=True)
    file = os.open(copy, os.O_RDONLY)
    try:
        await asyncio.to_thread(os.fsync, file)
    finally:
        os.close(file)


async def copies(directory: Path, runs: int) -> list[Row]:
    """Of a volume with little in it, each in seconds."""
    driver = FileDriver(directory, [POOL])
    await driver.check()
    places = [number * SIZE_GIB * GIB // PIECES for number in range(PIECES)]
    spec = await filled(driver, directory, *places, piece_bytes=PIECE_BYTES)
    path = directory / POOL / spec.object_name
    shares = (await driver.stats()).pools[0].capabilities["reflink"]
    seconds: dict[str, list[float]] = {"cp": [], "snapshot": [], "clone": []}
    for _ in range(runs):
        seconds["cp"].append(await took(copied_by_cp(path)))
        path.with_name("copy").unlink()
        snapshot = SnapshotSpec(
            id=uuid4(), volume_id=spec.id, size_gib=SIZE_GIB, pool=POOL, project_id="a-project"
        )
        seconds["snapshot"].append(await took(driver.create_snapshot(snapshot)))
        clone = a_volume()
        seconds["clone"].append(await took(driver.clone_volume(clone, snapshot)))
        await driver.delete_volume(clone)
        await driver.delete_snapshot(snapshot)
    await driver.close()
    where = "sharing blocks" if shares else "byte by byte"
    return [
        (
            f"{what} of {SIZE_GIB} GiB, {PIECES} MiB of them data, {where}",
            f"{median(each) * 1000:,.1f} ms",
            f"≤ {BUDGET_S * 1000:.0f} ms" if shares and what != "cp" else "",
            median(each) <= BUDGET_S if shares and what != "cp" else None,
        )
        for what, each in seconds.items()
    ]


async def content(directory: Path, runs: int) -> list[Row]:
    """Content read from one volume and written to another, as it comes from an image."""
    driver = FileDriver(directory, [POOL])
    await driver.check()
    spec = await filled(driver, directory, 0, piece_bytes=CONTENT_BYTES)
    path = directory / POOL / spec.object_name
    ratios = []
    for _ in range(runs):
        alone = await took(copied_by_cp(path))
        path.with_name("copy").unlink()
        target = a_volume()
        ratios.append(alone / await took(driver.write_volume(target, driver.read(spec))))
        await driver.delete_volume(target)
    await driver.close()
    ratio = median(ratios)
    what = f"{CONTENT_BYTES // 2**20} MiB of content written, as fast as cp"
    return [(what, f"{ratio:.0%}", "≥ 70 %", ratio >= 0.7)]


def run(runs: int) -> None:
    """Prints times on a filesystem that shares blocks, if there can be one, and on this one."""
    table("Sources of volumes", on_xfs(runs) + here(runs))


def on_xfs(runs: int) -> list[Row]:
    """On a filesystem of its own."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            with mounts.filesystem(Path(directory), "xfs") as mounted:
                return asyncio.run(copies(mounted, runs))
        except pytest.skip.Exception as reason:
            return [("on XFS", str(reason), "", None)]


def here(runs: int) -> list[Row]:
    """Where temporary files are."""
    with tempfile.TemporaryDirectory() as directory:
        rows = asyncio.run(copies(Path(directory), runs))
    with tempfile.TemporaryDirectory() as directory:
        return rows + asyncio.run(content(Path(directory), runs))
