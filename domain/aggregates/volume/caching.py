"""Volumes that keep an image for others of their backend, and those that are made from one."""

from uuid import UUID

from domain.aggregates.volume.events import (
    CachedImageAwaited,
    CachedImageClaimed,
    CachedImageReleased,
    ImageWaitEnded,
    Source,
)
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
        and kept.state == "available"
        and kept.held_by().partition("#")[0] == onto.partition("#")[0]
        and kept.size_gib <= size_gib
    )


def wait(volume: Volume, kept_by: UUID, at: Moment) -> None:
    """It goes on when that one, which must be unchanged in this append and still be coming, keeps
    its image, or never will. Raises NotAllowed unless it is placed."""
    assert volume.image is not None
    volume.record(
        CachedImageAwaited(host=volume.held_by(), image_id=volume.image.id, source_id=str(kept_by)),
        at,
    )


def has_waited(volume: Volume) -> bool:
    """Whether it waits where it is, or did: once is enough, whatever became of that."""
    return volume.awaited_as == volume.placed_as


def end_wait(volume: Volume, kept: Volume, at: Moment) -> None:
    """It goes on: from that, if its image is there, which then has to stay, unchanged in this
    append. Nothing is recorded if it waits no longer, or waits for another one."""
    if volume.state == "awaiting" and volume.awaited == str(kept.id):
        ready = can_be_copied(kept, volume.held_by(), volume.size_gib)
        if ready:
            _go_on(volume, None, at)
        else:
            wait_no_longer(volume, f"volume {kept.id} does not keep its image", at)


def wait_no_longer(volume: Volume, reason: str, at: Moment) -> None:
    """It is brought from the image service. Raises NotAllowed unless it waits."""
    waited_for = volume.awaited
    _go_on(volume, reason, at)
    _let_go(volume, waited_for, at)


def _go_on(volume: Volume, reason: str | None, at: Moment) -> None:
    volume.record(
        ImageWaitEnded(
            host=volume.held_by(),
            project_id=volume.project_id,
            size_gib=volume.size_gib,
            source_id=str(volume.awaited),
            reason=reason,
        ),
        at,
    )


def claim(volume: Volume, kept: Volume | None, at: Moment) -> bool:
    """Whether the attempt that has just begun makes it from that, which must be unchanged in this
    append; if not, it is brought from the image service, and what it waited for is let go."""
    if kept is not None and can_be_copied(kept, volume.held_by(), volume.size_gib):
        _let_go(volume, volume.awaited, at, but=str(kept.id))
        _claim(volume, kept, at)
        return True
    _let_go(volume, volume.awaited, at)
    return False


def release(volume: Volume, attempt: int, at: Moment) -> None:
    """It is brought from the image service after all. Raises Superseded if the claim on its making
    is no longer this attempt's."""
    volume.check_claim(attempt, *MAKING)
    if volume.cached_source is not None:
        _let_go(volume, volume.cached_source.id, at)


def _claim(volume: Volume, kept: Volume, at: Moment) -> None:
    assert volume.image is not None
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


def _let_go(volume: Volume, held: str | None, at: Moment, *, but: str | None = None) -> None:
    if held is not None and held != but:
        volume.record(CachedImageReleased(source_id=held), at)


@evolves(ImageKept)
def _keeps(volume: Volume, event: ImageKept, at: Moment) -> None:
    volume.keeps_image_near = event.host
