"""Commands about QoS specs."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume_type import VolumeType
from domain.event import Moment
from domain.metadata import required_name
from services.unit_of_work import UnitOfWork


class CreateQosSpecs(msgspec.Struct, frozen=True, kw_only=True):
    """QoS specs of a name that no others have."""

    id: UUID
    name: str
    consumer: str
    specs: dict[str, str]
    at: Moment


class ChangeQosSpecs(msgspec.Struct, frozen=True, kw_only=True):
    """Merges `specs` into those there are; None leaves the consumer."""

    id: UUID
    specs: dict[str, str]
    consumer: str | None = None
    at: Moment


class RemoveQosKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Removes some keys."""

    id: UUID
    keys: frozenset[str]
    at: Moment


class AssociateQos(msgspec.Struct, frozen=True, kw_only=True):
    """Gives QoS specs to a volume type that has none."""

    id: UUID
    volume_type_id: UUID
    at: Moment


class DisassociateQos(msgspec.Struct, frozen=True, kw_only=True):
    """Takes them from a type, None: from all types; from one that does not have them: nothing."""

    id: UUID
    volume_type_id: UUID | None = None
    at: Moment


class DeleteQosSpecs(msgspec.Struct, frozen=True, kw_only=True):
    """Removes them; `force` takes them from their types first."""

    id: UUID
    force: bool = False
    at: Moment


async def create_qos_specs(cmd: CreateQosSpecs, work: UnitOfWork) -> UUID:
    """Raises AlreadyExists, InvalidRequest."""
    name = required_name(cmd.name)
    await work.commit(
        QosSpecs.create(cmd.id, name=name, consumer=cmd.consumer, specs=cmd.specs, at=cmd.at)
    )
    return cmd.id


async def change_qos_specs(cmd: ChangeQosSpecs, work: UnitOfWork) -> None:
    """Raises NotFound, InvalidRequest."""
    qos = (await work.load(QosSpecs, cmd.id)).existing()
    qos.change(cmd.specs, cmd.at, consumer=cmd.consumer)
    await work.commit(qos)


async def remove_qos_keys(cmd: RemoveQosKeys, work: UnitOfWork) -> None:
    """Raises NotFound, also for a key that is not there."""
    qos = (await work.load(QosSpecs, cmd.id)).existing()
    qos.remove_keys(cmd.keys, cmd.at)
    await work.commit(qos)


async def associate_qos(cmd: AssociateQos, work: UnitOfWork) -> None:
    """Both say so in one append. Raises NotFound, InvalidRequest if the type has others."""
    qos = (await work.load(QosSpecs, cmd.id)).existing()
    volume_type = (await work.load(VolumeType, cmd.volume_type_id)).visible_to(None)
    if volume_type.qos_specs_id == str(qos.id):
        return
    volume_type.associate_qos(qos.id, cmd.at)
    qos.associate(volume_type.id, cmd.at)
    await work.commit(qos, volume_type)


async def disassociate_qos(cmd: DisassociateQos, work: UnitOfWork) -> None:
    """Raises NotFound."""
    qos = (await work.load(QosSpecs, cmd.id)).existing()
    if cmd.volume_type_id is None:
        await work.commit(qos, *await _freed(qos, work, cmd.at))
        return
    volume_type = (await work.load(VolumeType, cmd.volume_type_id)).visible_to(None)
    if volume_type.qos_specs_id != str(qos.id):
        return
    volume_type.disassociate_qos(cmd.at)
    qos.disassociate(volume_type.id, cmd.at)
    await work.commit(qos, volume_type)


async def delete_qos_specs(cmd: DeleteQosSpecs, work: UnitOfWork) -> None:
    """Raises NotFound, InUse."""
    qos = (await work.load(QosSpecs, cmd.id)).existing()
    volume_types = await _freed(qos, work, cmd.at) if cmd.force else []
    qos.delete(cmd.at)
    await work.commit(qos, *volume_types)


async def _freed(qos: QosSpecs, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """Its types, which do not have it any more."""
    volume_types: list[Aggregate] = []
    for id in qos.volume_types:
        volume_type = await work.load(VolumeType, UUID(id))
        volume_type.disassociate_qos(at)
        qos.disassociate(volume_type.id, at)
        volume_types.append(volume_type)
    return volume_types


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    CreateQosSpecs: create_qos_specs,
    ChangeQosSpecs: change_qos_specs,
    RemoveQosKeys: remove_qos_keys,
    AssociateQos: associate_qos,
    DisassociateQos: disassociate_qos,
    DeleteQosSpecs: delete_qos_specs,
}
