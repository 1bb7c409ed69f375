"""Events as bytes: the stored form, the CloudEvents envelope, and upcasting from older versions."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.event import Actor, Event, Moment, Recorded, event_type

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

_UPCASTERS: dict[tuple[str, int], Upcaster] = {}


def upcasts(type_name: str, *, from_version: int) -> Callable[[Upcaster], Upcaster]:
    """Registers the step that turns the data of `from_version` into that of the next version."""

    def register(step: Upcaster) -> Upcaster:
        _UPCASTERS[type_name, from_version] = step
        return step

    return register


class UnknownEvent(ValueError):
    """An event that this code cannot read: its type is unknown or its version is newer."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        super().__init__(f"cannot read events of type {topic}")


class _Stored(msgspec.Struct, omit_defaults=True):
    at: datetime
    request: str
    user: str
    project: str
    data: msgspec.Raw
    cause: str | None = None


class CloudEvent(msgspec.Struct, omit_defaults=True):
    """An event of the log as subscribers receive it: https://github.com/cloudevents/spec, version
    1.0.2, with extension attributes of ours."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    schemaversion: int
    aggregateversion: int
    requestid: str
    userid: str
    projectid: str
    data: msgspec.Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    causationid: str | None = None


_SOURCE = "lapilli"
_encoder = msgspec.json.Encoder()
_stored = msgspec.json.Decoder(_Stored)
_cloud_event = msgspec.json.Decoder(CloudEvent)
_decoders: dict[type[Event], msgspec.json.Decoder[Any]] = {}


def encode(recorded: Recorded[Event]) -> bytes:
    """The stored form of an event and its metadata, without its place in the log."""
    moment = recorded.moment
    return _encoder.encode(
        _Stored(
            at=moment.at,
            request=moment.request_id,
            user=moment.actor.user_id,
            project=moment.actor.project_id,
            cause=moment.cause,
            data=msgspec.Raw(_encoder.encode(recorded.event)),
        )
    )


def decode(
    *, aggregate_id: UUID, version: int, topic: str, state: bytes, position: int = 0
) -> Recorded[Event]:
    """What `encode` wrote, in whatever version it was. Raises UnknownEvent."""
    stored = _stored.decode(state)
    type_name, schema_version = _parse(topic)
    return Recorded(
        aggregate_id=aggregate_id,
        version=version,
        event=_event(type_name, schema_version, stored.data),
        moment=Moment(
            at=stored.at,
            request_id=stored.request,
            actor=Actor(stored.user, stored.project),
            cause=stored.cause,
        ),
        position=position,
    )


def to_cloud_event(recorded: Recorded[Event]) -> bytes:
    """The envelope in which subscribers receive an event."""
    event, moment = recorded.event, recorded.moment
    return _encoder.encode(
        {
            "specversion": "1.0",
            "id": str(recorded.position),
            "source": _SOURCE,
            "type": event.type_name,
            "subject": str(recorded.aggregate_id),
            "time": moment.at,
            "datacontenttype": "application/json",
            "schemaversion": event.schema_version,
            "aggregateversion": recorded.version,
            "requestid": moment.request_id,
            "userid": moment.actor.user_id,
            "projectid": moment.actor.project_id,
            **({"causationid": moment.cause} if moment.cause else {}),
            "data": event,
        }
    )


def from_cloud_event(payload: bytes) -> Recorded[Event]:
    """What `to_cloud_event` wrote. Raises UnknownEvent."""
    envelope = _cloud_event.decode(payload)
    return Recorded(
        aggregate_id=UUID(envelope.subject),
        version=envelope.aggregateversion,
        event=_event(envelope.type, envelope.schemaversion, envelope.data),
        moment=Moment(
            at=envelope.time,
            request_id=envelope.requestid,
            actor=Actor(envelope.userid, envelope.projectid),
            cause=envelope.causationid,
        ),
        position=int(envelope.id),
    )


def _parse(topic: str) -> tuple[str, int]:
    type_name, mark, version = topic.rpartition(".v")
    if not mark or not version.isdigit():
        raise UnknownEvent(topic)
    return type_name, int(version)


def _event(type_name: str, version: int, data: msgspec.Raw) -> Event:
    try:
        cls = event_type(type_name)
    except KeyError:
        raise UnknownEvent(f"{type_name}.v{version}") from None
    if version == cls.schema_version:
        return _decoder(cls).decode(data)  # type: ignore[no-any-return]
    if version > cls.schema_version:
        raise UnknownEvent(f"{type_name}.v{version}")
    fields = msgspec.json.decode(data)
    for older in range(version, cls.schema_version):
        fields = _UPCASTERS[type_name, older](fields)
    return msgspec.convert(fields, cls)


def _decoder(cls: type[Event]) -> msgspec.json.Decoder[Any]:
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.json.Decoder(cls)
    return decoder
