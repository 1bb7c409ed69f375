"""Commands of the workers that let nodes reach volumes, and that end it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume import Volume, connecting, detaching, exporting
from domain.aggregates.volume.attachments import known
from domain.aggregates.volume_type import VolumeType
from domain.event import Moment
from domain.front_end import front_end_limits
from services.unit_of_work import UnitOfWork


class StartConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the connecting of an attachment."""

    id: UUID
    attachment_id: UUID
    worker: str
    at: Moment


class FinishConnection(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: connected if there is no `failure`; `refused` if the connector is
    to blame, and nothing was done."""

    id: UUID
    attachment_id: UUID
    attempt: int
    driver_volume_type: str = ""
    reached_by: dict[str, Any] = {}
    """The driver's words on how."""
    failure: str | None = None
    refused: bool = False
    at: Moment


class StartDisconnection(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the disconnecting of an attachment."""

    id: UUID
    attachment_id: UUID
    worker: str
    at: Moment


class FinishDisconnection(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: gone if there is no `failure`."""

    id: UUID
    attachment_id: UUID
    attempt: int
    failure: str | None = None
    at: Moment


class ReportExports(msgspec.Struct, frozen=True, kw_only=True):
    """Whether all that is attached can be reached again; if not, why."""

    id: UUID
    failure: str | None = None
    at: Moment


async def start_connection(cmd: StartConnection, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to be connected any more."""
    volume = await work.load(Volume, cmd.id)
    attempt = connecting.start(volume, cmd.attachment_id, cmd.worker, cmd.at)
    await work.commit(volume)
    return attempt


async def finish_connection(cmd: FinishConnection, work: UnitOfWork) -> None:
    """Of what was there for this connection alone nothing stays if it failed. Raises Superseded,
    NotAllowed if the volume is going."""
    volume = await work.load(Volume, cmd.id)
    attachment = known(volume, cmd.attachment_id)
    passing = attachment is not None and attachment.passing
    if cmd.failure is None:
        qos = await _qos_of(volume, work)
        connection = _connection(volume, cmd, qos)
        connecting.connected(volume, cmd.attachment_id, cmd.attempt, connection, cmd.at)
        await work.commit(volume)
        return
    tell = connecting.refused if cmd.refused else connecting.failed
    tell(volume, cmd.attachment_id, cmd.attempt, cmd.failure, at=cmd.at)
    if passing and cmd.refused:
        detaching.removed(volume, cmd.attachment_id, cmd.at)
    elif passing:  # the backend may have got half-way
        detaching.abandon(volume, cmd.attachment_id, cmd.failure, cmd.at)
    await work.commit(volume)


async def start_disconnection(cmd: StartDisconnection, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is gone, or not to go."""
    volume = await work.load(Volume, cmd.id)
    attempt = detaching.start(volume, cmd.attachment_id, cmd.worker, cmd.at)
    await work.commit(volume)
    return attempt


async def finish_disconnection(cmd: FinishDisconnection, work: UnitOfWork) -> None:
    """Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    if cmd.failure is None:
        detaching.removed(volume, cmd.attachment_id, cmd.at)
    else:
        detaching.failed(volume, cmd.attachment_id, cmd.attempt, cmd.failure, cmd.at)
    await work.commit(volume)


async def report_exports(cmd: ReportExports, work: UnitOfWork) -> None:
    """Known already, it changes nothing."""
    volume = await work.load(Volume, cmd.id)
    if cmd.failure is None:
        exporting.restored(volume, cmd.at)
    else:
        exporting.lost(volume, cmd.failure, cmd.at)
    await work.commit(volume)


def _connection(volume: Volume, cmd: FinishConnection, qos: QosSpecs | None) -> dict[str, Any]:
    """Cinder's connection_info: the driver's words, and what the control plane adds."""
    attachment = known(volume, cmd.attachment_id)
    limits = qos and front_end_limits(qos.consumer, qos.specs, size_gib=volume.size_gib)
    data = {
        **cmd.reached_by,
        "access_mode": attachment.connected_mode if attachment else "rw",
        "encrypted": volume.encryption is not None,
        "qos_specs": limits,
    }
    return {"driver_volume_type": cmd.driver_volume_type, "data": data}


async def _qos_of(volume: Volume, work: UnitOfWork) -> QosSpecs | None:
    """What whoever uses the volume has to keep to."""
    volume_type = await work.load(VolumeType, UUID(volume.volume_type_id))
    if volume_type.qos_specs_id is None:
        return None
    return await work.load(QosSpecs, UUID(volume_type.qos_specs_id))


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    StartConnection: start_connection,
    FinishConnection: finish_connection,
    StartDisconnection: start_disconnection,
    FinishDisconnection: finish_disconnection,
    ReportExports: report_exports,
}
