"""An image service in memory, for tests and simulation."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import msgspec

from adapters.image_service.port import (
    CHUNK_BYTES,
    Image,
    ImageRefused,
    NewImage,
    Stream,
    may_see,
)
from adapters.images.formats import inspect
from adapters.images.unacceptable import ImageUnacceptable
from domain.errors import NotFound

ALGORITHM = "sha256"


class MemoryImageService:
    """Keeps images as long as it lives, and gives them in chunks of so many bytes."""

    def __init__(
        self,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], UUID] | None = None,
    ) -> None:
        numbers = count(1)
        self._chunk_bytes = chunk_bytes
        self._clock = clock
        self._new_id = new_id or (lambda: UUID(int=0x1A6E << 112 | next(numbers)))
        self.images: dict[str, Image] = {}
        self.contents: dict[str, bytes] = {}

    async def find(self, name_or_id: str, *, project_id: str) -> Sequence[Image]:
        by_id = self.images.get(name_or_id)
        named = [image for image in self.images.values() if image.name == name_or_id]
        return [i for i in ([by_id] if by_id else named) if may_see(i, project_id)]

    async def show(self, image_id: str, *, project_id: str | None) -> Image:
        image = self._image(image_id)
        if not may_see(image, project_id):
            raise NotFound(kind="image", id=image_id)
        return image

    async def read(self, image_id: str, *, start: int = 0) -> Stream:
        self._image(image_id)
        if image_id not in self.contents:
            raise ImageRefused(f"image {image_id} has no content")
        content = self.contents[image_id]
        for at in range(start, len(content), self._chunk_bytes):
            yield content[at : at + self._chunk_bytes]

    async def file(self, image_id: str) -> None:
        return None

    async def create(self, image: NewImage, *, image_id: UUID | None = None) -> str:
        id = str(image_id or self._new_id())
        if id in self.images:
            return id
        said = {name: getattr(image, name) for name in NewImage.__struct_fields__}
        self.images[id] = Image(
            **said,
            id=id,
            status="queued",
            size=None,
            virtual_size=None,
            checksum=None,
            os_hash_algo=None,
            os_hash_value=None,
            updated_at=self._clock(),
        )
        return id

    async def upload(self, image_id: str, content: AsyncIterator[bytes]) -> None:
        image = self._image(image_id)
        if image.status != "queued":
            raise ImageRefused(f"image {image_id} is {image.status}")
        self.images[image_id] = msgspec.structs.replace(image, status="saving")
        received = b"".join([chunk async for chunk in content])
        self.put(image_id, received)

    def put(self, image_id: str, content: bytes) -> None:
        """It has this content from now on, whatever it had."""
        image = self._image(image_id)
        try:
            found = inspect(
                lambda at, length: content[at : at + length],
                size=len(content),
                declared=image.disk_format,
            )
            virtual_size: int | None = found.virtual_size
        except ImageUnacceptable:
            virtual_size = None
        self.contents[image_id] = content
        self.images[image_id] = msgspec.structs.replace(
            image,
            status="active",
            size=len(content),
            virtual_size=virtual_size,
            checksum=hashlib.md5(content, usedforsecurity=False).hexdigest(),
            os_hash_algo=ALGORITHM,
            os_hash_value=hashlib.new(ALGORITHM, content).hexdigest(),
            updated_at=self._clock(),
        )

    async def delete(self, image_id: str) -> None:
        image = self.images.get(image_id)
        if image and image.protected and image.status == "active":
            raise ImageRefused(f"image {image_id} is protected")
        self.images.pop(image_id, None)
        self.contents.pop(image_id, None)

    async def close(self) -> None:
        """Nothing is held."""

    def _image(self, image_id: str) -> Image:
        if image_id not in self.images:
            raise NotFound(kind="image", id=image_id)
        return self.images[image_id]
