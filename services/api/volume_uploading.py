"""os-volume_upload_image: a volume becomes an image (api.md 3)."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from adapters.image_service.port import ImageRefused
from adapters.images import conversion
from domain.aggregates.volume.under_way import Upload as UnderWay
from domain.errors import InvalidRequest, NotAllowed, Unavailable
from domain.image import UploadedImage, Visibility
from projections import volume_types
from projections.volumes import VolumeRow
from services.api import microversions, rules, type_view, volume_lookup
from services.api.action import Action
from services.api.bodies import Flag, is_yes
from services.api.call import Call
from services.api.type_view import VolumeType
from services.api.volume_view import time
from services.commands.uploading import AbandonUpload, UploadVolume
from services.images import as_asked

Format = Literal["raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop"]
Container = Literal["bare", "ovf", "ami", "ari", "aki", "docker", "ova", "compressed"]


class Upload(msgspec.Struct, forbid_unknown_fields=True):
    """The image wanted. Null means absent."""

    image_name: Annotated[str, Meta(min_length=1, max_length=255)]
    force: Flag | None = None
    disk_format: Format | None = None
    container_format: Container | None = None
    visibility: Visibility | None = None
    protected: Flag | None = None


class Uploading(msgspec.Struct, omit_defaults=True):
    """The image that the volume becomes, and the volume."""

    id: UUID
    updated_at: str | None
    status: str
    display_description: str | None
    size: int
    volume_type: VolumeType | None
    image_id: UUID
    container_format: str
    disk_format: str
    image_name: str
    protected: bool | UnsetType = UNSET
    visibility: str | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET


class UploadAnswer(msgspec.Struct):
    """What becomes of the volume."""

    upload: Uploading = msgspec.field(name="os-volume_upload_image")


async def upload(call: Call, wanted: Upload) -> Response:
    """Makes the image, whose bytes are sent afterwards."""
    row = await volume_lookup.named(call)
    call.check(rules.UPLOAD, volume_lookup.owner(row))
    image = _asked(call, wanted)
    if image.visibility == "public":
        call.check(rules.UPLOAD_PUBLIC, volume_lookup.owner(row))
    image_id = call.application.new_id()
    insists = is_yes(wanted.force) and call.application.settings.image_service.upload_attached
    at = call.moment()
    upload: UnderWay = await call.application.execute(
        UploadVolume(
            id=row.id,
            project_id=call.visible_project,
            image_id=image_id,
            image=image,
            attached=insists,
            at=at,
        )
    )
    if not upload.awaits_key:  # else its worker makes it, once there is the key that it names
        try:
            about = as_asked(upload.image, row.project_id)
            await call.application.images.create(about, image_id=image_id)
        except (ImageRefused, Unavailable) as failed:
            await _abandon(call, row.id, image_id, str(failed))
            raise InvalidRequest(str(failed)) from None
    return call.json(202, UploadAnswer(await _shown(call, row, image_id, upload.image)))


def _asked(call: Call, wanted: Upload) -> UploadedImage:
    """Raises InvalidRequest for what cannot be made of a volume here."""
    if (wanted.container_format or "bare") != "bare":
        raise InvalidRequest("Volumes become images in a bare container.")
    disk_format = wanted.disk_format or "raw"
    if disk_format != "raw" and not conversion.installed():
        raise InvalidRequest(f"Volumes become raw images here: {conversion.NO_PROGRAM}.")
    of_its_kind = call.has(microversions.UPLOAD_VISIBILITY)
    if not of_its_kind and (wanted.visibility, wanted.protected) != (None, None):
        raise InvalidRequest("Visibility and protected can be said from microversion 3.1 on.")
    return UploadedImage(
        name=wanted.image_name,
        disk_format=disk_format,
        visibility=wanted.visibility or "private",
        protected=is_yes(wanted.protected),
    )


async def _abandon(call: Call, id: UUID, image_id: UUID, reason: str) -> None:
    command = AbandonUpload(id=id, image_id=image_id, reason=reason, at=call.moment())
    try:
        await call.application.execute(command)
    except NotAllowed:
        return  # its worker found the same, and was faster


async def _shown(call: Call, row: VolumeRow, image_id: UUID, image: UploadedImage) -> Uploading:
    found = await call.application.views.read(volume_types.find, row.volume_type_id)
    shown = Uploading(
        id=row.id,
        updated_at=None if row.updated_at is None else time(row.updated_at),
        status="uploading",
        display_description=row.description,
        size=row.size_gib,
        volume_type=type_view.shown(call, found) if found else None,
        image_id=image_id,
        container_format=image.container_format,
        disk_format=image.disk_format,
        image_name=image.name,
    )
    if call.has(microversions.UPLOAD_VISIBILITY):
        shown.visibility, shown.protected = image.visibility, image.protected
    else:
        shown.is_public = image.visibility == "public"
    return shown


ACTIONS = (Action("os-volume_upload_image", Upload, upload),)
