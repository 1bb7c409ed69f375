"""The command that takes a volume elsewhere."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.aggregates.move import Move
from domain.aggregates.volume import Volume, migrating
from domain.errors import InvalidRequest
from domain.event import Moment
from services.commands.service import closures_of
from services.unit_of_work import UnitOfWork


class MigrateVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Wants a volume on another pool, or backend if `to` names none of its pools.

    `up` are the backends that report, by `host@backend`. `lock` lets it show that it is
    under maintenance meanwhile; `host_copy` has every block copied, whatever the backend could do.
    """

    id: UUID
    project_id: str | None
    to: str
    up: frozenset[str]
    lock: bool = False
    host_copy: bool = False
    at: Moment


async def migrate_volume(cmd: MigrateVolume, work: UnitOfWork) -> None:
    """The wish and its move in one append. Raises NotFound, InvalidRequest, NotAllowed."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    backend, closures = cmd.to.partition("#")[0], await closures_of(work)
    if backend not in cmd.up:
        raise InvalidRequest(f"There is no backend {backend!r} that is up.")
    if backend in closures.reasons:
        raise InvalidRequest(f"Nothing can go to {backend}: it is {closures.reasons[backend]}.")
    move_id = uuid5(volume.id, f"move after {volume.version}")
    migrating.request(volume, cmd.to, move_id=str(move_id), lock=cmd.lock, at=cmd.at)
    move = Move.request(
        move_id,
        volume_id=volume.id,
        project_id=volume.project_id,
        size_gib=volume.size_gib,
        from_host=volume.held_by(),
        volume_type_id=volume.volume_type_id,
        number=volume.placements,
        zones=[],
        only=cmd.to,
        may_stay=False,
        host_copy=cmd.host_copy,
        at=cmd.at,
    )
    await work.commit(volume, move)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {MigrateVolume: migrate_volume}
