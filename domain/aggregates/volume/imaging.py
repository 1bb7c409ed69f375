"""A volume that is made from an image: which one, how far its bytes have come, and why not."""

from domain.aggregates.volume import properties
from domain.aggregates.volume.volume import CLAIMED, Volume, evolves
from domain.event import Event, Moment, event
from domain.image import ChosenImage, ImageProblem


@event("volume.image_chosen")
class ImageChosen(Event, frozen=True):
    """It is to hold an image, which is as it was described then."""

    image: ChosenImage


@event("volume.download_progressed")
class DownloadProgressed(Event, frozen=True):
    """The attempt has brought so many bytes of the image; the total is null if nobody said."""

    host: str
    attempt: int
    done_bytes: int
    total_bytes: int | None


@event("volume.download_failed")
class DownloadFailed(Event, frozen=True):
    """The image did not become the volume, and no other backend could do better."""

    host: str
    attempt: int
    problem: ImageProblem
    reason: str


def choose(volume: Volume, image: ChosenImage, at: Moment) -> None:
    """It is made from that image. Raises InvalidRequest if it has no room for it."""
    image.check_fits(volume.size_gib)
    volume.record(ImageChosen(image=image), at)


def progress(volume: Volume, attempt: int, done_bytes: int, at: Moment) -> None:
    """Raises Superseded if the claim is no longer this attempt's, or the volume not wanted."""
    volume.check_claim(attempt, "provisioning", "downloading")
    image = _image_of(volume)
    volume.record(
        DownloadProgressed(
            host=volume.held_by(),
            attempt=attempt,
            done_bytes=done_bytes,
            total_bytes=image.size,
        ),
        at,
    )


def download_failed(
    volume: Volume, attempt: int, problem: ImageProblem, reason: str, at: Moment
) -> None:
    """The worker could not bring the image. Raises Superseded as `Volume.provisioned`."""
    volume.check_claim(attempt, *CLAIMED)
    _image_of(volume)
    if volume.state == "cancelling":
        volume.abandon_creation(at)
    else:
        host = volume.held_by()
        volume.record(
            DownloadFailed(host=host, attempt=attempt, problem=problem, reason=reason), at
        )


def show(volume: Volume, at: Moment) -> None:
    """A volume that has just been made says which image is on it, and that a server can boot."""
    if volume.image is not None and volume.state == "available":
        properties.set_bootable(volume, True, at)
        known = volume.image.volume_metadata | volume.image_metadata
        properties.change_image_metadata(volume, known, at)


def _image_of(volume: Volume) -> ChosenImage:
    if volume.image is None:
        raise volume.not_allowed("download")
    return volume.image


@evolves(ImageChosen)
def _chosen(volume: Volume, event: ImageChosen, at: Moment) -> None:
    volume.image = event.image
