"""Making a backup, by a worker of the backend that has the volume."""

from domain.aggregates.backup.backup import Backup
from domain.aggregates.backup.events import (
    Created,
    CreationCancelled,
    CreationFailed,
    CreationStarted,
    Progressed,
)
from domain.event import Moment

PROGRESS_PERCENT = 10
"""How much further it has to be for that to be an event."""

GIB = 2**30


def start(backup: Backup, worker: str, at: Moment) -> int:
    """Claims the work and returns the attempt's number, by which the outcome is told."""
    attempt = backup.attempt + 1
    host = backup.host or ""
    backup.record(CreationStarted(host=host, worker=worker, attempt=attempt), at)
    return attempt


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
        abandon(backup, at)
        return
    backup.record(
        Created(
            volume_id=backup.volume_id,
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
        abandon(backup, at)
    else:
        give_up(backup, reason, at)


def give_up(backup: Backup, reason: str, at: Moment) -> None:
    """Nobody is to go on with it, whoever may be at it."""
    backup.record(
        CreationFailed(
            volume_id=backup.volume_id,
            parent=backup.parent,
            attempt=backup.attempt,
            reason=reason,
        ),
        at,
    )


def abandon(backup: Backup, at: Moment, *, reason: str | None = None) -> None:
    """It is not wanted any more, and whoever was making it is done, or no longer waited for for
    this reason."""
    backup.record(
        CreationCancelled(volume_id=backup.volume_id, attempt=backup.attempt, reason=reason), at
    )
