"""Holding a volume for somebody who is about to attach or detach it, by the volume's actions.

The one who held it lets it go again, so nobody of ours owes anything meanwhile (lifecycles 7).
"""

from domain.aggregates.volume.volume import Volume
from domain.event import Event, Moment, event


@event("volume.reserved")
class Reserved(Event, frozen=True):
    """Somebody is about to attach it."""


@event("volume.reservation_ended")
class ReservationEnded(Event, frozen=True):
    """It is attached, or is not to be."""


@event("volume.detaching_begun")
class DetachingBegun(Event, frozen=True):
    """Somebody is about to detach it."""


@event("volume.detaching_ended")
class DetachingEnded(Event, frozen=True):
    """It is being detached, or is not to be."""


def reserve(volume: Volume, at: Moment) -> None:
    """Raises NotAllowed unless it is available, or in use and to be shared, and stays."""
    volume.check_stays("reserve")
    allowed = ("available", "in-use") if volume.multiattach else ("available",)
    if volume.status not in allowed:
        raise volume.not_allowed("reserve", allowed)
    volume.record(Reserved(), at)


def end_reservation(volume: Volume, at: Moment) -> None:
    """Nothing is recorded where there is none."""
    if volume.operation == "attaching":
        volume.record(ReservationEnded(), at)


def begin_detaching(volume: Volume, at: Moment) -> None:
    """Raises NotAllowed unless it is in use."""
    volume.check_stays("begin_detaching")
    if volume.status != "in-use":
        raise volume.not_allowed("begin_detaching", ("in-use",))
    volume.record(DetachingBegun(), at)


def end_detaching(volume: Volume, at: Moment) -> None:
    """Nothing is recorded where nobody has begun."""
    if volume.operation == "detaching":
        volume.record(DetachingEnded(), at)


def let_go(volume: Volume, at: Moment) -> None:
    """Whatever it is held for."""
    end_reservation(volume, at)
    end_detaching(volume, at)
