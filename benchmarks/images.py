"""From an image to a volume, against what copies or converts the same bytes and does nothing else.

Our side writes through the file driver: a raw image as the image service gives it, verified on the
way; of a qcow2 the conversion alone, from a file. The other is `cp` or `qemu-img convert`. Both end
with the data on disk.
"""

import asyncio
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from uuid import UUID

import uvloop

from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import FileDriver
from adapters.image_service.directory import DirectoryImageService
from adapters.images import conversion
from adapters.images.blocks import Pieces, blocks, raw_pieces
from adapters.images.formats import inspect_file
from adapters.images.verified import verified
from benchmarks.report import median, table

GIB = 2**30
SIZE_BYTES = GIB
SPEC = VolumeSpec(id=UUID(int=1), size_gib=1, pool="pool", project_id="p")
BUDGET = 0.7
PATIENCE_S = 60.0


def make_disk(path: Path) -> None:
    """Half of it data that does not compress, in runs of 4 MiB, the rest holes."""
    rng = random.Random(1)
    with path.open("wb") as file:
        file.truncate(SIZE_BYTES)
        for at in range(0, SIZE_BYTES, 8 << 20):
            file.seek(at)
            file.write(rng.randbytes(4 << 20))
    path.chmod(0o644)


async def _raw(images: Path) -> Pieces:
    service = DirectoryImageService(images, answer_s=PATIENCE_S)
    (image,) = await service.find("disk", project_id="p")
    stream = verified(service.read(image.id), size=image.size, digests=image.digests)
    return raw_pieces(stream, declared=image.disk_format)


async def _qcow2(images: Path) -> Pieces:
    path = images / "disk.qcow2"
    found = inspect_file(path, declared="qcow2")
    return conversion.converted(path, found, patience_s=PATIENCE_S)


async def _ours(directory: Path, pieces: Pieces) -> float:
    """Seconds until the volume is there."""
    driver = FileDriver(directory, ["pool"])
    await driver.check()
    await driver.delete_volume(SPEC)
    started = time.perf_counter()
    await driver.write_volume(SPEC, blocks(pieces, volume_bytes=SIZE_BYTES))
    elapsed = time.perf_counter() - started
    await driver.delete_volume(SPEC)
    await driver.close()
    return elapsed


def _theirs(directory: Path, command: list[str]) -> float:
    copy = directory / "copy"
    copy.unlink(missing_ok=True)
    started = time.perf_counter()
    subprocess.run([*command, str(copy)], check=True)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    elapsed = time.perf_counter() - started
    copy.unlink()
    return elapsed


async def _measure(directory: Path, runs: int) -> list[tuple[str, str, str, bool | None]]:
    images = directory / "images"
    rows: list[tuple[str, str, str, bool | None]] = []
    for what, made, command in (
        ("raw image to volume", _raw, ["cp", "--sparse=always", "disk.raw"]),
        (
            "qcow2 image to volume",
            _qcow2,
            ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", "disk.qcow2"],
        ),
    ):
        if not shutil.which(command[0]):
            continue
        program = [*command[:-1], str(images / command[-1])]
        ours, ratios = [], []
        for _ in range(runs):
            ours.append(await _ours(directory, await made(images)))
            ratios.append(await asyncio.to_thread(_theirs, directory, program) / ours[-1])
        speed = SIZE_BYTES / 2**20 / median(ours)
        ratio = median(ratios)
        said = f"{speed:,.0f} MiB/s, {ratio:.0%} of {' '.join(command[:2])}"
        rows.append((what, said, f"≥ {BUDGET:.0%}", ratio >= BUDGET))
    return rows


def run(runs: int) -> None:
    """Both in page cache and on the disk of the temporary directory."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        images = directory / "images"
        images.mkdir()
        make_disk(images / "disk.raw")
        if shutil.which("qemu-img"):
            made = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2"]
            raw, qcow2 = images / "disk.raw", images / "disk.qcow2"
            subprocess.run([*made, str(raw), str(qcow2)], check=True)
            (images / "disk.qcow2.json").write_text('{"name": "converted"}')
        table("Images to volumes, 1 GiB, half of it data", uvloop.run(_measure(directory, runs)))
