"""What a backup that is read from a snapshot means for that (lifecycles 10)."""

from domain.aggregates.snapshot.events import BackupBegun, BackupEnded
from domain.aggregates.snapshot.snapshot import Snapshot
from domain.event import Moment


def begin(snapshot: Snapshot, backup_id: str, at: Moment) -> None:
    """Raises NotAllowed unless it is available."""
    snapshot.check_available("back up")
    snapshot.record(BackupBegun(backup_id=backup_id), at)


def end(snapshot: Snapshot, backup_id: str, at: Moment) -> None:
    """Where it is not this backup that is made of it, nothing is recorded."""
    if snapshot.state == "backing_up" and snapshot.backup_id == backup_id:
        snapshot.record(BackupEnded(backup_id=backup_id), at)
