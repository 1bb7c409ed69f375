"""Commands that make a volume larger: from its user, and from the processes that do it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.quota_reservation import QuotaReservation, reservation_id
from domain.aggregates.volume import Volume, extension
from domain.aggregates.volume_type import VolumeType
from domain.errors import Conflict, OverQuota
from domain.event import Moment
from domain.placement import Pool
from domain.quota import GIGABYTES, of_type
from services.commands import settling
from services.commands.placing import room_on
from services.unit_of_work import UnitOfWork


class ExtendVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Wants a volume to have `new_size_gib`. `project_id` None sees every project's volumes."""

    id: UUID
    project_id: str | None
    new_size_gib: int
    at: Moment


class PlaceExtension(msgspec.Struct, frozen=True, kw_only=True):
    """Decides whether the pool of a volume has the room, given what the pools last reported."""

    id: UUID
    pools: list[Pool]
    at: Moment


class StartExtension(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the extension of a volume, if it is still `on` the pool it was told of."""

    id: UUID
    worker: str
    on: str | None = None
    at: Moment


class FinishExtension(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: it is larger if there is no `failure`."""

    id: UUID
    attempt: int
    failure: str | None = None
    at: Moment


async def extend_volume(cmd: ExtendVolume, work: UnitOfWork) -> None:
    """The wish and quota for the difference in one append.

    Raises NotFound, InvalidRequest, NotAllowed, OverQuota.
    """
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    volume_type = await work.load(VolumeType, UUID(volume.volume_type_id))
    volume_type.check_size(cmd.new_size_gib)
    paid_by = reservation_id(volume.id, f"extension after {volume.version}", cmd.at)
    extension.request(volume, cmd.new_size_gib, reservation_id=str(paid_by), at=cmd.at)
    reservation = QuotaReservation.hold(
        paid_by,
        project_id=volume.project_id,
        subject=volume.id,
        subject_kind=volume.kind,
        amounts=of_type({GIGABYTES: cmd.new_size_gib - volume.size_gib}, volume.volume_type_id),
        largest_gib=cmd.new_size_gib,
        at=cmd.at,
    )
    try:
        await work.commit(reservation, volume)
    except OverQuota as over:
        await work.commit(reservation.refused(over.overs, cmd.at))
        raise


async def place_extension(cmd: PlaceExtension, work: UnitOfWork) -> None:
    """Raises NotAllowed if that is decided already, OverCommitted if others were promised the
    room first, Conflict if a backend was closed or opened: then it is decided again."""
    volume = await work.load(Volume, cmd.id)
    wanted = extension.under_way(volume)
    added_gib = wanted.new_size_gib - volume.size_gib
    room = await room_on(volume.held_by(), added_gib, volume, work, pools=cmd.pools)
    if room.why_not is None:
        extension.place(volume, ceiling_gib=room.ceiling_gib, at=cmd.at)
        with work.promised.holding(volume.held_by(), added_gib):
            await work.commit(volume)
        return
    if work.guessed:  # a refusal is believed only on fresh state
        raise Conflict(kind=volume.kind, id=str(volume.id))
    extension.refuse(volume, room.why_not, cmd.at)
    paid_back = await settling.roll_back(wanted.reservation_id, work, cmd.at)
    await work.commit(volume, paid_back)


async def start_extension(cmd: StartExtension, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to be extended (any more)."""
    volume = await work.load(Volume, cmd.id)
    volume.check_on(cmd.on, "extend")
    attempt = extension.start(volume, cmd.worker, cmd.at)
    await work.commit(volume)
    return attempt


async def finish_extension(cmd: FinishExtension, work: UnitOfWork) -> None:
    """Outcome and quota in one append. Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    volume.check_claim(cmd.attempt, "growing")
    paid_by = extension.under_way(volume).reservation_id
    if cmd.failure is None:
        extension.succeed(volume, cmd.attempt, cmd.at)
        await work.commit(volume, await settling.commit(paid_by, work, cmd.at))
    else:
        extension.fail(volume, cmd.attempt, cmd.failure, cmd.at)
        await work.commit(volume, await settling.roll_back(paid_by, work, cmd.at))


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    ExtendVolume: extend_volume,
    PlaceExtension: place_extension,
    StartExtension: start_extension,
    FinishExtension: finish_extension,
}
