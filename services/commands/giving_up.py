"""The command by which what has been under way for too long is given up."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.backup import Backup
from domain.aggregates.move import Move
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume, detaching, giving_up
from domain.aggregates.volume.under_way import Migration, Retype
from domain.deadlines import Allowed, overdue, overdue_attachments
from domain.event import Moment
from domain.lifecycle import IDLE
from domain.machines.volume import MAKING
from services.commands import encrypting, settling
from services.commands.backup import end_waiting
from services.unit_of_work import UnitOfWork


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """Ends what is under way on a thing of that `kind` if it has outlived its deadline by now.

    `allowed` are the deadlines in seconds, by name.
    """

    id: UUID
    kind: str = Volume.kind
    allowed: Allowed
    at: Moment


async def give_up(cmd: GiveUp, work: UnitOfWork) -> bool:
    """Whether anything was overdue. What was given up, what its quota and its pool had promised,
    and what may be left on its backend, in one append. Whoever is still at it is refused later."""
    return await _OF[cmd.kind](cmd, work)


async def _of_backup(cmd: GiveUp, work: UnitOfWork) -> bool:
    backup = await work.load(Backup, cmd.id)
    reason = overdue(backup, cmd.allowed, cmd.at.at)
    if reason is None:
        return False
    ended = await end_waiting(backup, reason, work, cmd.at)
    settled = await settling.keep(backup, work, cmd.at) if backup.at_rest else []
    await work.commit(backup, *ended, *settled)
    return True


async def _of_snapshot(cmd: GiveUp, work: UnitOfWork) -> bool:
    snapshot = await work.load(Snapshot, cmd.id)
    reason = overdue(snapshot, cmd.allowed, cmd.at.at)
    if reason is None:
        return False
    snapshot.end_waiting(reason, cmd.at)
    settled = await settling.keep(snapshot, work, cmd.at) if snapshot.at_rest else []
    await work.commit(snapshot, *settled)
    return True


async def _of_volume(cmd: GiveUp, work: UnitOfWork) -> bool:
    volume = await work.load(Volume, cmd.id)
    attachments = overdue_attachments(volume, cmd.allowed, cmd.at.at)
    reason = overdue(volume, cmd.allowed, cmd.at.at)
    if reason is None and isinstance(volume.under_way, Retype | Migration):
        move = await work.load(Move, UUID(volume.under_way.move_id))
        reason = overdue(move, cmd.allowed, cmd.at.at)
    for attachment, why in attachments:
        detaching.end_waiting(volume, attachment, why, cmd.at)
    settled = [] if reason is None else await _given_up(volume, reason, work, cmd.at)
    await work.commit(volume, *settled)
    return bool(attachments) or reason is not None


async def _given_up(volume: Volume, reason: str, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """What is to be stored with the end of what its life, or the operation on it, waits for."""
    if volume.operation != IDLE:
        return await settling.give_up(volume, reason, work, at)
    # what no worker has claimed has left nothing on its backend
    left_on = volume.host if volume.state in MAKING else None
    keys = await encrypting.without_key(volume, reason, work, at)
    if not keys:
        giving_up.end_waiting(volume, reason, at)
    return [*keys, *await settling.after_attempt(volume, left_on, reason, work, at)]


_OF: Mapping[str, Callable[[GiveUp, UnitOfWork], Awaitable[bool]]] = {
    Volume.kind: _of_volume,
    Snapshot.kind: _of_snapshot,
    Backup.kind: _of_backup,
}

HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {GiveUp: give_up}
