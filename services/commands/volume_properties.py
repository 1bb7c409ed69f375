"""Commands about what a volume is good for."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.volume import Volume, properties
from domain.errors import NotFound
from domain.event import Moment
from domain.metadata import checked_metadata
from services.unit_of_work import UnitOfWork


class SetBootable(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a server can boot from it. `project_id` None sees every project's, here and below."""

    id: UUID
    project_id: str | None
    bootable: bool
    at: Moment


class SetReadonly(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it may only be attached for reading."""

    id: UUID
    project_id: str | None
    readonly: bool
    at: Moment


class ChangeImageMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Merges `set` into what is known of its image, and removes keys."""

    id: UUID
    project_id: str | None
    set: dict[str, str] = {}
    remove: tuple[str, ...] = ()
    at: Moment


async def set_bootable(cmd: SetBootable, work: UnitOfWork) -> None:
    """Raises NotFound, NotAllowed."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    properties.set_bootable(volume, cmd.bootable, cmd.at)
    await work.commit(volume)


async def set_readonly(cmd: SetReadonly, work: UnitOfWork) -> None:
    """Raises NotFound, NotAllowed."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    properties.set_readonly(volume, cmd.readonly, cmd.at)
    await work.commit(volume)


async def change_image_metadata(cmd: ChangeImageMetadata, work: UnitOfWork) -> dict[str, str]:
    """All after the change. Raises NotFound (also for a key to remove), InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    known = {**volume.image_metadata, **checked_metadata(cmd.set)}
    for key in cmd.remove:
        if key not in known:
            raise NotFound(kind="image_metadata", id=key)
        del known[key]
    properties.change_image_metadata(volume, known, cmd.at)
    await work.commit(volume)
    return known


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    SetBootable: set_bootable,
    SetReadonly: set_readonly,
    ChangeImageMetadata: change_image_metadata,
}
