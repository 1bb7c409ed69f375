"""Commands about volume types."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.aggregates.volume_type import VolumeType
from domain.event import Moment
from services.unit_of_work import UnitOfWork

_NAMESPACE = UUID("3a0f4d53-1f0a-4a51-9c62-3c7c8e5a8f6d")


class EnsureDefaultVolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """The type that volumes get when none is named; made on the first start."""

    name: str
    at: Moment


async def ensure_default_volume_type(cmd: EnsureDefaultVolumeType, work: UnitOfWork) -> UUID:
    """Creates it unless it is there. Its id follows from its name, so two starts make one."""
    id = uuid5(_NAMESPACE, cmd.name)
    volume_type = await work.load(VolumeType, id)
    if not volume_type.exists:
        await work.commit(
            VolumeType.create(
                id,
                name=cmd.name,
                description="Used where no type is named",
                is_public=True,
                extra_specs={},
                at=cmd.at,
            )
        )
    return id


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    EnsureDefaultVolumeType: ensure_default_volume_type,
}
