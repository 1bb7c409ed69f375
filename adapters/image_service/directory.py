"""The embedded default image service: a directory with a file for each image.

Whoever puts a file there makes an image: `cirros.qcow2` is an image of that format for everybody,
and `cirros.qcow2.json` says the rest; see records.Record. Images that were uploaded are named for
their ids.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

from adapters.drivers.durable import appearing, partial_of, remove, sync_directory
from adapters.drivers.file_content import fill
from adapters.drivers.locks import exclusive
from adapters.image_service import records
from adapters.image_service.port import (
    CHUNK_BYTES,
    PART,
    Image,
    ImageFile,
    ImageRefused,
    NewImage,
    Stream,
    may_see,
)
from adapters.image_service.records import Record
from domain.errors import NotFound, Unavailable

T = TypeVar("T")


class DirectoryImageService:
    """Images as files in `directory`, which has to exist: a missing one is usually a missing mount.

    Any number of processes of one machine may use it. `answer_s` is how long an answer waits for
    the digests of an image that was dropped there or has changed; until they are known it is
    `importing`, as with Glance.
    """

    def __init__(
        self, directory: Path, *, answer_s: float = 5.0, new_id: Callable[[], UUID] = uuid4
    ) -> None:
        self._directory = directory
        self._answer_s = answer_s
        self._new_id = new_id
        self._examining: dict[Path, asyncio.Task[None]] = {}

    async def find(self, name_or_id: str, *, project_id: str) -> Sequence[Image]:
        def search() -> list[Path]:
            paths = self._paths()
            by_id = [path for path in paths if records.id_of(path.name) == name_or_id]
            return by_id or [path for path in paths if _is_named(path, name_or_id)]

        found = [await self._shown(path) for path in await self._threaded("look", search)]
        return [image for image in found if image and may_see(image, project_id)]

    async def show(self, image_id: str, *, project_id: str | None) -> Image:
        image = await self._shown(await self._path(image_id))
        if image is None or not may_see(image, project_id):
            raise NotFound(kind="image", id=image_id)
        return image

    async def read(self, image_id: str, *, start: int = 0) -> Stream:
        path = await self._path(image_id)

        def open_it() -> int | None:
            return records.open_file(path) if records.look(path) else None

        file = await self._threaded("read", open_it)
        if file is None:
            raise ImageRefused(f"image {image_id} has no content")
        position = start
        try:
            while chunk := await self._threaded("read", os.pread, file, CHUNK_BYTES, position):
                position += len(chunk)
                yield chunk
        finally:
            os.close(file)

    async def file(self, image_id: str) -> ImageFile | None:
        path = await self._path(image_id)

        def open_it() -> ImageFile | None:
            return records.opened(path, records.read(path)) if records.look(path) else None

        return await self._threaded("read", open_it)

    async def create(self, image: NewImage, *, image_id: UUID | None = None) -> str:
        id = image_id or self._new_id()
        path = self._directory / f"{id}.img"
        said = {name: getattr(image, name) for name in NewImage.__struct_fields__}

        def create() -> None:
            with exclusive(self._directory, id):
                if records.look(records.record_of(path)) is None:
                    records.write(path, Record(**said))

        await self._threaded("create an image", create)
        return str(id)

    async def upload(self, image_id: str, content: AsyncIterator[bytes]) -> None:
        path = await self._path(image_id)
        if await self._threaded("look", lambda: records.look(path)):
            raise ImageRefused(f"image {image_id} has its content already")
        # One at a time, and none while it is deleted: whoever comes second finds the partial file
        stack = appearing(path)
        try:
            file = await self._threaded("write", stack.__enter__)
        except FileExistsError:
            raise ImageRefused(f"image {image_id} is being uploaded") from None
        position = 0
        try:
            async for chunk in content:
                await self._threaded("write", fill, file, position, chunk)
                position += len(chunk)
            await self._threaded("write", os.ftruncate, file, position)  # it may end with zeros
        except BaseException as failure:
            await self._threaded("write", stack.__exit__, type(failure), failure, None)
            raise
        await self._threaded("write", stack.__exit__, None, None, None)
        await asyncio.shield(self._examination(path))

    async def delete(self, image_id: str) -> None:
        try:
            path = await self._path(image_id)
        except NotFound:
            return

        def delete() -> None:
            with exclusive(self._directory, UUID(image_id)):
                record = records.read(path)
                if record and record.protected and records.look(path):
                    raise ImageRefused(f"image {image_id} is protected")
                # The record last: what it describes is found, and deleted, until it is gone
                for each in (partial_of(path), path, records.record_of(path)):
                    remove(each)
                sync_directory(self._directory)

        await self._threaded("delete", delete)

    async def close(self) -> None:
        """Lets examinations end: they are in threads."""
        await asyncio.gather(*self._examining.values(), return_exceptions=True)

    async def _path(self, image_id: str) -> Path:
        """The file of an image, which may not be there yet. Raises NotFound."""
        paths = await self._threaded("look", self._paths)
        for path in paths:
            if records.id_of(path.name) == image_id:
                return path
        raise NotFound(kind="image", id=image_id)

    def _paths(self) -> list[Path]:
        """Of all images, with or without content, in the order of their names."""
        names = {each.name.removesuffix(".json") for each in self._directory.iterdir()}
        paths = (self._directory / name for name in sorted(names) if records.is_image(name))
        return [p for p in paths if records.look(p) or records.look(records.record_of(p))]

    async def _shown(self, path: Path) -> Image | None:
        """None once it is deleted."""

        def describe() -> Image | None:
            try:
                return records.described(path, records.read(path))
            except FileNotFoundError:
                return None

        image = await self._threaded("look", describe)
        if image and image.status == "importing":
            done, _ = await asyncio.wait({self._examination(path)}, timeout=self._answer_s)
            if done:  # or it failed, and is still being imported
                image = await self._threaded("look", describe)
        return image

    def _examination(self, path: Path) -> asyncio.Task[None]:
        """Finds out what is to be known of the content; once for all who wait for it."""

        def examine() -> None:
            examined = records.examined(path, records.read(path) or Record())
            with exclusive(self._directory, UUID(records.id_of(path.name))):
                if records.look(path):
                    records.write(path, examined.onto(records.read(path) or Record()))

        def ended(task: asyncio.Task[None]) -> None:
            del self._examining[path]
            if not task.cancelled():
                task.exception()  # is looked at, whoever waits or not

        if path not in self._examining:
            self._examining[path] = asyncio.ensure_future(self._threaded("examine", examine))
            self._examining[path].add_done_callback(ended)
        return self._examining[path]

    async def _threaded(self, what: str, work: Callable[..., T], *arguments: object) -> T:
        def done() -> T:
            with _failures(what, self._directory):
                return work(*arguments)

        return await asyncio.to_thread(done)


def _is_named(path: Path, name: str) -> bool:
    try:
        record = records.read(path) or Record()
    except ImageRefused:
        record = Record()  # it is damaged, which hides no other image
    return name in (path.name, record.name or path.stem)


@contextmanager
def _failures(what: str, directory: Path) -> Iterator[None]:
    """What may be put right without asking for something else is an outage."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno == errno.ENOENT and not directory.is_dir():
            reason = f"cannot {what}: there is no directory {directory}"
        else:
            reason = f"cannot {what} in {directory}: {error.strerror or error}"
        raise Unavailable(part=PART, reason=reason) from error
