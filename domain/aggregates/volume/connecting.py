"""Connecting: the backend of a volume lets a node reach it (lifecycles 7)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.aggregates.volume.attachment import Attachment
from domain.aggregates.volume.attachments import (
    another,
    attachment_of,
    change,
    check_claim,
    known,
    record,
    replace,
    status_with,
)
from domain.aggregates.volume.detaching import AttachmentAbandoned, AttachmentRemoved
from domain.aggregates.volume.volume import Volume, evolves
from domain.errors import InvalidRequest, OutOfStep
from domain.event import Event, Moment, event
from domain.machines.attachment import CONNECTED, CONNECTING, LEAVING

MODES = ("rw", "ro")


@event("volume.attachment_connection_requested")
class ConnectionRequested(Event, frozen=True):
    """The backend shall let a node reach it. If `passing`, nothing is to stay should that fail."""

    host: str
    attachment_id: str
    connector: dict[str, Any]
    mode: str
    passing: bool
    attach_status: str


@event("volume.attachment_connection_started")
class ConnectionStarted(Event, frozen=True):
    """A worker of the backend claimed the work; a later attempt supersedes an earlier one."""

    host: str
    attachment_id: str
    worker: str
    attempt: int


@event("volume.attachment_connected")
class Connected(Event, frozen=True):
    """The node can reach it; `connection` is Cinder's connection_info."""

    host: str
    attachment_id: str
    attempt: int
    node: str | None
    device: str | None
    mode: str
    connection: dict[str, Any]
    attach_status: str


@event("volume.attachment_connector_refused")
class ConnectorRefused(Event, frozen=True):
    """What was said of the node is not enough to connect it. It is reserved as before."""

    host: str
    attachment_id: str
    attempt: int
    reason: str
    attach_status: str


@event("volume.attachment_connection_failed")
class ConnectionFailed(Event, frozen=True):
    """The backend could not connect it; the volume is kept for it no longer."""

    host: str
    attachment_id: str
    attempt: int
    reason: str
    attach_status: str


OUTCOMES = (Connected, ConnectorRefused, ConnectionFailed, AttachmentAbandoned, AttachmentRemoved)
"""What may become of a wish to be connected."""


def connect(
    volume: Volume,
    attachment_id: UUID,
    connector: Mapping[str, Any],
    *,
    passing: bool = False,
    at: Moment,
) -> None:
    """Wants its node connected; asked twice for the same while that is under way, it is one wish.

    Raises NotFound, NotAllowed, InvalidRequest for a mode that there is not, OutOfStep if the
    volume is in error, or if another server has it and it is not to be shared.
    """
    attachment = attachment_of(volume, attachment_id)
    if "error" in volume.status:
        raise OutOfStep(f"Volume {volume.id} is {volume.status}: it cannot be connected.")
    _check_alone(volume, attachment, connector)
    _request(volume, attachment, connector, passing=passing, at=at)


def connect_node(volume: Volume, connector: Mapping[str, Any], at: Moment) -> UUID:
    """Wants a node connected without attaching it (os-initialize_connection); the id of the
    connection, of which a node has one at most. Raises as `connect`."""
    fresh = Attachment(id=str(uuid5(volume.id, f"connection after {volume.version}")))
    attachment = connection_of(volume, connector) or fresh
    _request(volume, attachment, connector, passing=True, at=at)
    return UUID(attachment.id)


def connection_of(volume: Volume, connector: Mapping[str, Any]) -> Attachment | None:
    """A node's connection by the action. Raises InvalidRequest if no node is named."""
    node = node_in(connector)
    for each in volume.attachments.values():
        if not each.shown and each.connector["host"] == node and each.state not in LEAVING:
            return each
    return None


def node_in(connector: Mapping[str, Any]) -> str:
    """The name of the node. Raises InvalidRequest if there is none."""
    host = connector.get("host")
    if not isinstance(host, str) or not host.strip():
        raise InvalidRequest("The connector does not say which host is to be connected.")
    return host


def start(volume: Volume, attachment_id: UUID, worker: str, at: Moment) -> int:
    """Claims the connecting and returns the attempt's number. Raises NotAllowed if it is done, or
    not wanted any more."""
    claimed = known(volume, attachment_id)
    attempt = claimed.attempt + 1 if claimed else 1
    record(
        volume,
        ConnectionStarted(
            host=volume.held_by(),
            attachment_id=str(attachment_id),
            worker=worker,
            attempt=attempt,
        ),
        at,
    )
    return attempt


def connected(
    volume: Volume, attachment_id: UUID, attempt: int, connection: Mapping[str, Any], at: Moment
) -> None:
    """The backend did it. Raises Superseded if the claim is no longer this attempt's."""
    attachment = check_claim(volume, attachment_id, attempt, "connecting")
    device = attachment.connector.get("mountpoint")
    record(
        volume,
        Connected(
            host=volume.held_by(),
            attachment_id=attachment.id,
            attempt=attempt,
            node=node_in(attachment.connector),
            device=device if isinstance(device, str) else None,
            mode=attachment.connected_mode,
            connection=dict(connection),
            attach_status=status_with(volume, attachment.id, "connected"),
        ),
        at,
    )


def refused(volume: Volume, attachment_id: UUID, attempt: int, reason: str, *, at: Moment) -> None:
    """The connector will not do. Raises Superseded as `connected`."""
    attachment = check_claim(volume, attachment_id, attempt, "connecting")
    if attachment.connection:  # by another connector, which is now the backend's to forget
        failed(volume, attachment_id, attempt, reason, at=at)
        return
    record(
        volume,
        ConnectorRefused(
            host=volume.held_by(),
            attachment_id=attachment.id,
            attempt=attempt,
            reason=reason,
            attach_status=status_with(volume, attachment.id, "reserved"),
        ),
        at,
    )


def failed(volume: Volume, attachment_id: UUID, attempt: int, reason: str, *, at: Moment) -> None:
    """The backend could not. Raises Superseded as `connected`."""
    attachment = check_claim(volume, attachment_id, attempt, "connecting")
    record(
        volume,
        ConnectionFailed(
            host=volume.held_by(),
            attachment_id=attachment.id,
            attempt=attempt,
            reason=reason,
            attach_status=status_with(volume, attachment.id, "error_attaching", released=True),
        ),
        at,
    )


def _request(
    volume: Volume,
    attachment: Attachment,
    connector: Mapping[str, Any],
    *,
    passing: bool,
    at: Moment,
) -> None:
    node_in(connector)
    volume.check_stays("connect")
    mode = "ro" if volume.readonly else attachment.mode or connector.get("mode") or "rw"
    if mode not in MODES:
        raise InvalidRequest(f"Attach mode {mode!r} is not one of {', '.join(MODES)}.")
    same = (attachment.connector, attachment.connected_mode) == (dict(connector), mode)
    if attachment.state in CONNECTING and same:
        return
    record(
        volume,
        ConnectionRequested(
            host=volume.held_by(),
            attachment_id=attachment.id,
            connector=dict(connector),
            mode=mode,
            passing=passing,
            attach_status=status_with(volume, attachment.id, "connection_requested"),
        ),
        at,
    )


def _check_alone(volume: Volume, attachment: Attachment, connector: Mapping[str, Any]) -> None:
    """One connection only, unless volumes of its type are shared or its server is moving."""
    if volume.multiattach:
        return
    for other in another(volume, attachment):
        moving = other.server_id is not None and other.server_id == attachment.server_id
        if other.state in (*CONNECTING, *CONNECTED) and not (
            moving and other.connector.get("host") != connector.get("host")
        ):
            raise OutOfStep(
                f"Volume {volume.id} is connected for attachment {other.id} already, and volumes"
                " of its type are not shared."
            )


@evolves(ConnectionRequested)
def _requested(volume: Volume, event: ConnectionRequested, at: Moment) -> None:
    id = event.attachment_id
    before = volume.attachments.get(id) or Attachment(id=id)
    after = msgspec.structs.replace(
        before, connector=event.connector, connected_mode=event.mode, passing=event.passing
    )
    replace(volume, after, event, at)


@evolves(ConnectionStarted)
def _started(volume: Volume, event: ConnectionStarted, at: Moment) -> None:
    change(volume, event, at, attempt=event.attempt)
    volume.keeps_image_near = None  # it may hold something else from now on


@evolves(Connected)
def _connected(volume: Volume, event: Connected, at: Moment) -> None:
    change(
        volume,
        event,
        at,
        connection=event.connection,
        node=event.node,
        device=event.device,
        attached_at=at.at,
        passing=False,
    )


@evolves(ConnectorRefused)
def _refused(volume: Volume, event: ConnectorRefused, at: Moment) -> None:
    change(volume, event, at, connector={})


@evolves(ConnectionFailed)
def _failed(volume: Volume, event: ConnectionFailed, at: Moment) -> None:
    change(volume, event, at, connection={}, released=True)
