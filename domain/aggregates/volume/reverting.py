"""Taking a volume back to its latest snapshot, in place (lifecycles 6)."""

from collections.abc import Collection

from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume.under_way import Reversion
from domain.aggregates.volume.volume import Volume, evolves
from domain.errors import InvalidRequest, OutOfStep
from domain.event import Event, Moment, event


@event("volume.reversion_requested")
class ReversionRequested(Event, frozen=True):
    """A user wants it to hold again what its latest snapshot does, which is being restored by the
    same append."""

    host: str
    snapshot_id: str
    """The snapshot that it is to hold what is in."""
    snapshots: list[str]
    """All its snapshots."""


@event("volume.reversion_started")
class ReversionStarted(Event, frozen=True):
    """A worker of the backend claimed the work; a later attempt supersedes an earlier one."""

    host: str
    worker: str
    attempt: int


@event("volume.reverted")
class Reverted(Event, frozen=True):
    """It holds what its snapshot does; that is available again by the same append."""

    host: str
    attempt: int
    snapshot_id: str
    """The snapshot that it is to hold what is in."""


@event("volume.reversion_refused")
class ReversionRefused(Event, frozen=True):
    """Nobody began, and nobody will: it holds what it held."""

    host: str
    snapshot_id: str
    """The snapshot that it is to hold what is in."""
    reason: str


@event("volume.reversion_failed")
class ReversionFailed(Event, frozen=True):
    """Its backend did not do it, or did not tell; its snapshot is as it was."""

    host: str
    snapshot_id: str
    """The snapshot that it is to hold what is in."""
    reason: str


def check(volume: Volume, snapshot: Snapshot, others: Collection[Snapshot]) -> None:
    """Changes nothing. `others` are the volume's other snapshots.

    Raises InvalidRequest unless the snapshot is its latest and of its size, OutOfStep unless both
    are available.
    """
    if snapshot.volume_id != str(volume.id):
        raise InvalidRequest(f"Snapshot {snapshot.id} is not of volume {volume.id}.")
    later = [each for each in others if _age(each) > _age(snapshot)]
    if later:
        raise InvalidRequest(
            f"Volume {volume.id} can only be reverted to its latest snapshot, {later[-1].id}."
        )
    if snapshot.size_gib != volume.size_gib:
        raise InvalidRequest(
            f"Volume {volume.id} has {volume.size_gib} GiB and cannot be reverted to a snapshot of"
            f" {snapshot.size_gib} GiB."
        )
    for each in (volume, snapshot):
        if each.status != "available":
            raise OutOfStep(
                f"{each.kind.capitalize()} {each.id} is {each.status}; it has to be available."
            )
    if volume.operation != "idle":
        raise OutOfStep(f"Volume {volume.id} is {volume.operation}; nothing may be under way.")


def request(volume: Volume, snapshot: Snapshot, others: Collection[Snapshot], at: Moment) -> None:
    """Wants it reverted. Raises as `check`. Both must be stored in one append."""
    check(volume, snapshot, others)
    known = sorted(str(each.id) for each in (snapshot, *others))
    volume.record(
        ReversionRequested(host=volume.held_by(), snapshot_id=str(snapshot.id), snapshots=known),
        at,
    )
    snapshot.begin_restoring(at)


def start(volume: Volume, worker: str, at: Moment) -> int:
    """Claims the work and returns the attempt's number, by which the outcome is told."""
    attempt = volume.attempt + 1
    volume.record(ReversionStarted(host=volume.held_by(), worker=worker, attempt=attempt), at)
    return attempt


def succeed(volume: Volume, snapshot: Snapshot, attempt: int, at: Moment) -> None:
    """The backend did it. Raises Superseded if the claim is no longer this attempt's."""
    volume.check_claim(attempt, "rewriting")
    volume.record(
        Reverted(host=volume.held_by(), attempt=attempt, snapshot_id=str(snapshot.id)), at
    )
    snapshot.restored(at)


def fail(volume: Volume, snapshot: Snapshot, attempt: int, reason: str, at: Moment) -> None:
    """The backend could not. Raises Superseded as `succeed`."""
    volume.check_claim(attempt, "rewriting")
    give_up(volume, reason, at)
    snapshot.restoring_failed(reason, at)


def give_up(volume: Volume, reason: str, at: Moment) -> None:
    """Nobody is to go on with it, whoever may be at it; its snapshot has to end being restored in
    the same append. What its backend has not begun leaves it as well as it was."""
    outcome = ReversionFailed if volume.operation == "rewriting" else ReversionRefused
    snapshot_id = under_way(volume).snapshot_id
    volume.record(outcome(host=volume.held_by(), snapshot_id=snapshot_id, reason=reason), at)


def under_way(volume: Volume) -> Reversion:
    """The reversion. Raises NotAllowed if there is none."""
    if not isinstance(volume.under_way, Reversion):
        raise volume.not_allowed("reversion")
    return volume.under_way


def _age(snapshot: Snapshot) -> tuple[float, int]:
    """By which of two is the later one."""
    at = snapshot.requested_at
    return (at.timestamp() if at else 0.0), snapshot.id.int


@evolves(ReversionRequested)
def _requested(volume: Volume, event: ReversionRequested, at: Moment) -> None:
    volume.under_way = Reversion(event.snapshot_id)


@evolves(ReversionStarted)
def _started(volume: Volume, event: ReversionStarted, at: Moment) -> None:
    volume.attempt = event.attempt


@evolves(Reverted, ReversionRefused, ReversionFailed)
def _over(volume: Volume, event: Event, at: Moment) -> None:
    volume.under_way = None
