"""Detaching: the backend lets a node reach a volume no longer, and the attachment is gone."""

from uuid import UUID

from domain.aggregates.volume import holding
from domain.aggregates.volume.attachment import Attachment
from domain.aggregates.volume.attachments import (
    attachment_of,
    change,
    check_claim,
    known,
    record,
    status_with,
)
from domain.aggregates.volume.volume import Volume, evolves
from domain.errors import InvalidRequest, NotAllowed
from domain.event import Event, Moment, event
from domain.machines.attachment import CONNECTING, LEAVING


@event("volume.attachment_removal_requested")
class RemovalRequested(Event, frozen=True):
    """A user wants it gone; its backend shall let the node reach the volume no longer."""

    host: str
    attachment_id: str
    attach_status: str


@event("volume.attachment_abandoned")
class AttachmentAbandoned(Event, frozen=True):
    """Nobody waits for its connection any more. It holds the volume no longer; what the backend
    has of it, or is about to have, is still to go."""

    host: str
    attachment_id: str
    reason: str
    attach_status: str


@event("volume.attachment_disconnection_started")
class DisconnectionStarted(Event, frozen=True):
    """A worker of the backend claimed the work; a later attempt supersedes an earlier one."""

    host: str
    attachment_id: str
    worker: str
    attempt: int


@event("volume.attachment_disconnection_failed")
class DisconnectionFailed(Event, frozen=True):
    """The backend may still let the node reach the volume."""

    host: str
    attachment_id: str
    attempt: int
    reason: str
    attach_status: str


@event("volume.attachment_removed")
class AttachmentRemoved(Event, frozen=True):
    """It is gone, and the backend has nothing of it."""

    attachment_id: str
    attach_status: str


OUTCOMES = (AttachmentRemoved, DisconnectionFailed)
"""What may become of a wish to be detached."""


def request(volume: Volume, attachment_id: UUID, at: Moment) -> None:
    """Wants it gone: at once if the backend has nothing of it, in good time if it is going
    already. Raises NotFound."""
    attachment = attachment_of(volume, attachment_id)
    if attachment.shown:
        holding.end_detaching(volume, at)
    if attachment.state in LEAVING:
        return
    if attachment.state == "reserved":
        removed(volume, attachment_id, at)
        return
    if attachment.state in CONNECTING:
        abandon(volume, attachment_id, "it was deleted", at)
        return
    record(
        volume,
        RemovalRequested(
            host=volume.held_by(),
            attachment_id=attachment.id,
            attach_status=status_with(volume, attachment.id, "removal_requested"),
        ),
        at,
    )


def one_of(volume: Volume, attachment_id: UUID | None) -> Attachment | None:
    """The attachment that is meant; without an id the only one, if there is any.

    Raises NotFound, InvalidRequest if it could be several.
    """
    if attachment_id is not None:
        return attachment_of(volume, attachment_id)
    there = [each for each in volume.attachments.values() if each.shown]
    if len(there) > 1:
        raise InvalidRequest(
            f"Volume {volume.id} has {len(there)} attachments: say which one is to go."
        )
    return there[0] if there else None


def give_up(volume: Volume, attachment_id: UUID, reason: str, at: Moment) -> None:
    """Nobody waits any more for it to be connected. Raises NotFound, NotAllowed if it is by now, or
    is going."""
    attachment = attachment_of(volume, attachment_id)
    if attachment.state not in CONNECTING:
        raise NotAllowed(
            kind="attachment", id=attachment.id, state=attachment.status, event="give_up"
        )
    abandon(volume, attachment_id, reason, at)


def abandon(volume: Volume, attachment_id: UUID, reason: str, at: Moment) -> None:
    """It is to go before it was of use. Raises NotFound, NotAllowed once it is, or is going."""
    attachment = attachment_of(volume, attachment_id)
    record(
        volume,
        AttachmentAbandoned(
            host=volume.held_by(),
            attachment_id=attachment.id,
            reason=reason,
            attach_status=status_with(volume, attachment.id, "removal_requested", released=True),
        ),
        at,
    )


def start(volume: Volume, attachment_id: UUID, worker: str, at: Moment) -> int:
    """Claims the work and returns the attempt's number. Raises NotAllowed if it is gone."""
    claimed = known(volume, attachment_id)
    attempt = claimed.attempt + 1 if claimed else 1
    record(
        volume,
        DisconnectionStarted(
            host=volume.held_by(),
            attachment_id=str(attachment_id),
            worker=worker,
            attempt=attempt,
        ),
        at,
    )
    return attempt


def failed(volume: Volume, attachment_id: UUID, attempt: int, reason: str, at: Moment) -> None:
    """The backend could not. Raises Superseded if the claim is no longer this attempt's."""
    attachment = check_claim(volume, attachment_id, attempt, "disconnecting")
    _not_disconnected(volume, attachment, reason, at)


def end_waiting(volume: Volume, attachment: Attachment, reason: str, at: Moment) -> None:
    """Ends a connecting or disconnecting that nobody goes on with. Otherwise nothing changes."""
    if attachment.state in CONNECTING:
        abandon(volume, UUID(attachment.id), reason, at)
    elif attachment.state in LEAVING:
        _not_disconnected(volume, attachment, reason, at)


def _not_disconnected(volume: Volume, attachment: Attachment, reason: str, at: Moment) -> None:
    record(
        volume,
        DisconnectionFailed(
            host=volume.held_by(),
            attachment_id=attachment.id,
            attempt=attachment.attempt,
            reason=reason,
            attach_status=status_with(volume, attachment.id, "error_detaching"),
        ),
        at,
    )


def removed(volume: Volume, attachment_id: UUID, at: Moment) -> None:
    """The backend has nothing of it; who found that out does not matter. Raises NotAllowed if that
    is known already."""
    id = str(attachment_id)
    if known(volume, attachment_id) is not None:
        status = status_with(volume, id, "removed")
        record(volume, AttachmentRemoved(attachment_id=id, attach_status=status), at)


def let_go(volume: Volume, reason: str, at: Moment) -> None:
    """For the sake of a deletion by force: what is not in use is kept for nobody."""
    for attachment in volume.attachments.values():
        if attachment.state == "reserved":
            removed(volume, UUID(attachment.id), at)
        elif attachment.state in (*CONNECTING, "connected"):
            abandon(volume, UUID(attachment.id), reason, at)


def all_removed(volume: Volume, at: Moment) -> None:
    """The volume is gone from its backend, and with it whatever was attached."""
    for id in volume.attachments:
        removed(volume, UUID(id), at)


@evolves(RemovalRequested)
def _requested(volume: Volume, event: RemovalRequested, at: Moment) -> None:
    change(volume, event, at)


@evolves(AttachmentAbandoned)
def _abandoned(volume: Volume, event: AttachmentAbandoned, at: Moment) -> None:
    change(volume, event, at, released=True)


@evolves(DisconnectionStarted)
def _started(volume: Volume, event: DisconnectionStarted, at: Moment) -> None:
    change(volume, event, at, attempt=event.attempt)


@evolves(DisconnectionFailed)
def _failed(volume: Volume, event: DisconnectionFailed, at: Moment) -> None:
    change(volume, event, at)


@evolves(AttachmentRemoved)
def _removed(volume: Volume, event: AttachmentRemoved, at: Moment) -> None:
    left = dict(volume.attachments)
    del left[event.attachment_id]
    volume.attachments, volume.attach_status = left, event.attach_status
