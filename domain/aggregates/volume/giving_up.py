"""Giving up what is under way on a volume, whatever it is: by force, or when its time is up."""

from domain.aggregates.volume import extension, offering
from domain.aggregates.volume.under_way import Extension, Offer
from domain.aggregates.volume.volume import Volume
from domain.event import Moment


def give_up(volume: Volume, reason: str, at: Moment) -> str | None:
    """Ends what is under way and names the quota reservation that is to be rolled back with it.

    None if there is none. Whoever is still at it will find its claim superseded.
    """
    given_up = volume.under_way
    match given_up:
        case Extension():
            extension.give_up(volume, reason, at)
        case Offer():
            offering.withdraw(volume, at)
        case None:
            return None
    return given_up.reservation_id
