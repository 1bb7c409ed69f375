"""Commands about encryption keys: from the process that has them made and destroyed."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.encryption_key import EncryptionKey
from domain.aggregates.volume import Volume, encryption
from domain.event import Moment
from services.commands import settling
from services.unit_of_work import UnitOfWork


class FinishKeyMaking(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: the key manager's `key_id`, or why there is none."""

    id: UUID
    key_id: str | None = None
    failure: str = ""
    at: Moment


class FinishKeyDestruction(msgspec.Struct, frozen=True, kw_only=True):
    """The key manager holds nothing of it any more."""

    id: UUID
    at: Moment


async def finish_key_making(cmd: FinishKeyMaking, work: UnitOfWork) -> None:
    """Key and volume, which goes on or into error, in one append.

    Raises NotAllowed if others were faster, or the key is not wanted any more.
    """
    key = await work.load(EncryptionKey, cmd.id)
    if cmd.key_id is not None:
        key.made(cmd.key_id, cmd.at)
        volume = await work.load(Volume, UUID(key.volume_id))
        encryption.key_made(volume, cmd.key_id, cmd.at)
        await work.commit(key, volume)
        return
    key.making_failed(cmd.failure, cmd.at)
    volume = await work.load(Volume, UUID(key.volume_id))
    encryption.key_failed(volume, cmd.failure, cmd.at)
    await work.commit(key, volume, *await settling.keep(volume, work, cmd.at))


async def finish_key_destruction(cmd: FinishKeyDestruction, work: UnitOfWork) -> None:
    """Raises NotAllowed if that is recorded already."""
    key = await work.load(EncryptionKey, cmd.id)
    key.destroyed(cmd.at)
    await work.commit(key)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    FinishKeyMaking: finish_key_making,
    FinishKeyDestruction: finish_key_destruction,
}
