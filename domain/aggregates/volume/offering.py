"""Giving a volume to another project: its side of a transfer (lifecycles 11)."""

from domain.aggregates.volume.under_way import Offer
from domain.aggregates.volume.volume import Volume, evolves
from domain.event import Event, Moment, event


@event("volume.offered")
class Offered(Event, frozen=True):
    """Whoever has the key of the transfer may take it; until then nothing else is done to it."""

    transfer_id: str


@event("volume.offer_withdrawn")
class OfferWithdrawn(Event, frozen=True):
    """It is its owner's as before."""

    transfer_id: str


@event("volume.transferred")
class Transferred(Event, frozen=True):
    """It belongs to another project, which pays for it from now on: the donor's quota was given
    back, and the new owner's taken, in the same append."""

    transfer_id: str
    old_project_id: str
    project_id: str
    user_id: str
    reservation_id: str


def offer(volume: Volume, transfer_id: str, at: Moment) -> None:
    """Raises NotAllowed unless it is available."""
    volume.check_available("transfer")
    volume.record(Offered(transfer_id=transfer_id), at)


def withdraw(volume: Volume, at: Moment) -> None:
    """Raises NotAllowed unless it is offered."""
    volume.record(OfferWithdrawn(transfer_id=_of(volume)), at)


def transfer(
    volume: Volume, *, project_id: str, user_id: str, reservation_id: str, at: Moment
) -> None:
    """Gives it to another project. Raises NotAllowed unless it is offered."""
    volume.record(
        Transferred(
            transfer_id=_of(volume),
            old_project_id=volume.project_id,
            project_id=project_id,
            user_id=user_id,
            reservation_id=reservation_id,
        ),
        at,
    )


def _of(volume: Volume) -> str:
    if not isinstance(volume.under_way, Offer):
        raise volume.not_allowed("transfer", ("awaiting-transfer",))
    return volume.under_way.transfer_id


@evolves(Offered)
def _offered(volume: Volume, event: Offered, at: Moment) -> None:
    volume.under_way = Offer(event.transfer_id)


@evolves(OfferWithdrawn)
def _withdrawn(volume: Volume, event: OfferWithdrawn, at: Moment) -> None:
    volume.under_way = None


@evolves(Transferred)
def _transferred(volume: Volume, event: Transferred, at: Moment) -> None:
    volume.under_way = None
    volume.project_id, volume.reservations = event.project_id, [event.reservation_id]
    volume.keeps_image_near = None  # its user may do anything with it
