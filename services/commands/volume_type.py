"""Commands about volume types."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import UNSET, UnsetType

from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume_type import VolumeType
from domain.encryption import ControlLocation, Encryption
from domain.errors import AlreadyExists, InUse, NotFound
from domain.event import Moment
from domain.metadata import checked_name, required_name
from services.unit_of_work import UnitOfWork

_NAMESPACE = UUID("3a0f4d53-1f0a-4a51-9c62-3c7c8e5a8f6d")


class EnsureDefaultVolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """The type that volumes get when none is named; made on the first start."""

    name: str
    at: Moment


class CreateVolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """A type of a name that no other one has."""

    id: UUID
    name: str
    description: str | None
    is_public: bool
    extra_specs: dict[str, str]
    at: Moment


class ChangeVolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """Changes what is set. The type named `deployment_default` keeps its name."""

    id: UUID
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    is_public: bool | UnsetType = UNSET
    deployment_default: str
    at: Moment


class ChangeExtraSpecs(msgspec.Struct, frozen=True, kw_only=True):
    """Merges `set` into the extra specs, and removes keys."""

    id: UUID
    set: dict[str, str] = {}
    remove: tuple[str, ...] = ()
    at: Moment


class EncryptVolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """Volumes of a type are encrypted from now on."""

    id: UUID
    encryption_id: UUID
    encryption: Encryption
    at: Moment


class ChangeTypeEncryption(msgspec.Struct, frozen=True, kw_only=True):
    """Changes what is set."""

    id: UUID
    provider: str | UnsetType = UNSET
    control_location: ControlLocation | UnsetType = UNSET
    cipher: str | UnsetType | None = UNSET
    key_size: int | UnsetType | None = UNSET
    at: Moment


class RemoveTypeEncryption(msgspec.Struct, frozen=True, kw_only=True):
    """Volumes of a type are not encrypted any more."""

    id: UUID
    at: Moment


class GrantTypeAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Lets a project use a private type."""

    id: UUID
    project_id: str
    at: Moment


class RevokeTypeAccess(msgspec.Struct, frozen=True, kw_only=True):
    """No longer lets it."""

    id: UUID
    project_id: str
    at: Moment


class DeleteVolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """Removes a type that nobody needs. The one named `deployment_default` stays."""

    id: UUID
    deployment_default: str
    at: Moment


async def ensure_default_volume_type(cmd: EnsureDefaultVolumeType, work: UnitOfWork) -> UUID | None:
    """Creates it unless it is there; its id, None where an administrator made it.

    The id follows from the name, so two starts at once make one; and from the ids before it, where
    those were renamed or deleted since.
    """
    id = uuid5(_NAMESPACE, cmd.name)
    volume_type = await work.load(VolumeType, id)
    while volume_type.exists:
        if (volume_type.state, volume_type.name) == ("available", cmd.name):
            return id
        id = uuid5(id, cmd.name)
        volume_type = await work.load(VolumeType, id)
    made = VolumeType.create(
        id,
        name=cmd.name,
        description="Used where no type is named",
        is_public=True,
        extra_specs={},
        at=cmd.at,
    )
    try:
        await work.commit(made)
    except AlreadyExists:
        return None
    return id


async def create_volume_type(cmd: CreateVolumeType, work: UnitOfWork) -> UUID:
    """Raises AlreadyExists, InvalidRequest."""
    volume_type = VolumeType.create(
        cmd.id,
        name=required_name(cmd.name),
        description=checked_name(cmd.description, field="description"),
        is_public=cmd.is_public,
        extra_specs=cmd.extra_specs,
        at=cmd.at,
    )
    await work.commit(volume_type)
    return volume_type.id


async def change_volume_type(cmd: ChangeVolumeType, work: UnitOfWork) -> None:
    """Raises NotFound, AlreadyExists, InUse, InvalidRequest."""
    volume_type = await _existing(cmd.id, work)
    if cmd.name is not UNSET:
        name = required_name(cmd.name)
        if name != volume_type.name:
            _check_not_default(volume_type, cmd.deployment_default)
        volume_type.rename(name, cmd.at)
    if cmd.description is not UNSET:
        volume_type.describe(checked_name(cmd.description, field="description"), cmd.at)
    if cmd.is_public is True:
        volume_type.publish(cmd.at)
    elif cmd.is_public is False:
        volume_type.make_private(cmd.at)
    await work.commit(volume_type)


async def change_extra_specs(cmd: ChangeExtraSpecs, work: UnitOfWork) -> None:
    """Raises NotFound (also for a key to remove), InUse, InvalidRequest."""
    volume_type = await _existing(cmd.id, work)
    specs = {**volume_type.extra_specs, **cmd.set}
    for key in cmd.remove:
        if key not in specs:
            raise NotFound(kind="volume_type_extra_spec", id=f"{key} of {cmd.id}")
        del specs[key]
    volume_type.change_extra_specs(specs, cmd.at)
    await work.commit(volume_type)


async def encrypt_volume_type(cmd: EncryptVolumeType, work: UnitOfWork) -> None:
    """Raises NotFound, InUse, InvalidRequest."""
    volume_type = await _existing(cmd.id, work)
    volume_type.encrypt(cmd.encryption_id, cmd.encryption, cmd.at)
    await work.commit(volume_type)


async def change_type_encryption(cmd: ChangeTypeEncryption, work: UnitOfWork) -> None:
    """Raises NotFound (also where it is not encrypted), InUse, InvalidRequest."""
    volume_type = await _existing(cmd.id, work)
    wanted = {name: getattr(cmd, name) for name in Encryption.__struct_fields__}
    changes = {name: value for name, value in wanted.items() if value is not UNSET}
    changed = msgspec.structs.replace(volume_type.encrypted(), **changes)
    volume_type.change_encryption(changed, cmd.at)
    await work.commit(volume_type)


async def remove_type_encryption(cmd: RemoveTypeEncryption, work: UnitOfWork) -> None:
    """Raises NotFound (also where it is not encrypted), InUse."""
    volume_type = await _existing(cmd.id, work)
    volume_type.remove_encryption(cmd.at)
    await work.commit(volume_type)


async def grant_type_access(cmd: GrantTypeAccess, work: UnitOfWork) -> None:
    """Raises NotFound, AlreadyExists, InvalidRequest."""
    volume_type = await _existing(cmd.id, work)
    volume_type.grant_access(cmd.project_id, cmd.at)
    await work.commit(volume_type)


async def revoke_type_access(cmd: RevokeTypeAccess, work: UnitOfWork) -> None:
    """Raises NotFound, InvalidRequest."""
    volume_type = await _existing(cmd.id, work)
    volume_type.revoke_access(cmd.project_id, cmd.at)
    await work.commit(volume_type)


async def delete_volume_type(cmd: DeleteVolumeType, work: UnitOfWork) -> None:
    """With what ties it to its QoS specs, in one append. Raises NotFound, InUse, InvalidRequest."""
    volume_type = await _existing(cmd.id, work)
    _check_not_default(volume_type, cmd.deployment_default)
    if volume_type.qos_specs_id is None:
        volume_type.delete(cmd.at)
        await work.commit(volume_type)
        return
    qos = await work.load(QosSpecs, UUID(volume_type.qos_specs_id))
    qos.disassociate(volume_type.id, cmd.at)
    volume_type.disassociate_qos(cmd.at)
    volume_type.delete(cmd.at)
    await work.commit(volume_type, qos)


async def _existing(id: UUID, work: UnitOfWork) -> VolumeType:
    return (await work.load(VolumeType, id)).visible_to(None)


def _check_not_default(volume_type: VolumeType, deployment_default: str) -> None:
    if volume_type.name == deployment_default:
        raise InUse(
            kind="volume_type",
            id=str(volume_type.id),
            by="all who name no type: the setting volume_types.default names it",
        )


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    EnsureDefaultVolumeType: ensure_default_volume_type,
    CreateVolumeType: create_volume_type,
    ChangeVolumeType: change_volume_type,
    ChangeExtraSpecs: change_extra_specs,
    EncryptVolumeType: encrypt_volume_type,
    ChangeTypeEncryption: change_type_encryption,
    RemoveTypeEncryption: remove_type_encryption,
    GrantTypeAccess: grant_type_access,
    RevokeTypeAccess: revoke_type_access,
    DeleteVolumeType: delete_volume_type,
}
