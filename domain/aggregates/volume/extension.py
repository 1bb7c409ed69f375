"""Making a volume larger: quota first, then room in its pool, then the backend (lifecycles 6)."""

from domain.aggregates.volume.under_way import Extension
from domain.aggregates.volume.volume import Volume, evolves
from domain.errors import InvalidRequest
from domain.event import Event, Moment, event


@event("volume.extension_requested")
class ExtensionRequested(Event, frozen=True):
    """A user wants it larger; quota for the difference was reserved in the same append. GiB."""

    project_id: str
    host: str
    size_gib: int
    new_size_gib: int
    reservation_id: str


@event("volume.extension_placed")
class ExtensionPlaced(Event, frozen=True):
    """Its pool has the room. GiB; `ceiling_gib` is all that the pool may promise, None: no end."""

    host: str
    added_gib: int
    ceiling_gib: float | None


@event("volume.extension_refused", version=2)
class ExtensionRefused(Event, frozen=True):
    """Its pool has no room, or nobody began; it is as it was, and the quota was rolled back in the
    same append. `promised_gib` is what its pool had promised for it, which is free again.
    """

    host: str
    reason: str
    promised_gib: int


@event("volume.extension_started")
class ExtensionStarted(Event, frozen=True):
    """A worker of the backend claimed the work; a later attempt supersedes an earlier one."""

    host: str
    worker: str
    attempt: int


@event("volume.extended")
class Extended(Event, frozen=True):
    """It is larger, and the quota was committed in the same append. GiB."""

    host: str
    attempt: int
    size_gib: int
    old_size_gib: int
    reservation_id: str


@event("volume.extension_failed")
class ExtensionFailed(Event, frozen=True):
    """It has its old size, as far as anybody knows; the quota was rolled back. GiB.

    `promised_gib` is what its pool had promised for it, which is free again.
    """

    host: str
    reason: str
    promised_gib: int


def request(volume: Volume, new_size_gib: int, *, reservation_id: str, at: Moment) -> None:
    """Wants it larger. Raises InvalidRequest if that is not larger, NotAllowed if it is not well
    or something else is under way."""
    volume.check_free("extend")
    if new_size_gib <= volume.size_gib:
        raise InvalidRequest(
            f"The new size must be larger than the volume's {volume.size_gib} GiB,"
            f" not {new_size_gib} GiB."
        )
    volume.record(
        ExtensionRequested(
            project_id=volume.project_id,
            host=volume.held_by(),
            size_gib=volume.size_gib,
            new_size_gib=new_size_gib,
            reservation_id=reservation_id,
        ),
        at,
    )


def place(volume: Volume, *, ceiling_gib: float | None, at: Moment) -> None:
    """Its pool has the room; the store refuses it if others were promised that first."""
    wanted = under_way(volume).new_size_gib
    volume.record(
        ExtensionPlaced(
            host=volume.held_by(), added_gib=wanted - volume.size_gib, ceiling_gib=ceiling_gib
        ),
        at,
    )


def refuse(volume: Volume, reason: str, at: Moment) -> None:
    """Its pool has no room. Raises NotAllowed if that is decided, or there is no extension."""
    if volume.operation != "extending":
        raise volume.not_allowed("extension_refused")
    volume.record(ExtensionRefused(host=volume.held_by(), reason=reason, promised_gib=0), at)


def start(volume: Volume, worker: str, at: Moment) -> int:
    """Claims the work and returns the attempt's number, by which the outcome is told."""
    attempt = volume.attempt + 1
    volume.record(ExtensionStarted(host=volume.held_by(), worker=worker, attempt=attempt), at)
    return attempt


def succeed(volume: Volume, attempt: int, at: Moment) -> None:
    """The backend made it larger. Raises Superseded if the claim is no longer this attempt's."""
    volume.check_claim(attempt, "growing")
    extension = under_way(volume)
    volume.record(
        Extended(
            host=volume.held_by(),
            attempt=attempt,
            size_gib=extension.new_size_gib,
            old_size_gib=volume.size_gib,
            reservation_id=extension.reservation_id,
        ),
        at,
    )


def fail(volume: Volume, attempt: int, reason: str, at: Moment) -> None:
    """The backend could not. Raises Superseded as `succeed`."""
    volume.check_claim(attempt, "growing")
    give_up(volume, reason, at)


def give_up(volume: Volume, reason: str, at: Moment) -> None:
    """Nobody is to go on with it, whoever may be at it. What its backend has not been asked for
    yet leaves it as well as it was."""
    promised = 0 if volume.operation == "extending" else _added(volume)
    outcome = ExtensionFailed if volume.operation == "growing" else ExtensionRefused
    volume.record(outcome(host=volume.held_by(), reason=reason, promised_gib=promised), at)


def under_way(volume: Volume) -> Extension:
    """The extension. Raises NotAllowed if there is none."""
    if not isinstance(volume.under_way, Extension):
        raise volume.not_allowed("extension")
    return volume.under_way


def _added(volume: Volume) -> int:
    return under_way(volume).new_size_gib - volume.size_gib


@evolves(ExtensionRequested)
def _requested(volume: Volume, event: ExtensionRequested, at: Moment) -> None:
    volume.under_way = Extension(event.new_size_gib, event.reservation_id)


@evolves(ExtensionStarted)
def _started(volume: Volume, event: ExtensionStarted, at: Moment) -> None:
    volume.attempt = event.attempt


@evolves(Extended)
def _extended(volume: Volume, event: Extended, at: Moment) -> None:
    volume.size_gib = event.size_gib
    volume.reservations = [*volume.reservations, event.reservation_id]
    volume.under_way = None


@evolves(ExtensionRefused, ExtensionFailed)
def _over(volume: Volume, event: Event, at: Moment) -> None:
    volume.under_way = None
