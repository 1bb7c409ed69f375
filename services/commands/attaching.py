"""Commands that attach and detach a volume, from its users."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.volume import Volume, attaching, connecting, detaching, holding
from domain.aggregates.volume.attachment import Attachment
from domain.errors import BackendFailed, InvalidRequest, LapilliError, Unavailable
from domain.event import Event, Moment
from services.errands import Errand
from services.unit_of_work import UnitOfWork


class HoldVolume(msgspec.Struct, frozen=True, kw_only=True):
    """One of `HOLDS`. `project_id` None sees every project's volumes, here and below."""

    id: UUID
    project_id: str | None
    wish: str
    at: Moment


class AttachVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Says that a server or a node has it (os-attach)."""

    id: UUID
    project_id: str | None
    attachment_id: UUID
    server_id: str | None
    node: str | None
    device: str
    mode: str
    at: Moment


class CreateAttachment(msgspec.Struct, frozen=True, kw_only=True):
    """Keeps a volume for a server; given a connector, lets its node reach it."""

    id: UUID
    project_id: str | None
    attachment_id: UUID
    server_id: str | None
    mode: str | None
    connector: Mapping[str, Any] | None = None
    at: Moment


class ConnectAttachment(msgspec.Struct, frozen=True, kw_only=True):
    """Lets the connector's node reach the volume."""

    id: UUID
    project_id: str | None
    attachment_id: UUID
    connector: Mapping[str, Any]
    at: Moment


class CompleteAttachment(msgspec.Struct, frozen=True, kw_only=True):
    """The node uses it."""

    id: UUID
    project_id: str | None
    attachment_id: UUID
    at: Moment


class DetachVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Ends an attachment; without an id the only one."""

    id: UUID
    project_id: str | None
    attachment_id: UUID | None
    at: Moment


class ConnectNode(msgspec.Struct, frozen=True, kw_only=True):
    """Lets a node reach the volume without attaching it (os-initialize_connection)."""

    id: UUID
    project_id: str | None
    connector: Mapping[str, Any]
    at: Moment


class DisconnectNode(msgspec.Struct, frozen=True, kw_only=True):
    """Ends what `ConnectNode` did, and the reservation by the action (os-terminate_connection)."""

    id: UUID
    project_id: str | None
    connector: Mapping[str, Any]
    at: Moment


class AbandonAttachment(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody waits any more for its connection."""

    id: UUID
    attachment_id: UUID
    reason: str
    at: Moment


HOLDS: Mapping[str, Callable[[Volume, Moment], None]] = {
    "reserve": holding.reserve,
    "unreserve": holding.end_reservation,
    "begin detaching": holding.begin_detaching,
    "roll detaching": holding.end_detaching,
}


async def hold_volume(cmd: HoldVolume, work: UnitOfWork) -> None:
    """Raises NotFound, NotAllowed."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    HOLDS[cmd.wish](volume, cmd.at)
    await work.commit(volume)


async def attach_volume(cmd: AttachVolume, work: UnitOfWork) -> None:
    """Raises NotFound, NotAllowed."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    attaching.attach(
        volume,
        cmd.attachment_id,
        server_id=cmd.server_id,
        node=cmd.node,
        device=cmd.device,
        mode=cmd.mode,
        at=cmd.at,
    )
    await work.commit(volume)


async def create_attachment(cmd: CreateAttachment, work: UnitOfWork) -> Errand | None:
    """Raises NotFound, NotAllowed, InvalidRequest, OutOfStep."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    attaching.reserve(volume, cmd.attachment_id, server_id=cmd.server_id, mode=cmd.mode, at=cmd.at)
    errand = None
    if cmd.connector is not None:
        connecting.connect(volume, cmd.attachment_id, cmd.connector, passing=True, at=cmd.at)
        errand = _connecting(volume, cmd.attachment_id, cmd.at)
    await work.commit(volume)
    return errand


async def connect_attachment(cmd: ConnectAttachment, work: UnitOfWork) -> Errand:
    """Raises NotFound, NotAllowed, InvalidRequest, OutOfStep."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    connecting.connect(volume, cmd.attachment_id, cmd.connector, at=cmd.at)
    await work.commit(volume)
    return _connecting(volume, cmd.attachment_id, cmd.at)


async def complete_attachment(cmd: CompleteAttachment, work: UnitOfWork) -> None:
    """Raises NotFound, NotAllowed."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    attaching.complete(volume, cmd.attachment_id, cmd.at)
    await work.commit(volume)


async def detach_volume(cmd: DetachVolume, work: UnitOfWork) -> Errand | None:
    """None if it is gone at once, or was not there. With the last attachment go the connections
    of nodes. Raises NotFound, InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    leaving = detaching.one_of(volume, cmd.attachment_id)
    holding.let_go(volume, cmd.at)
    if leaving is not None:
        detaching.request(volume, UUID(leaving.id), cmd.at)
    id = leaving.id if leaving else None
    others = [each for each in volume.attachments.values() if each.id != id]
    if not any(each.shown for each in others):
        for each in others:
            detaching.request(volume, UUID(each.id), cmd.at)
    await work.commit(volume)
    return _going(volume, leaving)


async def connect_node(cmd: ConnectNode, work: UnitOfWork) -> Errand:
    """Raises NotFound, NotAllowed, InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    id = connecting.connect_node(volume, cmd.connector, cmd.at)
    await work.commit(volume)
    return _connecting(volume, id, cmd.at)


async def disconnect_node(cmd: DisconnectNode, work: UnitOfWork) -> Errand | None:
    """None where there is nothing to wait for. Raises NotFound, InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    leaving = connecting.connection_of(volume, cmd.connector)
    holding.end_reservation(volume, cmd.at)
    if leaving is not None:
        detaching.request(volume, UUID(leaving.id), cmd.at)
    await work.commit(volume)
    return _going(volume, leaving)


async def abandon_attachment(cmd: AbandonAttachment, work: UnitOfWork) -> None:
    """Raises NotFound, NotAllowed if it is connected by now, or gone."""
    volume = await work.load(Volume, cmd.id)
    detaching.give_up(volume, cmd.attachment_id, cmd.reason, cmd.at)
    await work.commit(volume)


def _connecting(volume: Volume, attachment_id: UUID, at: Moment) -> Errand:
    return Errand(
        aggregate_id=volume.id,
        version=volume.version,
        host=volume.held_by(),
        ends=_of(attachment_id, connecting.OUTCOMES),
        failure=_failure,
        give_up=AbandonAttachment(
            id=volume.id, attachment_id=attachment_id, reason="the backend did not answer", at=at
        ),
    )


def _going(volume: Volume, leaving: Attachment | None) -> Errand | None:
    if leaving is None or leaving.id not in volume.attachments:
        return None
    return Errand(
        aggregate_id=volume.id,
        version=volume.version,
        host=volume.held_by(),
        ends=_of(UUID(leaving.id), detaching.OUTCOMES),
        failure=_failure,
    )


def _of(attachment_id: UUID, outcomes: tuple[type[Event], ...]) -> Callable[[Event], bool]:
    id = str(attachment_id)
    return lambda event: isinstance(event, outcomes) and getattr(event, "attachment_id", "") == id


def _failure(event: Event) -> LapilliError | None:
    match event:
        case connecting.ConnectorRefused():
            return InvalidRequest(f"The connector will not do: {event.reason}.")
        case connecting.ConnectionFailed() | detaching.DisconnectionFailed():
            return BackendFailed(host=event.host, reason=event.reason)
        case detaching.AttachmentAbandoned():
            return Unavailable(part=f"backend {event.host}", reason=event.reason)
        case _:
            return None


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    HoldVolume: hold_volume,
    AttachVolume: attach_volume,
    CreateAttachment: create_attachment,
    ConnectAttachment: connect_attachment,
    CompleteAttachment: complete_attachment,
    DetachVolume: detach_volume,
    ConnectNode: connect_node,
    DisconnectNode: disconnect_node,
    AbandonAttachment: abandon_attachment,
}
