"""Images that are files of this machine, on their way to a volume: in threads, without detours."""

import asyncio
import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from adapters.drivers.content import BLOCK_BYTES, Block, InThread, fingerprint
from adapters.drivers.contract import Driver, DriverFailure, OpenFile, Provisioned, VolumeSpec
from adapters.image_service.port import ImageFile
from adapters.images import conversion, formats
from adapters.images.blocks import blocks_made
from adapters.images.unacceptable import refuse_if
from adapters.images.verified import FileCheck
from domain.image import GIB, ChosenImage
from services.processes.image_bytes import Progress

Blocks = Generator[Block, None, None]

SILENCE_S = 60.0
"""How long qemu-img may say nothing."""


async def copied(
    driver: Driver, image: ImageFile, said: ChosenImage, into: VolumeSpec, progress: Progress
) -> Provisioned | None:
    """Makes the volume with a raw image, once what it is going to hold is what was described.

    None where the driver takes no files. Raises ImageUnacceptable, ImageDiffers, ImageRefused,
    DriverFailure, also if there is a volume that holds something else; and what `progress` does.
    """
    head = await asyncio.to_thread(os.pread, image.file.fileno(), formats.HEAD_BYTES, 0)
    formats.refuse_other_than(said.disk_format, head)
    check = FileCheck(image)
    copying = driver.copy_file(into, image.file, first_bytes=image.size, check=check)
    try:
        made = await progress.beside(copying, lambda: check.position)
    finally:
        check.end()
    if made is None or check.passed:
        return made
    # It was there, by an attempt that died before it could say so
    if await fingerprint(driver.read(into)) != image.fingerprint:
        raise DriverFailure(f"{into.object_name} does not hold its image", False)
    return made


async def converted(
    driver: Driver,
    file: OpenFile,
    said: ChosenImage,
    into: VolumeSpec,
    progress: Progress,
    *,
    unverified: ImageFile | None = None,
) -> Provisioned:
    """Makes the volume with the disk of an image that has to be converted.

    What is `unverified` is verified meanwhile. Raises ImageUnacceptable, ImageDiffers,
    ImageRefused, DriverFailure, Unavailable without qemu-img; and what `progress` does.
    """
    found = await asyncio.to_thread(formats.inspect_open, file.fileno(), declared=said.disk_format)
    refuse_if(
        found.virtual_size > into.size_gib * GIB,
        f"its disk has {found.virtual_size} bytes, more than the volume",
    )

    def disk(start: int) -> "_Disk":
        pieces = conversion.converted(file, found, patience_s=SILENCE_S)
        check = FileCheck(unverified) if unverified else None
        return _Disk(blocks_made(pieces, volume_bytes=into.size_gib * GIB), start, check)

    there = await driver.written(into)
    start = min(there, found.virtual_size - found.virtual_size % BLOCK_BYTES)
    coming = disk(start)

    def done() -> int:
        return max(progress.done, (said.size or 0) * coming.position // max(1, found.virtual_size))

    try:
        writing = driver.write_volume(into, InThread(coming.blocks), resume_at=start)
        made = await progress.beside(writing, done)
        if not coming.complete:  # since it is there, by an attempt that died before it said so
            coming = disk(0)
            expected = await fingerprint(InThread(coming.blocks))
            if await fingerprint(driver.read(into)) != expected:
                raise DriverFailure(f"{into.object_name} does not hold its image", False)
        return made
    finally:
        coming.end()


class _Disk:
    """The blocks of a disk from `start` on; at their end, the check must have been passed."""

    def __init__(self, made: Blocks, start: int, check: FileCheck | None) -> None:
        self._made, self._start, self._check = made, start, check
        self.blocks = self._blocks()
        self.position = 0
        self.complete = False
        """Whether all have been seen."""

    def end(self) -> None:
        """Nobody wants more. A thread that is at it comes to its end by itself."""
        if self._check:
            self._check.end()
        with suppress(ValueError):
            self.blocks.close()

    def _blocks(self) -> Blocks:
        with closing(self._made), ThreadPoolExecutor(1) as beside:
            checking = beside.submit(self._check.original) if self._check else None
            try:
                for block in self._made:
                    self.position = block.offset
                    if block.offset >= self._start:
                        yield block
                if checking:
                    checking.result()
            finally:
                if self._check:
                    self._check.end()  # it would be waited for
        self.complete = True
