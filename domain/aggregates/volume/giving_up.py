"""Giving up what is under way on a volume, whatever it is: by force, or when its time is up."""

from domain.aggregates.volume import extension
from domain.aggregates.volume.under_way import Extension
from domain.aggregates.volume.volume import Volume
from domain.event import Moment


def give_up(volume: Volume, reason: str, at: Moment) -> str | None:
    """Ends what is under way and names the quota reservation that is to be rolled back with it.

    None if nothing is under way. Whoever is still at it will find its claim superseded.
    """
    match volume.under_way:
        case Extension(reservation_id=reservation_id):
            extension.give_up(volume, reason, at)
            return reservation_id
        case None:
            return None
