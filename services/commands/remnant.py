"""Commands about remnants: from the processes that remove them and look for them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.remnant import Remnant, remnant_id
from domain.aggregates.volume import Volume
from domain.event import Moment
from domain.lifecycle import IDLE
from services.unit_of_work import UnitOfWork


class FinishRemnantRemoval(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is left of it on its backend."""

    id: UUID
    at: Moment


class RecallRemnant(msgspec.Struct, frozen=True, kw_only=True):
    """The pool `host` has an object of the volume that it should not have: whatever had left it
    there was removed, and came again."""

    id: UUID
    host: str
    reason: str
    at: Moment


async def finish_remnant_removal(cmd: FinishRemnantRemoval, work: UnitOfWork) -> None:
    """Raises NotAllowed if that is recorded already."""
    remnant = await work.load(Remnant, cmd.id)
    remnant.removed(cmd.at)
    await work.commit(remnant)


async def recall_remnant(cmd: RecallRemnant, work: UnitOfWork) -> bool:
    """Whether it is to be removed again. Never while the volume is there, or may be about to come
    there: while its remnant is left on a pool, nothing of it can."""
    volume = await work.load(Volume, cmd.id)
    if volume.host in (None, cmd.host) or volume.operation != IDLE:
        return False
    for number in range(1, volume.placements + 1):
        remnant = await work.load(Remnant, remnant_id(volume.id, number))
        if remnant.state == "removed" and remnant.host == cmd.host:
            remnant.turn_up(cmd.reason, cmd.at)
            await work.commit(remnant)
            return True
    return False


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    FinishRemnantRemoval: finish_remnant_removal,
    RecallRemnant: recall_remnant,
}
