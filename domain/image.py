"""Images as far as volumes are concerned: what is to be known of one, and what it may become.

Sources: lifecycles 3 and 5 (Cinder's create flow), Glance's image schema.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import algorithms_available
from typing import Literal

import msgspec

from domain.errors import InvalidRequest

GIB = 2**30

ImageProblem = Literal["unacceptable", "no_room", "not_copied"]
"""Why an image did not become a volume: it is not what may become one (Cinder's
ImageUnacceptable), there was no room for it on its way (ImageTooBig), or it did not come
(ImageCopyFailure)."""

Visibility = Literal["public", "community", "shared", "private"]
"""Who may see an image, in Glance's words."""

KEY_PROPERTY = "cinder_encryption_key_id"
"""The property of an image that names the key by which its disk can be read, in Cinder's words."""

KEY_POLICY = ("cinder_encryption_key_deletion_policy", "on_image_deletion")
"""The property by which Glance destroys that key when it deletes the image."""

_OF_THE_SERVICE_ITSELF = ("os_glance", "img_signature", "cinder_encryption_key")
"""How names of properties begin that say something of the image's bytes in their store."""


def digests_of(checksum: str | None, algorithm: str | None, value: str | None) -> dict[str, str]:
    """What is worth computing of what is said of an image, by hashlib's name of the algorithm: the
    MD5 only where there is nothing better, since it says nothing more then and costs the most."""
    if algorithm and value and algorithm in algorithms_available:
        return {algorithm: value}
    return {"md5": checksum} if checksum else {}


class ChosenImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image as its service described it when a volume was asked for that is to hold it.

    `size` and `virtual_size` are bytes, null where the service did not know them; `min_disk` is
    GiB, `min_ram` MiB; `checksum` is an MD5, `os_hash_value` a digest by `os_hash_algo`.
    """

    id: str
    name: str
    disk_format: str
    container_format: str
    size: int | None
    virtual_size: int | None = None
    min_disk: int = 0
    min_ram: int = 0
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    updated_at: datetime
    properties: dict[str, str] = {}

    @property
    def digests(self) -> dict[str, str]:
        """What its bytes have to add up to, by hashlib's name of the algorithm."""
        return digests_of(self.checksum, self.os_hash_algo, self.os_hash_value)

    @property
    def encryption_key_id(self) -> str | None:
        """The key by which its disk can be read, as the image says; None: it needs none."""
        return self.properties.get(KEY_PROPERTY)

    def check_fits(self, size_gib: int) -> None:
        """Raises InvalidRequest unless a volume of that size can hold it."""
        room = size_gib * GIB
        if (self.size or 0) > room:
            raise InvalidRequest(
                f"Image {self.id} has {_gib(self.size or 0)} GiB, more than the volume's"
                f" {size_gib} GiB."
            )
        if self.min_disk > size_gib:
            raise InvalidRequest(
                f"Image {self.id} needs a volume of at least {self.min_disk} GiB, not {size_gib}."
            )
        if (self.virtual_size or 0) > room:
            raise InvalidRequest(
                f"Image {self.id} becomes a disk of {_gib(self.virtual_size or 0)} GiB, more than"
                f" the volume's {size_gib} GiB."
            )

    def same_content(self, now: "ChosenImage") -> bool:
        """Whether the image, as it is now, still has these bytes. Images do not change; files in a
        directory, and what somebody puts in place of one, do."""
        return (self.size, self.digests, self.disk_format) == (
            now.size,
            now.digests,
            now.disk_format,
        )

    @property
    def volume_metadata(self) -> dict[str, str]:
        """What a volume that holds it remembers of it (Cinder's volume_image_metadata)."""
        kept = {
            name: value
            for name, value in self.properties.items()
            if not name.startswith(_OF_THE_SERVICE_ITSELF) and "\x00" not in name + value
        }
        return kept | {
            "image_id": self.id,
            "image_name": self.name,
            "checksum": self.checksum or "",
            "container_format": self.container_format,
            "disk_format": self.disk_format,
            "min_disk": str(self.min_disk),
            "min_ram": str(self.min_ram),
            "size": str(self.size or 0),
        }


class UploadedImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The image that a volume is to become, by Glance's names. Sizes are GiB of disk and MiB of
    memory."""

    name: str
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: Visibility = "private"
    protected: bool = False
    min_disk: int = 0
    min_ram: int = 0
    properties: dict[str, str] = {}


_OF_EVERY_IMAGE = {
    *("checksum", "container_format", "disk_format", "image_name", "image_id"),
    *("min_disk", "min_ram", "name", "size"),
}


def passed_on(volume_metadata: Mapping[str, str]) -> dict[str, str]:
    """The properties of an image that is made of a volume which remembers these of another."""
    return {
        name: value
        for name, value in volume_metadata.items()
        if name not in _OF_EVERY_IMAGE and not name.startswith(_OF_THE_SERVICE_ITSELF)
    }


def _gib(size: int) -> int:
    """Rounded up, as Cinder does."""
    return -(-size // GIB)
