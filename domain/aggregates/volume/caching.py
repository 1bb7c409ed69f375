"""Volumes that keep an image for others of their backend, and those that are made from one."""

from domain.aggregates.volume.events import CachedImageClaimed, CachedImageReleased, Source
from domain.aggregates.volume.volume import Volume, evolves
from domain.event import Event, Moment, event
from domain.machines.volume import MAKING


@event("volume.image_kept")
class ImageKept(Event, frozen=True):
    """It keeps its image, so that others on that backend need not bring theirs from the service."""

    host: str
    image_id: str


def keep(volume: Volume, host: str, image_id: str, at: Moment) -> None:
    """A volume that was just requested is to keep its image for others, near that pool."""
    volume.record(ImageKept(host=host, image_id=image_id), at)


def can_be_copied(kept: Volume, onto: str, size_gib: int) -> bool:
    """Whether its image is there, as it came, on the backend of the pool `onto`, and a volume of
    that size can begin with it."""
    return (
        kept.keeps_image_near is not None
        and kept.status == "available"
        and kept.held_by().partition("#")[0] == onto.partition("#")[0]
        and kept.size_gib <= size_gib
    )


def claim(volume: Volume, attempt: int, kept: Volume, at: Moment) -> Source:
    """It is made from that, which must be unchanged in this append. Raises Superseded if the claim
    on its making is no longer this attempt's, NotAllowed if `kept` cannot be copied."""
    volume.check_claim(attempt, *MAKING)
    if volume.image is None or not can_be_copied(kept, volume.held_by(), volume.size_gib):
        raise kept.not_allowed("copy", ("available",))
    source = Source(
        kind="volume",
        id=str(kept.id),
        size_gib=kept.size_gib,
        volume_id=str(kept.id),
        host=kept.host,
    )
    volume.record(
        CachedImageClaimed(image_id=volume.image.id, host=volume.held_by(), source=source), at
    )
    return source


def release(volume: Volume, attempt: int, at: Moment) -> None:
    """It is brought from the image service after all. Raises Superseded as `claim`."""
    volume.check_claim(attempt, *MAKING)
    if volume.cached_source is not None:
        volume.record(CachedImageReleased(source_id=volume.cached_source.id), at)


@evolves(ImageKept)
def _keeps(volume: Volume, event: ImageKept, at: Moment) -> None:
    volume.keeps_image_near = event.host
