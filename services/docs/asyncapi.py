"""Everything that is published on NATS, described in AsyncAPI 3.0."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from domain.aggregates import AGGREGATES
from domain.codec import CloudEvent
from domain.event import Event, event_types
from services.docs.events import meanings
from services.docs.pages import Page
from services.notifications.catalogue import Notice, every_notice
from services.notifications.envelope import STREAM, Notification

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"

_ABOUT = """\
What Lapilli publishes on NATS JetStream. The stream LAPILLI carries the log: every event, in order,
once. The stream LAPILLI_NOTIFICATIONS tells of operations under the names and with the fields of
Cinder's notifications: in the order of the log, at least once, with the same id each time. Every
message is a CloudEvent in JSON."""

_PARAMETERS = {
    "backend": "`host@backend` that the event concerns, `_` if none; of a host name's bytes those"
    " that separate tokens are written `=2E`.",
    "id": "What it is about.",
}


def page() -> Page:
    """The description of this version."""
    written = msgspec.json.encode(description(), order="deterministic")
    return Page("asyncapi.json", msgspec.json.format(written, indent=2).decode() + "\n")


def description() -> dict[str, Any]:
    """All of it."""
    events = [cls for cls in event_types().values() if cls.kind in AGGREGATES]
    told = every_notice()
    schemas, refs = _schemas(events, told)
    messages = {cls.topic: _log_message(cls, refs) for cls in events}
    messages |= {name: _notice_message(name, of, refs) for name, of in told.items()}
    channels = {f"log.{cls.type_name}": _log_channel(cls) for cls in events}
    channels |= {f"{STREAM}.{name}": _notice_channel(name) for name in told}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lapilli",
            "version": "1.0.0",
            "description": " ".join(_ABOUT.split()),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "nats": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "The servers of the setting `nats.url`; where it is empty, the one"
                " whose address `lapilli serve` writes to `nats.url` in its data directory.",
            }
        },
        "channels": channels,
        "operations": {
            name: {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [
                    {"$ref": f"#/channels/{name}/messages/{message}"}
                    for message in channel["messages"]
                ],
            }
            for name, channel in channels.items()
        },
        "components": {
            "messages": messages,
            "schemas": schemas,
            "parameters": {name: {"description": text} for name, text in _PARAMETERS.items()},
            "correlationIds": {
                "request": {
                    "description": "The API request at the beginning of the chain.",
                    "location": "$message.payload#/requestid",
                }
            },
        },
    }


def _log_channel(cls: type[Event]) -> dict[str, Any]:
    backend = "{backend}" if "host" in cls.__struct_fields__ else "_"
    return _channel(f"lapilli.{cls.type_name}.{backend}.{{id}}", cls.topic)


def _notice_channel(name: str) -> dict[str, Any]:
    return _channel(f"lapilli_{STREAM}.{name}.{{id}}", name)


def _channel(address: str, message: str) -> dict[str, Any]:
    return {
        "address": address,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "parameters": {
            name: {"$ref": f"#/components/parameters/{name}"}
            for name in _PARAMETERS
            if f"{{{name}}}" in address
        },
        "servers": [{"$ref": "#/servers/nats"}],
    }


def _log_message(cls: type[Event], refs: Mapping[type, Schema]) -> dict[str, Any]:
    envelope = {
        "required": ["specversion", "datacontenttype"],
        "properties": {
            "specversion": {"const": "1.0"},
            "type": {"const": cls.type_name},
            "schemaversion": {"const": cls.schema_version},
            "data": refs[cls],
        },
    }
    return _message(cls.topic, _summary(cls), [refs[CloudEvent], envelope])


def _notice_message(
    name: str, of: Iterable[tuple[type[Event], Notice]], refs: Mapping[Any, Schema]
) -> dict[str, Any]:
    [payload] = {notice.payload for _, notice in of}
    [priority] = {notice.priority for _, notice in of}
    causes = ", ".join(f"`{cls.type_name}`" for cls, _ in of)
    envelope = {
        "required": ["specversion", "datacontenttype", "source"],
        "properties": {
            "type": {"const": name},
            "data": {
                "properties": {"event_type": {"const": name}, "priority": {"const": priority}}
            },
        },
    }
    return _message(name, f"Told because of {causes}.", [refs[_enveloped(payload)], envelope])


def _message(name: str, summary: str, all_of: list[Schema]) -> dict[str, Any]:
    return {
        "name": name,
        "summary": summary,
        "payload": {"allOf": all_of},
        "headers": {
            "type": "object",
            "required": ["Nats-Msg-Id"],
            "properties": {"Nats-Msg-Id": {"type": "string", "description": "As `id`."}},
        },
        "correlationId": {"$ref": "#/components/correlationIds/request"},
    }


def _schemas(
    events: list[type[Event]], told: Mapping[str, list[tuple[type[Event], Notice]]]
) -> tuple[dict[str, Schema], dict[Any, Schema]]:
    """Every schema by its name, and a reference to that of each type.

    Those of events are named for what they are, and not for where they are declared.
    """
    payloads = list(dict.fromkeys(notice.payload for of in told.values() for _, notice in of))
    types: list[Any] = [*events, CloudEvent, *map(_enveloped, payloads)]
    found, named = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    refs = dict(zip(types, found, strict=True))
    renamed = {refs[cls]["$ref"]: _REFERENCE.format(name=cls.topic) for cls in events}
    said = {cls.__name__: meanings(cls) for cls in payloads}
    schemas: dict[str, Schema] = {}
    for name, schema in named.items():
        target = renamed.get(_REFERENCE.format(name=name), _REFERENCE.format(name=name))
        schemas[target.rpartition("/")[2]] = _moved(_explained(schema, said.get(name, {})), renamed)
    for cls in events:
        refs[cls] = {"$ref": renamed[refs[cls]["$ref"]]}
        _explained(schemas[cls.topic], meanings(cls))
    return schemas, refs


def _enveloped(payload: type) -> Any:
    """The envelope with this payload."""
    return Notification[payload]  # type: ignore[valid-type]


def _explained(schema: Schema, said: Mapping[str, str]) -> Schema:
    """The schema with what each of its fields means."""
    for field, meaning in said.items():
        if meaning:
            schema["properties"][field]["description"] = meaning
    return schema


def _moved(value: Any, renamed: Mapping[str, str]) -> Any:
    """The schema with its references to those that have another name."""
    if isinstance(value, dict):
        return {
            key: renamed.get(inner, inner) if key == "$ref" else _moved(inner, renamed)
            for key, inner in value.items()
        }
    return [_moved(inner, renamed) for inner in value] if isinstance(value, list) else value


def _summary(cls: type) -> str:
    return " ".join((cls.__doc__ or "").split())
