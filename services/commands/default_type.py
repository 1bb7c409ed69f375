"""Commands about projects' own default volume types."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.default_type import DefaultType, default_id
from domain.aggregates.volume_type import VolumeType
from domain.errors import NotFound
from domain.event import Moment
from services.unit_of_work import UnitOfWork


class ChooseDefaultType(msgspec.Struct, frozen=True, kw_only=True):
    """Volumes of the project that name no type are of this one from now on."""

    project_id: str
    volume_type_id: UUID
    at: Moment


class UnsetDefaultType(msgspec.Struct, frozen=True, kw_only=True):
    """The project follows the deployment's default again."""

    project_id: str
    at: Moment


async def choose_default_type(cmd: ChooseDefaultType, work: UnitOfWork) -> None:
    """The project, the type and the one before say so in one append. Raises NotFound."""
    default = await work.load(DefaultType, default_id(cmd.project_id))
    volume_type = (await work.load(VolumeType, cmd.volume_type_id)).visible_to(None)
    before = default.volume_type_id
    if before == str(volume_type.id):
        return
    default.choose(cmd.project_id, volume_type.id, cmd.at)
    volume_type.become_default_of(cmd.project_id, cmd.at)
    if before is None:
        await work.commit(default, volume_type)
        return
    former = await work.load(VolumeType, UUID(before))
    former.end_default_of(cmd.project_id, cmd.at)
    await work.commit(default, volume_type, former)


async def unset_default_type(cmd: UnsetDefaultType, work: UnitOfWork) -> None:
    """Raises NotFound where the project has none of its own."""
    default = await work.load(DefaultType, default_id(cmd.project_id))
    if default.volume_type_id is None:
        raise NotFound(kind="default_type", id=f"of project {cmd.project_id}")
    volume_type = await work.load(VolumeType, UUID(default.volume_type_id))
    default.unset(cmd.at)
    volume_type.end_default_of(cmd.project_id, cmd.at)
    await work.commit(default, volume_type)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    ChooseDefaultType: choose_default_type,
    UnsetDefaultType: unset_default_type,
}
