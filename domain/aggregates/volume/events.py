"""What happens to every volume: it is asked for, placed, made, described, deleted."""

from typing import Any, Literal

import msgspec

from domain.event import Event, event
from domain.placement import Decision, Tried


@event("volume.requested", version=2)
class Requested(Event, frozen=True):
    """A user asked for a volume, and quota for it was reserved in the same append."""

    project_id: str
    user_id: str
    size_gib: int
    name: str | None
    description: str | None
    metadata: dict[str, str]
    volume_type_id: str
    availability_zone: str | None
    reservation_id: str
    zones: list[str]
    """Where it may be; empty: anywhere."""
    hints: dict[str, Any]
    """Cinder's scheduler hints, as they came."""


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something of ours that a new volume is made from, as it was when that was asked for. GiB."""

    kind: Literal["snapshot", "volume", "backup"]
    id: str
    size_gib: int
    """How much of it there is to copy."""
    volume_id: str
    """The volume that it is, or was taken of."""
    host: str | None = None
    """`host@backend#pool` where it is; null: it is no backend's."""


@event("volume.source_claimed")
class SourceClaimed(Event, frozen=True):
    """It is made from something that has to stay until it is: nobody may delete that, or put
    other content there."""

    source: Source


@event("volume.source_released")
class SourceReleased(Event, frozen=True):
    """It is made, or will not be: what it was to be made from is not needed any more."""

    source_id: str


@event("volume.cached_image_awaited")
class CachedImageAwaited(Event, frozen=True):
    """The volume that is to keep its image is being made: it goes on when that has ended."""

    host: str
    image_id: str
    source_id: str


@event("volume.image_wait_ended")
class ImageWaitEnded(Event, frozen=True):
    """It goes on: what it waited for is there, or it need not wait any longer for this `reason`."""

    host: str
    project_id: str
    size_gib: int
    source_id: str
    reason: str | None


@event("volume.image_fetch_ended")
class ImageFetchEnded(Event, frozen=True):
    """A volume that was to keep its image does, or never will: nobody has to wait for it."""

    host: str
    image_id: str
    kept: bool


@event("volume.image_let_go")
class ImageLetGo(Event, frozen=True):
    """It keeps its image for others no longer: it may be another one than it was made as from now
    on (`may_change`), or is given up."""

    host: str
    image_id: str
    may_change: bool


@event("volume.cached_image_claimed")
class CachedImageClaimed(Event, frozen=True):
    """Its image is copied from a volume that keeps it, which has to stay until that is done."""

    image_id: str
    host: str
    source: Source


@event("volume.cached_image_released")
class CachedImageReleased(Event, frozen=True):
    """The volume that keeps its image is not needed any more, or was of no use."""

    source_id: str


@event("volume.placed", version=2)
class Placed(Event, frozen=True):
    """A pool was chosen; `decision` tells which were considered, and why not the others.

    It is placement `number` of at most `most`, when backends fail to make it.
    """

    host: str
    availability_zone: str
    project_id: str
    size_gib: int
    decision: Decision
    number: int
    most: int


@event("volume.placement_failed", version=2)
class PlacementFailed(Event, frozen=True):
    """No pool could take it, the first time or after other backends had failed to make it."""

    reason: str
    decision: Decision
    number: int
    most: int


@event("volume.provisioning_started")
class ProvisioningStarted(Event, frozen=True):
    """A worker of the backend claimed the work; a later attempt supersedes an earlier one."""

    host: str
    worker: str
    attempt: int


@event("volume.provisioned")
class Provisioned(Event, frozen=True):
    """The backend holds the volume; it can be used."""

    host: str
    attempt: int
    provider_id: str | None


@event("volume.provisioning_failed", version=2)
class ProvisioningFailed(Event, frozen=True):
    """The backend could not make it, and no other is to try: `tried` are all that did."""

    host: str
    attempt: int
    reason: str
    tried: list[Tried]


@event("volume.rescheduled")
class Rescheduled(Event, frozen=True):
    """The backend could not make it, or did not begin to, and another one shall try; it is on no
    backend any more.

    It was placement `number` of at most `most`. What may be left of it there is a remnant.
    """

    host: str
    attempt: int
    reason: str
    number: int
    most: int
    size_gib: int
    availability_zone: str | None


@event("volume.deletion_requested")
class DeletionRequested(Event, frozen=True):
    """A user asked that it be deleted. Host is None when no backend ever held it."""

    host: str | None
    forced: bool


@event("volume.cascade_requested")
class CascadeRequested(Event, frozen=True):
    """A user asked that it be deleted with all that it has of snapshots, and their deletion was
    requested in the same append, unless it was under way; its own begins when all are gone."""

    host: str
    forced: bool
    snapshots: list[str]
    """All its snapshots."""


@event("volume.cancellation_requested")
class CancellationRequested(Event, frozen=True):
    """A user asked that it be deleted while a worker is still making it."""

    host: str
    forced: bool


@event("volume.creation_cancelled", version=2)
class CreationCancelled(Event, frozen=True):
    """The worker that was making it is done, one way or the other; deletion may begin.

    `reason` tells why it is no longer waited for, if that is so.
    """

    host: str
    attempt: int
    reason: str | None


@event("volume.deletion_started")
class DeletionStarted(Event, frozen=True):
    """A worker of the backend claimed the deletion."""

    host: str
    worker: str
    attempt: int


@event("volume.deleted")
class Deleted(Event, frozen=True):
    """It is gone, and its quota was released in the same append."""

    host: str | None
    project_id: str
    size_gib: int


@event("volume.deletion_failed")
class DeletionFailed(Event, frozen=True):
    """The backend could not delete it."""

    host: str
    attempt: int
    reason: str


@event("volume.found_busy")
class FoundBusy(Event, frozen=True):
    """The backend says it is in use; it stays (Cinder's VolumeIsBusy)."""

    host: str
    attempt: int
    reason: str


@event("volume.described")
class Described(Event, frozen=True):
    """Name and description from now on."""

    name: str | None
    description: str | None


@event("volume.metadata_changed")
class MetadataChanged(Event, frozen=True):
    """All metadata from now on."""

    metadata: dict[str, str]


@event("volume.multiattach_changed")
class MultiattachChanged(Event, frozen=True):
    """Whether several may have it at a time, as its type says."""

    multiattach: bool
