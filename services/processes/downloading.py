"""Bringing images to a backend: fetched, verified, converted, written; gone on with after a crash.

Raw images go straight to the driver. Others lie in a directory until `qemu-img` has read them.
"""

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from adapters.drivers.content import BLOCK_BYTES, Block, fingerprint
from adapters.drivers.contract import Driver, DriverFailure, OpenFile, Provisioned, VolumeSpec
from adapters.drivers.locks import exclusive
from adapters.image_service.port import PART, ImageFile, ImageRefused, ImageService, Stream
from adapters.images import conversion, formats
from adapters.images.blocks import blocks, raw_pieces
from adapters.images.unacceptable import ImageUnacceptable
from adapters.images.verified import ImageDiffers, resumed, verified
from domain.errors import NotFound, Unavailable
from domain.image import GIB, ChosenImage, ImageProblem
from services.images import chosen
from services.processes import image_files
from services.processes.image_bytes import (
    Left,
    Progress,
    Tell,
    after,
    content_of,
    dense,
    write_all,
)
from services.processes.runtime import NotYet

T = TypeVar("T")

ATTEMPTS = 5
"""How often in a row the image service may give nothing."""

LOOK_S = 5.0
"""How long one goes on that nobody wants any more, and how often it is told how far it is."""

SUFFIX = ".image"

Content = Callable[[int], AsyncGenerator[Block, None]]
"""Blocks of a volume, from some byte on those that are not there yet."""


class ImageFailed(Exception):
    """The image did not become the volume, and would not on another backend."""

    def __init__(self, problem: ImageProblem, reason: str) -> None:
        super().__init__(problem, reason)
        self.problem, self.reason = problem, reason


async def pausing(failed: int) -> None:
    """Longer and longer, until the image service may be back."""
    await asyncio.sleep(2.0 ** (failed - 1))


class Downloads:
    """Brings images to the volumes of one backend. `directory` has room for those that have to be
    converted; any number of processes of one machine may use it."""

    def __init__(
        self,
        *,
        images: ImageService,
        driver: Driver,
        directory: Path,
        clock: Callable[[], datetime],
        timeout_s: float,
        look_s: float = LOOK_S,
        pause: Callable[[int], Awaitable[None]] = pausing,
    ) -> None:
        self._images = images
        self._driver = driver
        self.directory = directory
        self._clock = clock
        self.timeout_s = timeout_s
        """How long one may take."""
        self._look = timedelta(seconds=look_s)
        self._pause = pause

    async def bring(self, image: ChosenImage, into: VolumeSpec, tell: Tell) -> Provisioned:
        """Makes `into` with the image, if that is still as it was chosen.

        What a former attempt brought is gone on with. Raises ImageFailed, DriverFailure, NotYet
        while a former attempt still is at it, and what `tell` raises.
        """
        progress = Progress(image, tell, self._clock, self._look)
        try:
            await self._check_unchanged(image)
            if image.disk_format in formats.RAW_LIKE:
                return await self._raw(image, into, progress)
            return await self._converted(image, into, progress)
        except ImageUnacceptable as failed:
            raise ImageFailed("unacceptable", failed.reason) from None
        except (ImageDiffers, ImageRefused) as failed:
            raise ImageFailed("not_copied", str(failed)) from None
        except NotFound as failed:
            if failed.kind != "image":
                raise
            raise ImageFailed("not_copied", str(failed)) from None
        except Unavailable as failed:
            if failed.part not in (PART, conversion.PART):
                raise
            raise ImageFailed("not_copied", str(failed)) from None

    def forget(self, volume_id: UUID) -> None:
        """Nothing is to be left of what was brought for a volume that is not made any more."""
        path = self._path(volume_id)
        if path.exists():
            with self._held(volume_id):
                path.unlink(missing_ok=True)

    def held(self) -> Iterator[UUID]:
        """The volumes that something was brought for."""
        for path in sorted(self.directory.glob(f"*{SUFFIX}")):
            yield UUID(path.stem)

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T:
        """The image service's answer. Raises Unavailable if it is away for too long."""
        for failed in range(1, ATTEMPTS):
            try:
                return await question()
            except Unavailable:
                await self._pause(failed)
        return await question()

    async def _check_unchanged(self, image: ChosenImage) -> None:
        now = await self._asked(lambda: self._images.show(image.id, project_id=None))
        if now.status != "active":
            raise ImageRefused(f"image {image.id} is {now.status}")
        if not image.same_content(chosen(now)):
            raise ImageRefused(f"image {image.id} is not what it was when it was chosen")

    # those that are written as they are

    async def _raw(self, image: ChosenImage, into: VolumeSpec, progress: Progress) -> Provisioned:
        file = await self._file(image)
        if file is not None:
            made = await image_files.copied(self._driver, file, image, into, progress)
            if made is not None:
                return made

        def content(start: int) -> AsyncGenerator[Block, None]:
            # what a former attempt wrote is to be verified as well
            there = dense(self._driver.read_written(into), start)
            stream = self._stream(image, start, there, progress)
            pieces = raw_pieces(stream, declared=image.disk_format)
            return blocks(pieces, volume_bytes=into.size_gib * GIB)

        return await self._written(into, content, length=image.size or 0)

    # those that are not

    async def _converted(
        self, image: ChosenImage, into: VolumeSpec, progress: Progress
    ) -> Provisioned:
        if not conversion.installed():
            raise DriverFailure(conversion.NO_PROGRAM, True)
        file = await self._file(image)
        if file is not None:
            return await image_files.converted(
                self._driver, file.file, image, into, progress, unverified=file
            )
        path = self._path(into.id)
        with self._held(into.id):
            fetched = await self._fetched(image, path, progress)
            made = await image_files.converted(self._driver, fetched, image, into, progress)
            path.unlink()
            return made

    async def _fetched(self, image: ChosenImage, path: Path, progress: Progress) -> OpenFile:
        """The image as a file. Raises ImageFailed if there is no room for it."""
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            opened = OpenFile(os.open(path, flags, 0o600))
            file = opened.fileno()
            start = min(os.fstat(file).st_size, image.size or 0)
            room = os.fstatvfs(file)
            if (image.size or 0) - start > room.f_bavail * room.f_frsize:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            try:
                await self._fill(file, image, start, progress)
            except ImageDiffers:
                if not start:
                    raise
                await self._fill(file, image, 0, progress)
            return opened
        except OSError as failed:
            problem: ImageProblem = "no_room" if failed.errno == errno.ENOSPC else "not_copied"
            reason = f"it cannot be kept in {self.directory}: {failed.strerror}"
            raise ImageFailed(problem, reason) from failed

    async def _fill(self, file: int, image: ChosenImage, start: int, progress: Progress) -> None:
        position = 0
        stream = self._stream(image, start, content_of(file, start), progress)
        async with aclosing(stream):
            async for chunk in stream:
                if position >= start:
                    await asyncio.to_thread(write_all, file, chunk, position)
                position += len(chunk)
        os.ftruncate(file, position)

    # both

    async def _file(self, image: ChosenImage) -> ImageFile | None:
        """Where it is a file of this machine. Raises ImageRefused if that is not as chosen."""
        file = await self._asked(lambda: self._images.file(image.id))
        if file is not None and (file.size, file.digests) != (image.size, image.digests):
            raise ImageRefused(f"image {image.id} is not what it was when it was chosen")
        return file

    def _stream(self, image: ChosenImage, start: int, there: Stream, progress: Progress) -> Stream:
        """All the image's bytes, those from `start` on from the service. Raises ImageDiffers."""
        coming = resumed(
            lambda seen: self._images.read(image.id, start=start + seen),
            attempts=ATTEMPTS,
            pause=self._pause,
        )
        whole = progress.counted(after(there, coming), start)
        return verified(whole, size=image.size, digests=image.digests)

    async def _written(self, into: VolumeSpec, content: Content, *, length: int) -> Provisioned:
        """Makes the volume with `content(start)`, of which what is before `start` is there.

        If that turns out to be something else, all comes again. A volume that is there already, by
        an attempt that died before it could say so, is compared.
        """
        there = await self._driver.written(into)
        start = min(there, length - length % BLOCK_BYTES)
        try:
            made, complete = await self._write(into, content, start)
        except ImageDiffers:
            if not start:
                raise
            made, complete = await self._write(into, content, 0)
        if not complete and await fingerprint(content(0)) != await fingerprint(
            self._driver.read(into)
        ):
            raise DriverFailure(f"{into.object_name} does not hold its image", False)
        return made

    async def _write(
        self, into: VolumeSpec, content: Content, start: int
    ) -> tuple[Provisioned, bool]:
        """The volume, and whether the content was read to its end."""
        left = Left(content(start), start)
        # So that nothing of the volume is still being read when it is written to
        await left.begin()
        made = await self._driver.write_volume(into, left.blocks(), resume_at=start)
        if not left.complete:
            await left.close()
        return made, left.complete

    def _path(self, volume_id: UUID) -> Path:
        return self.directory / f"{volume_id}{SUFFIX}"

    @contextmanager
    def _held(self, volume_id: UUID) -> Iterator[None]:
        """Against a worker that was taken for dead, which finds that out within LOOK_S."""
        try:
            with exclusive(self.directory, volume_id, wait=False):
                yield
        except BlockingIOError:
            reason = f"another worker still has the image for volume {volume_id}"
            raise NotYet(reason, delay_s=LOOK_S) from None
