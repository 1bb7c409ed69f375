"""Commands about remnants: from the process that removes them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.remnant import Remnant
from domain.event import Moment
from services.unit_of_work import UnitOfWork


class FinishRemnantRemoval(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is left of it on its backend."""

    id: UUID
    at: Moment


async def finish_remnant_removal(cmd: FinishRemnantRemoval, work: UnitOfWork) -> None:
    """Raises NotAllowed if that is recorded already."""
    remnant = await work.load(Remnant, cmd.id)
    remnant.removed(cmd.at)
    await work.commit(remnant)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    FinishRemnantRemoval: finish_remnant_removal,
}
