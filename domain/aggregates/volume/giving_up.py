"""Giving up what is under way on a volume, whatever it is: by force, or when its time is up."""

from collections.abc import Sequence

from domain.aggregates.move import Move
from domain.aggregates.volume import (
    backing_up,
    caching,
    extension,
    holding,
    migrating,
    offering,
    retyping,
    reverting,
    uploading,
)
from domain.aggregates.volume.under_way import (
    BackingUp,
    Extension,
    Migration,
    Offer,
    Restoring,
    Retype,
    Reversion,
    Upload,
)
from domain.aggregates.volume.volume import Volume
from domain.event import Moment
from domain.placement import Decision


def give_up(volume: Volume, reason: str, at: Moment, *, move: Move | None = None) -> Sequence[str]:
    """Ends what is under way and names the quota reservations that are to be rolled back with it.

    `move` is that of a retype or migration, and ends with it. Whoever is still at it will find its
    claim superseded.
    """
    holding.let_go(volume, at)
    given_up = volume.under_way
    match given_up:
        case Extension():
            extension.give_up(volume, reason, at)
        case Offer():
            offering.withdraw(volume, at)
        case BackingUp():
            backing_up.end(volume, given_up.backup_id, at)
        case Restoring():
            backing_up.restore_failed(volume, given_up.backup_id, reason, at)
        case Reversion():
            reverting.give_up(volume, reason, at)
        case Upload():
            uploading.give_up(volume, reason, at)
        case None:
            return []
        case Retype() | Migration():
            if move is None:
                raise ValueError(f"volume {volume.id} moves: its move must end with that")
            move.give_up(reason, at)
            after_move(volume, move, reason, at)
    return given_up.paid_by


def after_move(volume: Volume, move: Move, reason: str, at: Moment) -> None:
    """Ends the retype or migration whose move came to nothing."""
    of = retyping if isinstance(volume.under_way, Retype) else migrating
    if move.state == "refused":
        of.refuse(volume, reason, at)
    else:
        of.fail(volume, move, reason, at)


def end_waiting(volume: Volume, reason: str, at: Moment) -> None:
    """Ends a creation or deletion that nobody goes on with: another backend shall make it, or it
    is in error, or goes on without what it waited for, or its deletion begins, or could not be
    done. At rest nothing changes."""
    match volume.state:
        case "requested":
            volume.place(Decision(candidates=[], reason=reason), at, most=volume.most_placements)
        case "awaiting":
            caching.wait_no_longer(volume, reason, at)
        case "placed" | "provisioning" | "downloading":
            volume.creation_failed(reason, at, elsewhere=True)
        case "cancelling":
            volume.abandon_creation(at, reason=reason)
        case "emptying" | "deleting" | "removing":
            volume.give_up_deletion(reason, at)
