"""Commands about giving volumes to other projects."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.quota_reservation import QuotaReservation, reservation_id
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.transfer import Transfer
from domain.aggregates.volume import Volume, offering
from domain.errors import OverQuota
from domain.event import Moment
from domain.metadata import checked_name
from domain.quota import GIGABYTES, VOLUMES, of_type
from services.commands import following, settling
from services.unit_of_work import UnitOfWork


class OfferVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Offers a volume to whoever has `key`, of which only a salted digest is kept.

    `project_id` None sees every project's volumes.
    """

    id: UUID
    volume_id: UUID
    project_id: str | None
    user_id: str
    name: str | None
    key: str
    salt: str
    no_snapshots: bool = False
    at: Moment


class AcceptTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """Takes a volume over for a project, with the key."""

    id: UUID
    key: str
    project_id: str
    user_id: str
    at: Moment


class WithdrawTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """Offers it no more. `project_id` None sees every project's transfers."""

    id: UUID
    project_id: str | None
    at: Moment


async def offer_volume(cmd: OfferVolume, work: UnitOfWork) -> None:
    """Raises NotFound, NotAllowed, InvalidRequest."""
    volume = (await work.load(Volume, cmd.volume_id)).visible_to(cmd.project_id)
    offering.offer(volume, str(cmd.id), cmd.at)
    snapshots = [] if cmd.no_snapshots else await following.snapshots_of(volume, work)
    for snapshot in _own(snapshots, volume):
        snapshot.check_available("transfer")
    transfer = Transfer.offer(
        cmd.id,
        volume_id=volume.id,
        project_id=volume.project_id,
        user_id=cmd.user_id,
        name=checked_name(cmd.name, field="name"),
        salt=cmd.salt,
        key=cmd.key,
        no_snapshots=cmd.no_snapshots,
        snapshots=[each.id for each in snapshots],
        at=cmd.at,
    )
    await work.commit(volume, transfer)


async def accept_transfer(cmd: AcceptTransfer, work: UnitOfWork) -> None:
    """New owner, and the quota of both, in one append; its snapshots go along if offered so.

    Raises NotFound, InvalidRequest for a wrong key, NotAllowed, OverQuota.
    """
    transfer = await work.load(Transfer, cmd.id)
    transfer.accept(cmd.key, project_id=cmd.project_id, user_id=cmd.user_id, at=cmd.at)
    volume = await work.load(Volume, UUID(transfer.volume_id))
    snapshots = [] if transfer.no_snapshots else await following.snapshots_of(volume, work)
    given_back, follow = await following.transferred(
        _own(snapshots, volume),
        work,
        project_id=cmd.project_id,
        user_id=cmd.user_id,
        at=cmd.at,
    )
    given_back += await settling.give_back(volume, work, cmd.at)
    taken = QuotaReservation.reserve(
        reservation_id(volume.id, f"transfer {transfer.id}", cmd.at),
        project_id=cmd.project_id,
        subject=volume.id,
        amounts=of_type({VOLUMES: 1, GIGABYTES: volume.size_gib}, volume.volume_type_id),
        largest_gib=volume.size_gib,
        at=cmd.at,
    )
    taken.commit(cmd.at)
    offering.transfer(
        volume,
        project_id=cmd.project_id,
        user_id=cmd.user_id,
        reservation_id=str(taken.id),
        at=cmd.at,
    )
    try:
        await work.commit(*given_back, taken, volume, *follow, transfer)
    except OverQuota as over:
        await work.commit(taken.refused(over.overs, cmd.at))
        raise


def _own(snapshots: Sequence[Snapshot], volume: Volume) -> list[Snapshot]:
    """Those that are its owner's to give: an earlier owner may have kept some."""
    return [each for each in snapshots if each.project_id == volume.project_id]


async def withdraw_transfer(cmd: WithdrawTransfer, work: UnitOfWork) -> None:
    """The volume is its owner's as before. Raises NotFound."""
    transfer = (await work.load(Transfer, cmd.id)).visible_to(cmd.project_id)
    transfer.check_offered()
    volume = await work.load(Volume, UUID(transfer.volume_id))
    withdrawn = await settling.give_up(volume, "its owner withdrew it", work, cmd.at)
    await work.commit(volume, *withdrawn)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    OfferVolume: offer_volume,
    AcceptTransfer: accept_transfer,
    WithdrawTransfer: withdraw_transfer,
}
