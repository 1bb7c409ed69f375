"""Commands about moves: from the processes that carry retypes and migrations out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.move import Move
from domain.aggregates.remnant import Remnant, remnant_id
from domain.aggregates.volume import Volume, giving_up, migrating, moving, retyping
from domain.aggregates.volume.under_way import Retype
from domain.aggregates.volume_type import VolumeType
from domain.dependence import words
from domain.event import Moment
from domain.placement import Origin, Pool, Request, Rules
from services.commands import following, settling
from services.commands.placing import decide, request_of
from services.unit_of_work import UnitOfWork


class PlaceMove(msgspec.Struct, frozen=True, kw_only=True):
    """Decides where a move leads, given what the pools last reported."""

    id: UUID
    pools: list[Pool]
    rules: Rules = msgspec.field(default_factory=Rules)
    at: Moment


class StartMove(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the move to `host`."""

    id: UUID
    host: str
    worker: str
    at: Moment


class RecordCopied(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt has copied everything."""

    id: UUID
    attempt: int
    at: Moment


class FinishMove(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: all is as it should be if there is no `failure`."""

    id: UUID
    attempt: int
    provider_id: str | None = None
    failure: str | None = None
    at: Moment


async def place_move(cmd: PlaceMove, work: UnitOfWork) -> None:
    """Raises NotAllowed if that is decided already, OverCommitted if others were promised the
    room first, Conflict if the volume changed, or a backend was closed or opened: then it is
    decided again."""
    move = await work.load(Move, cmd.id)
    volume = await work.load(Volume, UUID(move.volume_id))
    request = await _request_of(move, volume, cmd.pools, work)
    decision = await decide(cmd.pools, request, cmd.rules, work)
    move.place(decision, cmd.at)
    if move.host is None:
        ended = await _failed(volume, move, decision.reason, work, cmd.at)
        await work.commit(move, *ended)
        return
    with work.promised.holding(move.host, move.size_gib if move.elsewhere else 0):
        await work.commit(move)


async def start_move(cmd: StartMove, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is over, or leads elsewhere by now."""
    move = await work.load(Move, cmd.id)
    attempt = move.start(cmd.worker, cmd.at, host=cmd.host)
    await work.commit(move)
    return attempt


async def record_copied(cmd: RecordCopied, work: UnitOfWork) -> None:
    """Raises Superseded."""
    move = await work.load(Move, cmd.id)
    move.copied(cmd.attempt, cmd.at)
    await work.commit(move)


async def finish_move(cmd: FinishMove, work: UnitOfWork) -> None:
    """Outcome, quota, and what is left behind, in one append. Raises Superseded."""
    move = await work.load(Move, cmd.id)
    volume = await work.load(Volume, UUID(move.volume_id))
    if cmd.failure is not None:
        move.fail(cmd.attempt, cmd.failure, cmd.at)
        over = move.state == "failed"
        ended = await _failed(volume, move, cmd.failure, work, cmd.at) if over else []
        await work.commit(move, *ended)
        return
    move.finish(cmd.attempt, cmd.at)
    ended = [_left_at_source(volume, move, cmd.at)] if move.elsewhere else []
    if move.elsewhere:
        moving.arrive(volume, move, cmd.provider_id, cmd.at)
    if isinstance(volume.under_way, Retype):
        retype = volume.under_way
        new = await work.load(VolumeType, UUID(move.volume_type_id))
        retyping.succeed(volume, new, cmd.at)
        ended.append(await settling.commit(retype.reservation_id, work, cmd.at))
        ended += await following.retyped(retype, work, cmd.at)
    else:
        migrating.succeed(volume, cmd.at)
    await work.commit(move, volume, *ended)


async def _failed(
    volume: Volume, move: Move, reason: str, work: UnitOfWork, at: Moment
) -> list[Aggregate]:
    """What is to be stored with the end of a move that failed."""
    paid_by = volume.under_way.paid_by if volume.under_way else []
    giving_up.after_move(volume, move, reason, at)
    rolled_back = [await settling.roll_back(id, work, at) for id in paid_by]
    return [volume, *settling.left_at_target(move, reason, at), *rolled_back]


def _left_at_source(volume: Volume, move: Move, at: Moment) -> Aggregate:
    return Remnant.leave(
        volume.id,
        number=volume.placed_as,
        project_id=volume.project_id,
        host=move.from_host,
        size_gib=volume.size_gib,
        reason=f"it moved to {move.target}",
        at=at,
    )


async def _request_of(
    move: Move, volume: Volume, pools: Sequence[Pool], work: UnitOfWork
) -> Request:
    """What placement is asked for a move. Hints told where to begin, and bind no longer."""
    asked = await request_of(volume, work, volume_type_id=move.volume_type_id)
    barred = await _barred(move, volume, pools, work)
    if move.declined is not None:
        barred[move.from_host] = f"cannot change it where it is: {move.declined}"
    origin = Origin(pool=move.from_host, may_stay=move.may_stay, only=move.only, barred=barred)
    return msgspec.structs.replace(
        asked, zones=move.zones, hints={}, places={}, tried=[], origin=origin
    )


async def _barred(
    move: Move, volume: Volume, pools: Sequence[Pool], work: UnitOfWork
) -> dict[str, str]:
    """Pools that cannot take it: all others while something needs it where it is; those where
    something of it is still to be removed, for which what comes there now would be taken."""
    needs = list((await work.dependents(volume.id)).items())
    away = [pool.name for pool in pools if pool.name != move.from_host] if needs else []
    barred = {pool: f"{words(needs)} cannot go along" for pool in away}
    for number in range(1, move.number):
        if number != volume.placed_as:
            remnant = await work.load(Remnant, remnant_id(volume.id, number))
            if remnant.state == "left":
                barred[remnant.host] = f"still has to remove what placement {number} left there"
    return barred


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    PlaceMove: place_move,
    StartMove: start_move,
    RecordCopied: record_copied,
    FinishMove: finish_move,
}
