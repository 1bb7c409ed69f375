"""Giving up what is under way on a backup, when its time is up."""

from domain.aggregates.backup import importing, making, restoring
from domain.aggregates.backup.backup import Backup
from domain.event import Moment


def end_waiting(backup: Backup, reason: str, at: Moment) -> None:
    """Ends what nobody goes on with. At rest nothing changes. Where a volume waits for it, that
    must end in the same append."""
    match backup.state:
        case "requested" | "making":
            making.give_up(backup, reason, at)
        case "importing":
            importing.fail(backup, reason, at)
        case "restoring" | "writing":
            restoring.give_up(backup, reason, at)
        case "cancelling":
            backup.creation_cancelled(at, reason=reason)
        case "deleting" | "removing":
            backup.give_up_deletion(reason, at)
