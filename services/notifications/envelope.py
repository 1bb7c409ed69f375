"""How notifications travel: OpenStack's own envelope within a CloudEvent."""

from datetime import datetime
from typing import Generic, Literal, TypeVar
from uuid import UUID, uuid5

import msgspec

from adapters.bus.port import Message
from domain.event import Event, Recorded
from services.notifications.catalogue import Notice, Priority

STREAM = "notifications"

P = TypeVar("P")

_SOURCE = "lapilli/notifications"
_NAMESPACE = UUID("0f7a5e0c-6f3a-5d0e-9c52-7a0d1c0b9e11")
"""Of message ids: any constant will do, as long as it never changes."""

_encoder = msgspec.json.Encoder()


class OpenStackNotification(
    msgspec.Struct,
    Generic[P],
    frozen=True,
    kw_only=True,
    rename={
        "request_id": "_context_request_id",
        "user_id": "_context_user_id",
        "project_id": "_context_project_id",
    },
):
    """A notification as oslo.messaging writes it, for consumers that know OpenStack's."""

    message_id: UUID
    publisher_id: str
    """`volume.<host@backend>` or `scheduler.<…>`; `lapilli` where no backend is concerned."""
    event_type: str
    priority: Priority
    payload: P
    timestamp: str
    """UTC, as `2030-01-02 08:00:00.000000`."""
    request_id: str
    user_id: str
    project_id: str


class Notification(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """A CloudEvent, version 1.0.2, with the extension attributes of those of the log."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    """`<aggregate id>:<version>:<type>`: always the same for the same notification."""
    source: str = _SOURCE
    type: str
    """Cinder's event type."""
    subject: str
    """Id of what it is about."""
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    requestid: str
    userid: str
    projectid: str
    causationid: str
    """`<aggregate id>:<version>` of the event that it tells of."""
    data: OpenStackNotification[P]


def message(
    recorded: Recorded[Event], notice: Notice, payload: msgspec.Struct, *, part: int
) -> Message:
    """The notification as it is published: the same bytes whenever it is made from the log."""
    moment, event_type = recorded.moment, notice.event_type
    id = f"{recorded.id}:{event_type}"
    return Message(
        position=recorded.position,
        part=part,
        own_id=id,
        subject=f"lapilli_{STREAM}.{event_type}.{recorded.aggregate_id}",
        payload=_encoder.encode(
            Notification(
                id=id,
                type=event_type,
                subject=str(recorded.aggregate_id),
                time=moment.at,
                requestid=moment.request_id,
                userid=moment.actor.user_id,
                projectid=moment.actor.project_id,
                causationid=recorded.id,
                data=OpenStackNotification(
                    message_id=uuid5(_NAMESPACE, id),
                    publisher_id=_publisher(event_type, payload),
                    event_type=event_type,
                    priority=notice.priority,
                    payload=payload,
                    timestamp=moment.at.replace(tzinfo=None).isoformat(" ", "microseconds"),
                    request_id=moment.request_id,
                    user_id=moment.actor.user_id,
                    project_id=moment.actor.project_id,
                ),
            )
        ),
    )


def _publisher(event_type: str, payload: msgspec.Struct) -> str:
    service = "scheduler" if event_type.startswith("scheduler.") else "volume"
    host: str = getattr(payload, "host", None) or "lapilli"
    return f"{service}.{host.partition('#')[0]}"
