"""Making a backup, by a worker of the backend that has the volume."""

from domain.aggregates.backup.backup import Backup
from domain.aggregates.backup.encryption import check_key
from domain.aggregates.backup.events import (
    Captured,
    Created,
    CreationFailed,
    CreationStarted,
    Progressed,
)
from domain.event import Moment

PROGRESS_PERCENT = 10
"""How much further it has to be for that to be an event."""

GIB = 2**30


def start(backup: Backup, worker: str, at: Moment) -> int:
    """Claims the work and returns the attempt's number, by which the outcome is told. Raises
    NotAllowed while it waits for its key."""
    check_key(backup)
    attempt = backup.attempt + 1
    started = CreationStarted(host=backup.made_on(), worker=worker, attempt=attempt)
    backup.record(started, at)
    return attempt


def capture(backup: Backup, attempt: int, at: Moment) -> None:
    """What it is to hold is kept apart; known already, nothing is recorded. Raises Superseded if
    the claim is no longer this attempt's, also if it is not wanted any more."""
    backup.check_claim(attempt, "making")
    if not backup.captured:
        backup.record(Captured(attempt=attempt, content_at=at.at), at)


def progress(
    backup: Backup,
    attempt: int,
    *,
    done_bytes: int,
    object_count: int,
    stored_bytes: int,
    at: Moment,
) -> None:
    """It has come up to that byte of the volume; small steps record nothing.

    Raises Superseded if the claim is no longer this attempt's, also if it is not wanted any more.
    """
    backup.check_claim(attempt, "making")
    percent = min(100, done_bytes * 100 // (backup.size_gib * GIB))
    if percent // PROGRESS_PERCENT > backup.percent // PROGRESS_PERCENT:
        backup.record(
            Progressed(
                attempt=attempt,
                percent=percent,
                object_count=object_count,
                stored_bytes=stored_bytes,
            ),
            at,
        )


def finish(
    backup: Backup, attempt: int, *, object_count: int, stored_bytes: int, at: Moment
) -> None:
    """The store has all of it. Raises Superseded if the claim is no longer this attempt's."""
    backup.check_claim(attempt, "making", "cancelling")
    if backup.state == "cancelling":
        backup.creation_cancelled(at)
        return
    backup.record(
        Created(
            volume_id=backup.volume_id,
            snapshot_id=backup.snapshot_id,
            host=backup.made_on(),
            attempt=attempt,
            object_count=object_count,
            stored_bytes=stored_bytes,
        ),
        at,
    )


def fail(backup: Backup, attempt: int, reason: str, at: Moment) -> None:
    """The worker could not make it. Raises Superseded as `finish`."""
    backup.check_claim(attempt, "making", "cancelling")
    if backup.state == "cancelling":
        backup.creation_cancelled(at)
    else:
        give_up(backup, reason, at)


def give_up(backup: Backup, reason: str, at: Moment) -> None:
    """Nobody is to go on with it, whoever may be at it."""
    backup.record(
        CreationFailed(
            volume_id=backup.volume_id,
            snapshot_id=backup.snapshot_id,
            host=backup.made_on(),
            parent=backup.parent,
            attempt=backup.attempt,
            reason=reason,
        ),
        at,
    )
