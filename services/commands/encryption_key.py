"""Commands about encryption keys: from the process that has them made and destroyed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.backup import Backup, restoring
from domain.aggregates.backup import encryption as of_backup
from domain.aggregates.backup import giving_up as backup_giving_up
from domain.aggregates.encryption_key import EncryptionKey, OwnerKind
from domain.aggregates.volume import Volume, backing_up, uploading
from domain.aggregates.volume import encryption as of_volume
from domain.event import Moment
from services.commands import backup, settling
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
    """Key and what it is for, which goes on or into error, in one append.

    Raises NotAllowed if others were faster, or the key is not wanted any more.
    """
    key = await work.load(EncryptionKey, cmd.id)
    if cmd.key_id is None:
        key.making_failed(cmd.failure, cmd.at)
    else:
        key.made(cmd.key_id, cmd.at)
    await work.commit(key, *await _HEARD_BY[key.owner_kind](key, cmd, work))


async def _volume(key: EncryptionKey, cmd: FinishKeyMaking, work: UnitOfWork) -> list[Aggregate]:
    volume = await work.load(Volume, UUID(key.owner))
    if cmd.key_id is not None:
        of_volume.key_made(volume, cmd.key_id, cmd.at)
        return [volume]
    of_volume.key_failed(volume, cmd.failure, cmd.at)
    return [volume, *await settling.keep(volume, work, cmd.at)]


async def _backup(key: EncryptionKey, cmd: FinishKeyMaking, work: UnitOfWork) -> list[Aggregate]:
    made = await work.load(Backup, UUID(key.owner))
    if cmd.key_id is not None:
        of_backup.key_made(made, cmd.key_id, cmd.at)
        return [made]
    if made.state not in ("requested", "importing"):
        raise made.not_allowed("fail without a key")
    backup_giving_up.end_waiting(made, _failure(cmd), cmd.at)
    ended = await backup.released(made, work, cmd.at)
    return [made, *ended, *await settling.keep(made, work, cmd.at)]


async def _restore(key: EncryptionKey, cmd: FinishKeyMaking, work: UnitOfWork) -> list[Aggregate]:
    restored = await work.load(Backup, UUID(key.owner))
    if cmd.key_id is not None:
        of_backup.restore_key_made(restored, key.name, cmd.key_id, cmd.at)
        return [restored]
    of_backup.check_restores(restored, key.name)
    volume = await work.load(Volume, UUID(key.volume_id))
    restoring.give_up(restored, _failure(cmd), cmd.at)
    backing_up.restore_failed(volume, str(restored.id), _failure(cmd), cmd.at)
    return [restored, volume]


async def _image(key: EncryptionKey, cmd: FinishKeyMaking, work: UnitOfWork) -> list[Aggregate]:
    volume = await work.load(Volume, UUID(key.volume_id))
    if cmd.key_id is not None:
        uploading.key_made(volume, key.owner, cmd.key_id, cmd.at)
    else:
        uploading.check_awaits_key(volume, key.owner)
        uploading.give_up(volume, _failure(cmd), cmd.at)
    return [volume]


def _failure(cmd: FinishKeyMaking) -> str:
    return f"its key was not made: {cmd.failure}"


_HEARD_BY: Mapping[
    OwnerKind, Callable[[EncryptionKey, FinishKeyMaking, UnitOfWork], Awaitable[list[Aggregate]]]
] = {"volume": _volume, "backup": _backup, "restore": _restore, "image": _image}
"""How what a key is for hears that it is made, or not: to be stored with that."""


async def finish_key_destruction(cmd: FinishKeyDestruction, work: UnitOfWork) -> None:
    """Raises NotAllowed if that is recorded already."""
    key = await work.load(EncryptionKey, cmd.id)
    key.destroyed(cmd.at)
    await work.commit(key)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    FinishKeyMaking: finish_key_making,
    FinishKeyDestruction: finish_key_destruction,
}
