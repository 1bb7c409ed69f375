"""The command by which an administrator says what a volume's status is."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.volume import Volume, resetting
from domain.event import Moment
from services.commands import settling
from services.unit_of_work import UnitOfWork


class ResetVolume(msgspec.Struct, frozen=True, kw_only=True):
    """`status` in Cinder's words. `project_id` None sees every project's volumes."""

    id: UUID
    project_id: str | None
    status: str
    at: Moment


async def reset_volume(cmd: ResetVolume, work: UnitOfWork) -> None:
    """What was under way is given up in the same append, and its quota settled.

    Raises NotFound, NotAllowed, InvalidRequest.
    """
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    resetting.check(cmd.status)
    settled: list[Aggregate] = await settling.give_up(
        volume, f"an administrator reset it to {cmd.status}", work, cmd.at
    )
    resetting.reset(volume, cmd.status, cmd.at)
    await work.commit(volume, *settled, *await settling.keep(volume, work, cmd.at))


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {ResetVolume: reset_volume}
