"""A volume whose content becomes an image, while it stays what it is."""

from domain.aggregates.volume.attachment import DETACHED
from domain.aggregates.volume.under_way import Upload
from domain.aggregates.volume.volume import Volume, evolves
from domain.encryption import FRONT_END
from domain.errors import InvalidRequest
from domain.event import Event, Moment, event
from domain.image import UploadedImage, passed_on


@event("volume.upload_requested")
class UploadRequested(Event, frozen=True):
    """A user wants an image of it, which is made under this id before its bytes are sent."""

    host: str
    project_id: str
    size_gib: int
    image_id: str
    image: UploadedImage


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

    `attached` permits it while a server may write to it. Raises NotAllowed, and InvalidRequest
    where what is on it is encrypted by the hosts it is attached to.
    """
    if attached:
        volume.check_free("upload")
    else:
        volume.check_available("upload")
    if volume.encryption is not None and volume.encryption.control_location == FRONT_END:
        raise InvalidRequest(
            f"Volume {volume.id} is encrypted by the hosts it is attached to: nobody could read an"
            " image of it."
        )
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
        ),
        at,
    )


def start(volume: Volume, worker: str, at: Moment) -> int:
    """Claims the work and returns the attempt's number, by which the outcome is told."""
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
    volume.under_way = Upload(event.image_id, event.image)


@evolves(UploadStarted)
def _started(volume: Volume, event: UploadStarted, at: Moment) -> None:
    volume.attempt = event.attempt


@evolves(Uploaded, UploadFailed)
def _over(volume: Volume, event: Event, at: Moment) -> None:
    volume.under_way = None
