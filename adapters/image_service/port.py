"""What an image service promises: show images, give their bytes from any point on, take new ones.

The notions are those of OpenStack's Glance (its image API, version 2), so that Glance is an adapter
like any other. Every image service is asked with credentials of ours, since no user's token
outlives the request that brought it; what a project may see is decided by Glance's rules, here.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from adapters.drivers.contract import OpenFile
from domain.errors import LapilliError
from domain.image import Visibility, digests_of

PART = "image service"
"""What is unavailable when it does not answer."""

CHUNK_BYTES = 4 * 2**20
"""What `read` gives at a time: large enough that handing it on costs little."""

_ZEROS = bytes(CHUNK_BYTES)

Stream = AsyncGenerator[bytes, None]
"""The bytes of an image in order, in chunks of any length; to be closed by who stops reading."""


class NewImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image to be made, by Glance's names. Sizes are GiB on disk and MiB of memory."""

    name: str
    owner: str
    disk_format: str
    container_format: str = "bare"
    visibility: Visibility = "private"
    protected: bool = False
    min_disk: int = 0
    min_ram: int = 0
    properties: dict[str, str] = {}


class Image(NewImage, frozen=True, kw_only=True):
    """An image as its service describes it. `owner` is a project; empty where nobody owns it.

    `size` and `virtual_size` are bytes, None where the service does not know them (yet).
    `checksum` is an MD5, `os_hash_value` a digest by `os_hash_algo`, all of the bytes that `read`
    gives, in hexadecimal. `status` is Glance's: only an `active` image can be read.
    """

    id: str
    status: str
    size: int | None
    virtual_size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    updated_at: datetime

    @property
    def digests(self) -> dict[str, str]:
        """What its bytes have to add up to, by hashlib's name of the algorithm."""
        return digests_of(self.checksum, self.os_hash_algo, self.os_hash_value)


class ImageFile(NamedTuple):
    """The bytes of an image as a file of this machine, which somebody may change meanwhile.

    `fingerprint` is that of a volume that holds them (adapters.drivers.content), known since the
    file was `changed` for the last time, as `size` and `digests` are.
    """

    file: OpenFile
    size: int
    digests: dict[str, str]
    fingerprint: str
    changed: Callable[[], bool]


class ImageRefused(LapilliError):
    """The image service answered, and said no; asking again does not help."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The image service refuses: {reason}")


class ImageService(Protocol):
    """Keeps images. Every call but `close` raises Unavailable while the service is away or too
    slow, and ImageRefused for what it does not do. Ids are UUIDs: nothing else is ever found."""

    async def find(self, name_or_id: str, *, project_id: str) -> Sequence[Image]:
        """The image with that id, or else all with that name, that the project may see."""

    async def show(self, image_id: str, *, project_id: str | None) -> Image:
        """Raises NotFound, also for what the project may not see; None is ourselves."""

    def read(self, image_id: str, *, start: int = 0) -> Stream:
        """Its bytes from `start` on. Raises NotFound.

        Unavailable in the middle loses nothing: reading goes on from what has been received. A
        service that ends too early without saying so is not found out here; see images.verified.
        """

    async def file(self, image_id: str) -> ImageFile | None:
        """The same as a file, where they are one that is as it was described. Raises NotFound."""

    async def create(self, image: NewImage, *, image_id: UUID | None = None) -> str:
        """A new image without bytes, `queued`; its id, which may be chosen: the same again is the
        same image, as it is."""

    async def upload(self, image_id: str, content: AsyncIterator[bytes]) -> None:
        """Give a queued image its bytes; it is `active` when this returns, and not before.

        Raises NotFound, and what `content` raises: the image then has no bytes, and is to be
        deleted.
        """

    async def delete(self, image_id: str) -> None:
        """Delete an image with its bytes, or what a broken-off upload left, which is not protected
        yet. Nothing is success."""

    async def close(self) -> None:
        """Lets go of everything held. The images stay."""


def zeros(count: int) -> Iterator[bytes]:
    """So many bytes, in chunks; none if that is not positive."""
    for at in range(0, count, CHUNK_BYTES):
        yield _ZEROS[: count - at]


def may_see(image: Image, project_id: str | None, *, members: Sequence[str] = ()) -> bool:
    """Whether a project may see an image that is shared with `members` (Glance's visibility)."""
    if project_id is None or image.visibility in ("public", "community"):
        return True
    return image.owner == project_id or (image.visibility == "shared" and project_id in members)
