"""Disks out of images: the same bytes as qemu-img writes into a file, and nothing else."""

import os
import random
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.drivers.content import BLOCK_BYTES, Block, InThread
from adapters.drivers.contract import OpenFile
from adapters.images import conversion
from adapters.images.blocks import Piece, Pieces, blocks, blocks_made, raw_pieces
from adapters.images.formats import Found, inspect_open
from adapters.images.unacceptable import ImageUnacceptable
from domain.errors import Unavailable
from tests.adapters.drivers.nbd_clients import needs, only
from tests.adapters.images.disks import a_qcow2
from tests.support.patience import PATIENCE_S, soon

MIB = 2**20
VOLUME = 16 * MIB

Made = Generator[Piece, None, None]

needs_qemu_img = needs("qemu-img")


async def pieces_of(*pieces: tuple[int, bytes]) -> Pieces:
    for piece in pieces:
        yield piece


async def disk_of(pieces: Pieces | Made, *, volume_bytes: int = VOLUME) -> bytes:
    """What a volume holds afterwards; every block is as drivers are promised."""
    disk, last = bytearray(volume_bytes), -1
    cut: AsyncIterator[Block]
    if isinstance(pieces, AsyncGenerator):
        cut = blocks(pieces, volume_bytes=volume_bytes)
    else:
        cut = InThread(blocks_made(pieces, volume_bytes=volume_bytes))
    async for block in cut:
        assert block.offset % BLOCK_BYTES == 0 and block.offset > last
        assert len(block.data) == min(BLOCK_BYTES, volume_bytes - block.offset)
        assert any(block.data)
        last = block.offset
        disk[last : last + len(block.data)] = block.data
    return bytes(disk)


def scattered(seed: int) -> bytes:
    """A disk with data here and there: across blocks, of odd lengths, at both ends."""
    rng, disk = random.Random(seed), bytearray(10 * MIB)
    for _ in range(12):
        at, length = rng.randrange(len(disk)), rng.choice([1, 512, 70_000, MIB, 2 * MIB])
        disk[at : at + length] = rng.randbytes(min(length, len(disk) - at))
    disk[0], disk[-1] = 1, 1
    return bytes(disk)


@pytest.mark.parametrize("seed", range(5))
async def test_pieces_of_any_length_become_whole_blocks(seed: int):
    rng, disk, at = random.Random(seed), scattered(seed), 0
    pieces: list[tuple[int, bytes]] = []
    while at < len(disk):
        length = rng.choice([0, 1, 511, 4096, MIB - 1, MIB, 3 * MIB])
        if any(disk[at : at + length]) or rng.random() < 0.5:  # zeros may be told or not
            pieces.append((at, disk[at : at + length]))
        at += length
    assert await disk_of(pieces_of(*pieces)) == disk.ljust(VOLUME, b"\0")


@pytest.mark.parametrize("pieces", [[(VOLUME - 1, b"ab")], [(0, b"a"), (VOLUME, b"b")]])
async def test_what_a_volume_has_no_room_for_is_refused(pieces: list[tuple[int, bytes]]):
    with pytest.raises(ImageUnacceptable, match="larger than"):
        await disk_of(pieces_of(*pieces))


async def test_a_raw_image_that_comes_in_crumbs_is_still_looked_at():
    async def crumbs(image: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(image), 3):
            yield image[at : at + 3]

    honest = random.Random(1).randbytes(2000)
    made = await disk_of(raw_pieces(crumbs(honest), declared="raw"))  # type: ignore[arg-type]
    assert made == honest.ljust(VOLUME, b"\0")
    with pytest.raises(ImageUnacceptable, match="is qcow2"):
        await disk_of(raw_pieces(crumbs(a_qcow2()), declared="raw"))  # type: ignore[arg-type]


def an_image(directory: Path, disk: bytes, *options: str) -> Path:
    raw, image = directory / "disk", directory / "image"
    raw.write_bytes(disk)
    command = ["qemu-img", "convert", "-f", "raw", *options, str(raw), str(image)]
    subprocess.run(command, check=True, timeout=60)
    return image


def a_qcow2_upon(backing: Path, image: Path) -> None:
    command = [
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        str(backing),
        "-F",
        "raw",
        str(image),
    ]
    subprocess.run(command, check=True, timeout=60)


def converted(image: Path, found: Found | str, *, patience_s: float = PATIENCE_S) -> Made:
    """As what was found, or what is found in a file of that format."""
    file = OpenFile(os.open(image, os.O_RDONLY))
    if isinstance(found, str):
        found = inspect_open(file.fileno(), declared=found)
    return conversion.converted(file, found, patience_s=patience_s)


@needs_qemu_img
@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("qcow2", ["-O", "qcow2"]),
        ("qcow2", ["-O", "qcow2", "-c"]),
        ("vmdk", ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
        ("vdi", ["-O", "vdi"]),
        ("vhd", ["-O", "vpc", "-o", "force_size=on"]),
        ("vhdx", ["-O", "vhdx"]),
    ],
)
async def test_a_converted_disk_has_every_byte_of_the_original(
    tmp_path: Path, format: str, options: list[str]
):
    image = an_image(tmp_path, disk := scattered(6), *options)
    before = set(tmp_path.iterdir())  # noqa: ASYNC240 - a test
    assert await soon(disk_of(converted(image, format))) == disk.ljust(VOLUME, b"\0")
    assert set(tmp_path.iterdir()) == before  # noqa: ASYNC240


@needs_qemu_img
async def test_a_damaged_image_is_refused_in_the_converters_words(tmp_path: Path):
    image = an_image(tmp_path, scattered(7), "-O", "qcow2")
    with image.open("r+b") as file:
        file.seek(3 << 16)
        file.write(b"\xff" * 8)  # the first table is somewhere impossible
    with pytest.raises(ImageUnacceptable, match=r"qemu-img cannot convert it: \w+"):
        await soon(disk_of(converted(image, "qcow2")))


@needs_qemu_img
async def test_the_converter_leads_to_no_other_file_even_if_the_header_check_failed(tmp_path: Path):
    (tmp_path / "secret").write_bytes(b"secret" * 100_000)
    a_qcow2_upon(tmp_path / "secret", tmp_path / "image")
    unchecked = converted(tmp_path / "image", Found("qcow2", 600_064))
    assert await soon(disk_of(unchecked)) == bytes(VOLUME)


@needs_qemu_img
async def test_a_disk_larger_than_its_header_told_us_is_refused(tmp_path: Path):
    image = an_image(tmp_path, scattered(8), "-O", "qcow2")
    lied_about = converted(image, Found("qcow2", MIB))
    with pytest.raises(ImageUnacceptable, match="qemu-img cannot convert it"):
        await soon(disk_of(lied_about))


@needs_qemu_img
def test_who_stops_reading_ends_the_converter(tmp_path: Path):
    image = an_image(tmp_path, random.Random(1).randbytes(10 * MIB), "-O", "qcow2")
    with closing(converted(image, "qcow2")) as pieces:
        next(pieces)
    assert os.fsencode(image) not in b"".join(_commands())


def _commands() -> list[bytes]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                found.append((process / "cmdline").read_bytes())
            except OSError:
                continue
    return found


def a_program(directory: Path, script: str) -> None:
    program = directory / "qemu-img"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


FOUND = Found("qcow2", MIB)


async def test_without_a_converter_only_raw_images_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    only(monkeypatch, tmp_path / "bin")
    with pytest.raises(Unavailable, match="install the package qemu-utils"):
        await disk_of(converted(tmp_path, FOUND))


@pytest.mark.parametrize(
    ("script", "patience_s", "failure"),
    [
        ("sleep 600", 0.2, Unavailable),
        ("echo 'it is broken' >&2; exit 1", PATIENCE_S, ImageUnacceptable),
        ("exit 0", PATIENCE_S, ImageUnacceptable),
        ("kill -9 $$", PATIENCE_S, ImageUnacceptable),
        ("echo x > written_anyway", PATIENCE_S, ImageUnacceptable),
    ],
)
async def test_a_converter_that_does_not_do_its_work_is_ended(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    patience_s: float,
    failure: type[Exception],
):
    monkeypatch.chdir(tmp_path)
    path, programs = os.environ["PATH"], tmp_path / "bin"
    only(monkeypatch, programs)
    a_program(programs, f"PATH={path}\n{script}")
    with pytest.raises(failure):
        await soon(disk_of(converted(tmp_path, FOUND, patience_s=patience_s)))
    assert not (tmp_path / "written_anyway").read_bytes() if script.startswith("echo x") else True
