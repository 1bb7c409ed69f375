"""What becomes of quota reservations: in the append that decides the fate of what they pay for,
and where that was left open, later."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.backup import Backup
from domain.aggregates.backup import giving_up as backup_giving_up
from domain.aggregates.move import Move
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.remnant import Remnant
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.transfer import Transfer
from domain.aggregates.volume import Volume, giving_up
from domain.aggregates.volume.under_way import (
    BackingUp,
    Migration,
    Offer,
    Restoring,
    Retype,
    Reversion,
    Upload,
)
from domain.event import Moment
from services.commands import encrypting
from services.unit_of_work import UnitOfWork


class Paid(Protocol):
    """Something that quota reservations pay for, the first being that of its creation."""

    @property
    def reservations(self) -> list[str]: ...


async def give_back(paid: Paid, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """All that pays for something that is gone, given back; to be stored with its end."""
    taken = [await work.load(QuotaReservation, UUID(id)) for id in paid.reservations]
    return [reservation.give_back(at) for reservation in taken]


async def give_up(volume: Volume, reason: str, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """Gives up what is under way on a volume; what is to be stored with that."""
    given_up = volume.under_way
    move = None
    settled: list[Aggregate] = []
    if isinstance(given_up, Retype | Migration):
        move = await work.load(Move, UUID(given_up.move_id))
    if isinstance(given_up, Upload):
        settled += await encrypting.key_of_upload(volume, work, at)
    paid_by = giving_up.give_up(volume, reason, at, move=move)
    if isinstance(given_up, Offer):
        transfer = await work.load(Transfer, UUID(given_up.transfer_id))
        transfer.withdraw(reason, at)
        settled.append(transfer)
    if isinstance(given_up, BackingUp | Restoring):
        backup = await work.load(Backup, UUID(given_up.backup_id))
        settled += await encrypting.not_waited_for(backup, work, at)
        backup_giving_up.end_waiting(backup, reason, at)
        settled += [backup, *await keep(backup, work, at)]
    if isinstance(given_up, Reversion):
        snapshot = await work.load(Snapshot, UUID(given_up.snapshot_id))
        snapshot.restoring_failed(reason, at)
        settled.append(snapshot)
    if move is not None:
        settled += [move, *left_at_target(move, reason, at)]
    return [*settled, *[await roll_back(id, work, at) for id in paid_by]]


async def after_attempt(
    volume: Volume, left_on: str | None, reason: str, work: UnitOfWork, at: Moment
) -> list[Aggregate]:
    """What is to be stored with the end of one backend's attempt to make or delete a volume.

    `left_on` is the pool that may keep something of it should the volume go elsewhere.
    """
    if volume.at_rest:
        return await keep(volume, work, at)
    if volume.host is not None or left_on is None:  # cancelled: its quota goes when it goes
        return []
    return [
        Remnant.leave(
            volume.id,
            number=volume.placements,
            project_id=volume.project_id,
            host=left_on,
            size_gib=volume.size_gib,
            reason=reason,
            at=at,
        )
    ]


async def keep(paid: Paid, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """What paid for the creation of something that stays, committed if it still is not: what is
    in error is there, too, until its user deletes it."""
    reservation = await work.load(QuotaReservation, UUID(paid.reservations[0]))
    reservation.keep(at)
    return [reservation]


def left_at_target(move: Move, reason: str, at: Moment) -> list[Remnant]:
    """What a move that failed may have left where it was to lead."""
    if not move.left_something:
        return []
    return [
        Remnant.leave(
            UUID(move.volume_id),
            number=move.number,
            project_id=move.project_id,
            host=move.target,
            size_gib=move.size_gib,
            reason=reason,
            at=at,
        )
    ]


async def commit(reservation_id: str, work: UnitOfWork, at: Moment) -> QuotaReservation:
    """A reservation whose operation succeeded, to be stored with the success."""
    reservation = await work.load(QuotaReservation, UUID(reservation_id))
    reservation.commit(at)
    return reservation


async def roll_back(reservation_id: str, work: UnitOfWork, at: Moment) -> QuotaReservation:
    """A reservation whose operation failed, to be stored with the failure."""
    reservation = await work.load(QuotaReservation, UUID(reservation_id))
    reservation.roll_back(at)
    return reservation


class SettleReservation(msgspec.Struct, frozen=True, kw_only=True):
    """Settles a reservation that is still open by what the log says of its operation."""

    id: UUID
    at: Moment


PAYERS: Mapping[str, type[Volume] | type[Snapshot] | type[Backup]] = {
    Volume.kind: Volume,
    Snapshot.kind: Snapshot,
    Backup.kind: Backup,
}
"""What reservations are held for, by kind."""


async def settle_reservation(cmd: SettleReservation, work: UnitOfWork) -> bool:
    """Whether it is settled now. Who it pays for must not move on meanwhile."""
    reservation = await work.load(QuotaReservation, cmd.id)
    if reservation.state == "reserved":
        payer = await work.load(PAYERS[reservation.subject_kind], UUID(reservation.subject))
        kept = payer.keeps(str(reservation.id))
        if kept is not None:
            reservation.settle(kept, cmd.at)
            await work.commit(reservation)
    return reservation.state != "reserved"


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    SettleReservation: settle_reservation,
}
