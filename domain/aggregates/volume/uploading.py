"""A volume whose content becomes an image, while it stays what it is."""

from typing import Any

import msgspec

from domain.aggregates.volume.attachment import DETACHED
from domain.aggregates.volume.under_way import Upload
from domain.aggregates.volume.volume import Volume, evolves
from domain.codec import upcasts
from domain.encryption import FRONT_END
from domain.event import Event, Moment, event
from domain.image import KEY_POLICY, KEY_PROPERTY, UploadedImage, passed_on


@event("volume.upload_requested", version=2)
class UploadRequested(Event, frozen=True):
    """A user wants an image of it, which is made under this id before its bytes are sent."""

    host: str
    project_id: str
    size_gib: int
    image_id: str
    image: UploadedImage
    encrypted: bool
    """Whether the image has to have a key of its own before anything is sent."""


@upcasts("volume.upload_requested", from_version=1)
def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """What is encrypted by hosts was refused."""
    return {**fields, "encrypted": False}


@event("volume.upload_key_made")
class UploadKeyMade(Event, frozen=True):
    """The key of the image is in the key manager, under this id: now it can be made and sent."""

    host: str
    image_id: str
    encryption_key_id: str


@event("volume.upload_started")
class UploadStarted(Event, frozen=True):
    """A worker of the backend claimed the work; a later attempt supersedes an earlier one."""

    host: str
    worker: str
    attempt: int


@event("volume.uploaded")
class Uploaded(Event, frozen=True):
    """The image service has all of it; the volume is as it was."""

    host: str
    attempt: int
    image_id: str


@event("volume.upload_failed")
class UploadFailed(Event, frozen=True):
    """There will be no such image, and what there is of it goes; the volume is as it was."""

    host: str
    image_id: str
    reason: str


def request(
    volume: Volume, image_id: str, image: UploadedImage, at: Moment, *, attached: bool = False
) -> None:
    """Wants it to become that image, with the properties of the image that it was made from.

    `attached` permits it while a server may write to it. What is encrypted by the hosts that it is
    attached to is sent as it is: where it is `is_sealed`, the image's key must be asked for in the
    same append. Raises NotAllowed.
    """
    if attached:
        volume.check_free("upload")
    else:
        volume.check_available("upload")
    known = volume.image_metadata
    about = UploadedImage(
        name=image.name,
        disk_format=image.disk_format,
        container_format=image.container_format,
        visibility=image.visibility,
        protected=image.protected,
        min_disk=volume.size_gib,
        min_ram=int(known["min_ram"]) if known.get("min_ram", "").isdecimal() else 0,
        properties=passed_on(known),
    )
    volume.record(
        UploadRequested(
            host=volume.held_by(),
            project_id=volume.project_id,
            size_gib=volume.size_gib,
            image_id=image_id,
            image=about,
            encrypted=is_sealed(volume),
        ),
        at,
    )


def is_sealed(volume: Volume) -> bool:
    """Whether what its backend holds is encrypted, so that nobody reads an image of it without a
    key."""
    return volume.encryption is not None and volume.encryption.control_location == FRONT_END


def check_awaits_key(volume: Volume, image_id: str) -> None:
    """Raises NotAllowed unless it is to become that image, and waits for the image's key."""
    upload = under_way(volume)
    if upload.image_id != image_id or not upload.awaits_key:
        raise volume.not_allowed("take the key of an image")


def key_made(volume: Volume, image_id: str, key_id: str, at: Moment) -> None:
    """The image's key is there. Raises NotAllowed as `check_awaits_key`."""
    check_awaits_key(volume, image_id)
    volume.record(
        UploadKeyMade(host=volume.held_by(), image_id=image_id, encryption_key_id=key_id), at
    )


def start(volume: Volume, worker: str, at: Moment) -> int:
    """Claims the work and returns the attempt's number, by which the outcome is told. Raises
    NotAllowed while the image waits for its key."""
    if under_way(volume).awaits_key:
        raise volume.not_allowed("upload without a key")
    attempt = volume.attempt + 1
    volume.record(UploadStarted(host=volume.held_by(), worker=worker, attempt=attempt), at)
    return attempt


def succeed(volume: Volume, attempt: int, at: Moment) -> None:
    """The image is complete. Raises Superseded if the claim is no longer this attempt's."""
    volume.check_claim(attempt, "sending")
    image_id = under_way(volume).image_id
    volume.record(Uploaded(host=volume.held_by(), attempt=attempt, image_id=image_id), at)


def fail(volume: Volume, attempt: int, reason: str, at: Moment) -> None:
    """It is not. Raises Superseded as `succeed`."""
    volume.check_claim(attempt, "sending")
    give_up(volume, reason, at)


def give_up(volume: Volume, reason: str, at: Moment) -> None:
    """Nobody is to go on with it, whoever may be at it."""
    image_id = under_way(volume).image_id
    volume.record(UploadFailed(host=volume.held_by(), image_id=image_id, reason=reason), at)


def under_way(volume: Volume) -> Upload:
    """The upload. Raises NotAllowed if there is none."""
    if not isinstance(volume.under_way, Upload):
        raise volume.not_allowed("upload")
    return volume.under_way


def is_attached(volume: Volume) -> bool:
    """Whether somebody may write to it while it is read."""
    return volume.attach_status != DETACHED


@evolves(UploadRequested)
def _requested(volume: Volume, event: UploadRequested, at: Moment) -> None:
    volume.under_way = Upload(event.image_id, event.image, awaits_key=event.encrypted)


@evolves(UploadKeyMade)
def _key_made(volume: Volume, event: UploadKeyMade, at: Moment) -> None:
    image = under_way(volume).image
    key = {KEY_PROPERTY: event.encryption_key_id, KEY_POLICY[0]: KEY_POLICY[1]}
    with_key = msgspec.structs.replace(image, properties={**image.properties, **key})
    volume.under_way = Upload(event.image_id, with_key)


@evolves(UploadStarted)
def _started(volume: Volume, event: UploadStarted, at: Moment) -> None:
    volume.attempt = event.attempt


@evolves(Uploaded, UploadFailed)
def _over(volume: Volume, event: Event, at: Moment) -> None:
    volume.under_way = None
