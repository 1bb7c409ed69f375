"""Images, from how their service describes them to what volumes are made from, and back."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from adapters.image_service.port import Image, ImageRefused, ImageService, NewImage
from domain.errors import InvalidRequest, OutOfStep
from domain.image import ChosenImage, UploadedImage

CONTAINERS = frozenset({"bare", "ovf", "ami", "ari", "aki"})
"""Glance's container formats whose bytes are those of the disk."""

TYPE_PROPERTY = "cinder_img_volume_type"
"""The property of an image that names the type of volumes made from it, where nothing else does."""


DEVICES = "block_device_mapping"
"""The property of an image that names the disks of the server that it was made of, as JSON."""


def chosen(image: Image) -> ChosenImage:
    """What is remembered of an image."""
    return ChosenImage(**{name: getattr(image, name) for name in ChosenImage.__struct_fields__})


def as_asked(image: UploadedImage, project_id: str) -> NewImage:
    """What the image service is to make."""
    said = {name: getattr(image, name) for name in UploadedImage.__struct_fields__}
    return NewImage(owner=project_id, **said)


async def find(images: ImageService, reference: str, *, project_id: str) -> Image:
    """The image that a request for a volume names: by a URL that ends with its id, its id, or its
    name. Raises InvalidRequest if there is none, OutOfStep if several have that name (Cinder: 409);
    Unavailable.
    """
    wanted = reference.rstrip("/").rpartition("/")[2]
    try:
        found = await images.find(wanted, project_id=project_id)
        if not found and wanted != reference:  # names may have strokes
            found = await images.find(reference, project_id=project_id)
    except ImageRefused as refused:
        raise InvalidRequest(str(refused)) from None
    if not found:
        raise InvalidRequest(f"Invalid image reference: there is no image {reference[:255]!r}.")
    if len(found) > 1:
        raise OutOfStep(f"Several images are called {reference[:255]!r}: name one by its id.")
    return found[0]


def check_usable(image: Image, formats: Collection[str]) -> None:
    """Raises InvalidRequest unless volumes are made from what the image holds."""
    if image.status != "active":
        raise InvalidRequest(f"Image {image.id} is not active but {image.status}.")
    if image.disk_format not in formats or image.container_format not in CONTAINERS:
        kind = f"{image.disk_format} in {image.container_format}"
        raise InvalidRequest(f"Image {image.id} is {kind}: no volume is made from that here.")


def snapshot_behind(image: Image) -> UUID | None:
    """The snapshot of a volume that an image only stands for, as of a server that boots from one
    (Nova's block_device_mapping)."""
    try:
        devices = msgspec.json.decode(image.properties.get(DEVICES, "[]"), type=list[_Device])
    except msgspec.DecodeError:
        return None
    return next((d.snapshot_id for d in devices if d.boots and d.source_type == "snapshot"), None)


class _Device(msgspec.Struct):
    """What is said of one disk of a server."""

    source_type: str | None = None
    boot_index: int | str | None = None
    snapshot_id: UUID | None = None

    @property
    def boots(self) -> bool:
        return self.boot_index in (0, "0")
