"""Volumes on their way to become images of other formats than raw.

Their disk lies in a file without a name, and so does the image: whoever dies leaves nothing of
them. The file of the disk is sparse, and gone before the image is sent.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

from adapters.drivers.content import Blocks
from adapters.image_service.port import Stream
from adapters.images import making
from services.processes.image_bytes import content_of, write_all

Still = Callable[[], Awaitable[None]]
"""Raises what ends it."""


class NoImage(Exception):
    """The volume did not become an image of that format."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Outgoing:
    """Makes images in a directory, which needs room for what is on a volume, twice."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @asynccontextmanager
    async def image(
        self, content: Blocks, *, size: int, disk_format: str, still: Still
    ) -> AsyncIterator[Stream]:
        """The image of a disk of `size` bytes. Raises NoImage, Unavailable, DriverFailure, and what
        `still` raises."""
        with self._file() as image:
            with self._file() as disk, self._failures():
                await self._fill(disk.fileno(), content, size, still)
                await making.made(
                    disk.fileno(), image.fileno(), disk_format=disk_format, size=size, still=still
                )
            yield content_of(image.fileno(), os.fstat(image.fileno()).st_size)

    def _file(self) -> IO[bytes]:
        with self._failures():
            return tempfile.TemporaryFile(dir=self._directory)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except making.MakingFailed as failed:
            raise NoImage(failed.reason) from None
        except OSError as failed:
            reason = f"it cannot be kept in {self._directory}: {failed.strerror}"
            raise NoImage(reason) from failed

    async def _fill(self, disk: int, content: Blocks, size: int, still: Still) -> None:
        async for block in content:
            if block.offset >= size:
                break
            await still()
            data = block.data[: size - block.offset]
            await asyncio.to_thread(write_all, disk, data, block.offset)
        await asyncio.to_thread(os.ftruncate, disk, size)
