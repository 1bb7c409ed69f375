"""Putting a backup back into a volume. Whatever comes of it, the backup is as good as before."""

from uuid import UUID

from domain.aggregates.backup.backup import Backup
from domain.aggregates.backup.events import (
    Restored,
    RestoreFailed,
    RestoreRequested,
    RestoreStarted,
)
from domain.errors import InvalidRequest
from domain.event import Moment


def request(
    backup: Backup,
    *,
    volume_id: UUID,
    host: str,
    volume_size_gib: int,
    key: UUID | None = None,
    at: Moment,
) -> None:
    """Into a volume at `host`, which has to say that it waits for it in the same append, as must be
    asked for the `key` that the volume is to have.

    Raises NotAllowed unless the backup is available, InvalidRequest if the volume is too small.
    """
    backup.check_available("restore")
    check_fits(backup, volume_id, volume_size_gib)
    name = None if key is None else str(key)
    backup.record(RestoreRequested(volume_id=str(volume_id), host=host, key=name), at)


def check_fits(backup: Backup, volume_id: UUID, volume_size_gib: int) -> None:
    """Raises InvalidRequest if the volume is too small."""
    if volume_size_gib < backup.size_gib:
        raise InvalidRequest(
            f"Volume {volume_id} has {volume_size_gib} GiB, and backup {backup.id} is of"
            f" {backup.size_gib} GiB."
        )


def start(backup: Backup, worker: str, at: Moment) -> int:
    """Claims the work and returns the attempt's number. Raises NotAllowed if there is none,
    and while the volume waits for its key."""
    volume_id, host = _target(backup)
    if backup.restoring_key is not None and backup.restoring_key_id is None:
        raise backup.not_allowed("restore without a key")
    attempt = backup.attempt + 1
    started = RestoreStarted(volume_id=volume_id, host=host, worker=worker, attempt=attempt)
    backup.record(started, at)
    return attempt


def finish(backup: Backup, attempt: int, at: Moment) -> None:
    """It is in the volume. Raises Superseded if the claim is no longer this attempt's."""
    backup.check_claim(attempt, "writing")
    volume_id, host = _target(backup)
    backup.record(Restored(volume_id=volume_id, host=host, attempt=attempt), at)


def fail(backup: Backup, attempt: int, reason: str, at: Moment) -> None:
    """The worker could not. Raises Superseded as `finish`."""
    backup.check_claim(attempt, "writing")
    give_up(backup, reason, at)


def give_up(backup: Backup, reason: str, at: Moment) -> None:
    """Nobody is to go on with it, whoever may be at it. Raises NotAllowed if there is none."""
    volume_id, host = _target(backup)
    backup.record(
        RestoreFailed(volume_id=volume_id, host=host, attempt=backup.attempt, reason=reason), at
    )


def _target(backup: Backup) -> tuple[str, str]:
    if backup.restoring_to is None or backup.restoring_host is None:
        raise backup.not_allowed("restore")
    return backup.restoring_to, backup.restoring_host
