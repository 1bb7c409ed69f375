"""From an image to a volume, against what copies or converts the same bytes and does nothing else.

Once by what workers do, images from their directory to the file driver; once from POST to available
through `lapilli serve`. The other is `cp` or `qemu-img convert`. All end with the data on disk. And
what is made from an image that its backend keeps, against an empty volume.
"""

import asyncio
import json
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import uvloop

from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import FileDriver
from adapters.image_service.directory import DirectoryImageService
from benchmarks.http_client import Client
from benchmarks.report import median, table
from services.images import chosen
from services.processes.downloading import Downloads
from tests.adapters.drivers import mounts
from tests.support.deployment import PROJECT, Serve, by_itself, running

GIB = 2**30
SIZE_BYTES = GIB
SPEC = VolumeSpec(id=UUID(int=1), size_gib=1, pool="pool", project_id="p")
BUDGET, CACHED_BUDGET = 0.7, 0.9
PATIENCE_S = 60.0
CREATES = 20
POLL_S = 0.005
"""Less would take processors from who is measured."""

XFS_BYTES = 8 * GIB
"""Sparse."""

BASE = f"/v3/{PROJECT}/volumes"

IMAGES = {
    "disk": ("raw", ["cp", "--sparse=always", "disk.raw"]),
    "converted": ("qcow2", ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", "disk.qcow2"]),
}
"""By the name of the image: its format, and who else copies it."""

WITHOUT_AND_WITH: dict[str, dict[str, str]] = {"empty": {}, "cached": {"imageRef": "disk"}}

Row = tuple[str, str, str, bool | None]


class Cost(NamedTuple):
    """Seconds on the clock, and of processors."""

    elapsed: float
    processors: float


def make_disk(path: Path) -> None:
    """Half of it data that does not compress, in runs of 4 MiB, the rest holes."""
    rng = random.Random(1)
    with path.open("wb") as file:
        file.truncate(SIZE_BYTES)
        for at in range(0, SIZE_BYTES, 8 << 20):
            file.seek(at)
            file.write(rng.randbytes(4 << 20))
    path.chmod(0o644)


def make_images(images: Path) -> None:
    """The same disk in all formats, in a directory of images."""
    images.mkdir(parents=True)
    make_disk(images / "disk.raw")
    if shutil.which("qemu-img"):
        made = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2"]
        raw, qcow2 = images / "disk.raw", images / "disk.qcow2"
        subprocess.run([*made, str(raw), str(qcow2)], check=True)
        (images / "disk.qcow2.json").write_text('{"name": "converted"}')


async def cost_of(work: Awaitable[Any]) -> Cost:
    """Of ours, and of the programs that it starts."""
    started, processors = time.perf_counter(), _processors_s()
    await work
    return Cost(time.perf_counter() - started, _processors_s() - processors)


def _processors_s() -> float:
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _copied(command: Sequence[str], copy: Path) -> None:
    subprocess.run([*command, str(copy)], check=True)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    copy.unlink()


def _rows(what: str, command: Sequence[str], pairs: Sequence[tuple[Cost, Cost]]) -> Row:
    """Of ours and theirs, in turns."""
    ratio = median([theirs.elapsed / ours.elapsed for ours, theirs in pairs])
    ours, theirs = zip(*pairs, strict=True)
    speed = SIZE_BYTES / 2**20 / median([cost.elapsed for cost in ours])
    cpu = [median([cost.processors for cost in costs]) for costs in (ours, theirs)]
    said = f"{speed:,.0f} MiB/s, {ratio:.0%} of {' '.join(command[:2])}"
    if cpu[0]:
        said += f"; {cpu[0]:.2f} s of processors to its {cpu[1]:.2f} s"
    return (what, said, f"≥ {BUDGET:.0%}", ratio >= BUDGET)


# what workers do


async def by_workers(directory: Path, runs: int) -> list[Row]:
    """Images from their directory to the file driver."""
    service = DirectoryImageService(directory / "images", answer_s=PATIENCE_S)
    driver = FileDriver(directory, [SPEC.pool])
    await driver.check()
    downloads = Downloads(
        images=service,
        driver=driver,
        directory=directory,
        clock=lambda: datetime.now(UTC),
        timeout_s=PATIENCE_S,
    )

    async def tell(done: int | None) -> None:
        """Nobody asks."""

    rows = []
    for name, (format, command) in _possible():
        (image,) = await service.find(name, project_id="p")
        program = [*command[:-1], str(directory / "images" / command[-1])]
        pairs = []
        for _ in range(runs):
            ours = await cost_of(downloads.bring(chosen(image), SPEC, tell))
            await driver.delete_volume(SPEC)
            copying = asyncio.to_thread(_copied, program, directory / "copy")
            pairs.append((ours, await cost_of(copying)))
        rows.append(_rows(f"{format} image to volume", command, pairs))
    await driver.close()
    return rows


def _possible() -> Iterator[tuple[str, tuple[str, list[str]]]]:
    for name, (format, command) in IMAGES.items():
        if shutil.which(command[0]):
            yield name, (format, command)


# from POST to available


@contextmanager
def served(directory: Path, *, cache: bool) -> Iterator[int]:
    """The port of a `lapilli serve` with the file driver, and images made before."""
    make_images(directory / "data" / "images")
    backend = {"driver": "file", "image_cache": cache}
    env = {
        "LAPILLI_BACKENDS": json.dumps({"files": backend}),
        "LAPILLI_QUOTA_VOLUMES": "-1",
        "LAPILLI_QUOTA_GIGABYTES": "-1",
        "LAPILLI_LOGGING_LEVEL": "warning",
    }
    with running(Serve(directory, env=env, launch=by_itself)) as deployment:
        yield deployment.port


async def created(client: Client, **said: str) -> str:
    """The id of a volume that is available."""
    body = {"volume": {"size": 1, **said}}
    while True:  # until the image is known
        status, answer, _ = await client.request("POST", BASE, body)
        if status == 202:
            break
        assert b"importing" in answer, answer
    id: str = json.loads(answer)["volume"]["id"]
    while True:
        volume = json.loads((await client.request("GET", f"{BASE}/{id}"))[1])["volume"]
        if volume["status"] == "available":
            return id
        assert volume["status"] in ("creating", "downloading"), volume
        await asyncio.sleep(POLL_S)


async def deleted(client: Client, id: str) -> None:
    """Until it is gone."""
    assert (await client.request("DELETE", f"{BASE}/{id}"))[0] == 202
    while (await client.request("GET", f"{BASE}/{id}"))[0] == 200:
        await asyncio.sleep(POLL_S)


async def through_the_ring(directory: Path, port: int, runs: int) -> list[Row]:
    """One client, who waits for each volume."""
    rows, client = [], Client("127.0.0.1", port)
    for name, (format, command) in _possible():
        program = [*command[:-1], str(directory / "data" / "images" / command[-1])]
        await deleted(client, await created(client, imageRef=name))
        pairs = []
        for _ in range(runs):
            started = time.perf_counter()
            id = await created(client, imageRef=name)
            ours = Cost(time.perf_counter() - started, 0.0)
            await deleted(client, id)
            copying = asyncio.to_thread(_copied, program, directory / "copy")
            pairs.append((ours, await cost_of(copying)))
        rows.append(_rows(f"{format} image to volume, POST to available", command, pairs))
    client.close()
    return rows


async def from_the_cache(port: int, where: str, creates: int) -> list[Row]:
    """Volumes from an image that is kept, and empty ones, in turns."""
    client = Client("127.0.0.1", port)
    await created(client, imageRef="disk")
    seconds: dict[str, list[float]] = {"empty": [], "cached": []}
    for _ in range(creates):
        for what, source in WITHOUT_AND_WITH.items():
            started = time.perf_counter()
            id = await created(client, **source)
            seconds[what].append(time.perf_counter() - started)
            await deleted(client, id)
    client.close()
    empty, cached = (median(each) for each in seconds.values())
    measured = f"{cached * 1000:,.0f} ms to {empty * 1000:,.0f} ms, {empty / cached:.0%} as fast"
    shares = where == "xfs"
    return [
        (
            f"from an image that is kept, and empty, POST to available, {where}",
            measured,
            f"≥ {CACHED_BUDGET:.0%}" if shares else "",
            empty / cached >= CACHED_BUDGET if shares else None,
        )
    ]


def run(runs: int) -> None:
    """All in page cache, and on the disk of the temporary directory."""
    with tempfile.TemporaryDirectory() as name:
        make_images(Path(name) / "images")
        table("Images to volumes, 1 GiB, half of it data", uvloop.run(by_workers(Path(name), runs)))
    with tempfile.TemporaryDirectory() as name, served(Path(name), cache=False) as port:
        rows = asyncio.run(through_the_ring(Path(name), port, runs))
    table("The same through the whole ring", [*rows, *_on_xfs(), *_here(runs)])


def _on_xfs() -> list[Row]:
    """Where blocks are shared, if there can be such a filesystem."""
    with tempfile.TemporaryDirectory() as name:
        try:
            with (
                mounts.filesystem(Path(name), "xfs", size_bytes=XFS_BYTES) as mounted,
                served(mounted, cache=True) as port,
            ):
                return asyncio.run(from_the_cache(port, "xfs", CREATES))
        except pytest.skip.Exception as reason:
            return [("from an image that is kept, on XFS", str(reason), "", None)]


def _here(runs: int) -> list[Row]:
    """Where temporary files are."""
    with tempfile.TemporaryDirectory() as name, served(Path(name), cache=True) as port:
        return asyncio.run(from_the_cache(port, "here", runs))
