"""The attachments within a volume: finding one, and recording what happens to it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.volume.attachment import Attachment, attach_status
from domain.aggregates.volume.volume import Volume
from domain.errors import NotAllowed, NotFound, Superseded
from domain.event import Moment
from domain.lifecycle import NEW
from domain.machines.attachment import ATTACHMENT, VISIBLE


def known(volume: Volume, id: UUID) -> Attachment | None:
    """The attachment, if there is one."""
    return volume.attachments.get(str(id))


def attachment_of(volume: Volume, id: UUID) -> Attachment:
    """The attachment. Raises NotFound."""
    found = known(volume, id)
    if found is None:
        raise NotFound(kind="attachment", id=str(id))
    return found


def another(volume: Volume, attachment: Attachment) -> Iterator[Attachment]:
    """The others that users see."""
    return (each for each in volume.attachments.values() if each.shown and each.id != attachment.id)


def check_claim(volume: Volume, id: UUID, attempt: int, claimed: str) -> Attachment:
    """The attachment. Raises Superseded unless this attempt is at work on it."""
    found = known(volume, id)
    if found is None or (found.state, found.attempt) != (claimed, attempt):
        raise Superseded(kind="attachment", id=str(id), attempt=attempt)
    return found


def status_with(volume: Volume, id: str, state: str, **changes: Any) -> str:
    """The volume's attach_status once this attachment is in that state."""
    before = volume.attachments.get(id) or Attachment(id=id)
    after = msgspec.structs.replace(before, state=state, **changes)
    return attach_status({**volume.attachments, id: after}.values())


def record(volume: Volume, event: Any, at: Moment) -> None:
    """Decides that this happens to an attachment. Raises NotAllowed where its lifecycle forbids
    it, or the volume's does."""
    id: str = event.attachment_id
    before = volume.attachments.get(id)
    state = before.state if before else NEW
    if ATTACHMENT.next(event.verb, state) is None:
        raise NotAllowed(
            kind="attachment",
            id=id,
            state=VISIBLE.get(state, "not there"),
            event=event.verb.removeprefix("attachment_"),
        )
    volume.record(event, at)


def replace(volume: Volume, attachment: Attachment, event: Any, at: Moment) -> None:
    """Evolves the volume: the attachment is now so, in the state that the event leads to."""
    state = ATTACHMENT.next(event.verb, attachment.state) or attachment.state
    since = attachment.since if state == attachment.state else at.at
    moved = msgspec.structs.replace(attachment, state=state, since=since)
    volume.attachments = {**volume.attachments, moved.id: moved}
    volume.attach_status = getattr(event, "attach_status", volume.attach_status)


def change(volume: Volume, event: Any, at: Moment, **fields: Any) -> None:
    """As `replace`, of one that is there already."""
    before = volume.attachments[event.attachment_id]
    replace(volume, msgspec.structs.replace(before, **fields), event, at)
