"""Attaching: a volume is reserved for somebody, and in the end in use (lifecycles 7)."""

from uuid import UUID

from domain.aggregates.volume import holding
from domain.aggregates.volume.attachment import Attachment
from domain.aggregates.volume.attachments import (
    attachment_of,
    change,
    record,
    replace,
    status_with,
)
from domain.aggregates.volume.volume import Volume, evolves
from domain.errors import InvalidRequest
from domain.event import Event, Moment, event


@event("volume.attachment_reserved")
class AttachmentReserved(Event, frozen=True):
    """The volume is kept for a server, or for whoever asked. `mode` None: as the connector says."""

    attachment_id: str
    project_id: str
    server_id: str | None
    mode: str | None
    attach_status: str


@event("volume.attachment_completed")
class AttachmentCompleted(Event, frozen=True):
    """The node uses it."""

    attachment_id: str
    attach_status: str


@event("volume.attached")
class Attached(Event, frozen=True):
    """A server or node uses it, by the action os-attach, which asks nothing of the backend."""

    attachment_id: str
    project_id: str
    server_id: str | None
    node: str | None
    device: str
    mode: str
    attach_status: str


def reserve(
    volume: Volume, attachment_id: UUID, *, server_id: str | None, mode: str | None, at: Moment
) -> None:
    """Keeps it for somebody. Raises NotAllowed if it is not free to be attached (once more)."""
    _check_free(volume, server_id)
    record(
        volume,
        AttachmentReserved(
            attachment_id=str(attachment_id),
            project_id=volume.project_id,
            server_id=server_id,
            mode=mode,
            attach_status=status_with(volume, str(attachment_id), "reserved", shown=True),
        ),
        at,
    )


def complete(volume: Volume, attachment_id: UUID, at: Moment) -> None:
    """Its node uses it; said again, nothing is recorded. Raises NotFound, NotAllowed unless it is
    connected."""
    attachment = attachment_of(volume, attachment_id)
    if attachment.state == "attached":
        return
    record(
        volume,
        AttachmentCompleted(
            attachment_id=attachment.id,
            attach_status=status_with(volume, attachment.id, "attached"),
        ),
        at,
    )


def attach(
    volume: Volume,
    attachment_id: UUID,
    *,
    server_id: str | None,
    node: str | None,
    device: str,
    mode: str,
    at: Moment,
) -> None:
    """A server or node uses it from now on; where it does already, nothing is recorded.

    Raises NotAllowed unless it is free, or reserved by the action, InvalidRequest for a mode that a
    read-only volume does not permit.
    """
    if any(_is_of(each, server_id, node) for each in volume.attachments.values()):
        holding.end_reservation(volume, at)
        return
    volume.check_stays("attach")
    if volume.readonly and mode != "ro":
        raise InvalidRequest(f"Volume {volume.id} is read-only and cannot be attached as {mode!r}.")
    shared = volume.multiattach and volume.status == "in-use"
    if volume.operation != "attaching" and volume.status != "available" and not shared:
        raise volume.not_allowed("attach", ("available", "attaching"))
    holding.end_reservation(volume, at)
    id = str(attachment_id)
    record(
        volume,
        Attached(
            attachment_id=id,
            project_id=volume.project_id,
            server_id=server_id,
            node=node,
            device=device,
            mode=mode,
            attach_status=status_with(volume, id, "attached", shown=True),
        ),
        at,
    )


def _check_free(volume: Volume, server_id: str | None) -> None:
    """A server that has it may have it again: that is how servers move between nodes."""
    volume.check_stays("reserve")
    if volume.status == "available" or (volume.multiattach and volume.status == "in-use"):
        return
    its = server_id is not None and any(
        each.server_id == server_id and each.holds for each in volume.attachments.values()
    )
    if not its or volume.status not in ("in-use", "reserved"):
        allowed = ("available", "in-use") if volume.multiattach else ("available",)
        raise volume.not_allowed("reserve", allowed)


def _is_of(attachment: Attachment, server_id: str | None, node: str | None) -> bool:
    if attachment.state != "attached":
        return False
    if server_id is not None:
        return attachment.server_id == server_id
    return attachment.server_id is None and attachment.node == node


@evolves(AttachmentReserved)
def _reserved(volume: Volume, event: AttachmentReserved, at: Moment) -> None:
    fresh = Attachment(
        id=event.attachment_id, shown=True, server_id=event.server_id, mode=event.mode
    )
    replace(volume, fresh, event, at)


@evolves(Attached)
def _attached(volume: Volume, event: Attached, at: Moment) -> None:
    fresh = Attachment(
        id=event.attachment_id,
        shown=True,
        server_id=event.server_id,
        node=event.node,
        device=event.device,
        mode=event.mode,
        connected_mode=event.mode,
        attached_at=at.at,
    )
    replace(volume, fresh, event, at)


@evolves(AttachmentCompleted)
def _completed(volume: Volume, event: AttachmentCompleted, at: Moment) -> None:
    change(volume, event, at)
