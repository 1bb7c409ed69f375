"""The description of what is published: whole, and true of every message that is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest

from adapters.bus.subjects import matches
from domain import codec
from domain.event import event_types
from services.docs.asyncapi import description
from services.notifications.catalogue import NOTICES
from services.subjects import subject_of
from tests.services.notifications.telling import a_log, messages
from tests.services.notifications.test_telling import LIVES

DESCRIBED = description()
GOLDEN = Path(__file__).parents[1] / "domain/golden"
CURRENT = sorted(
    cls.topic for cls in event_types().values() if (GOLDEN / f"{cls.topic}.json").exists()
)


def resolved(reference: str) -> Any:
    """What a reference leads to. KeyError if it leads nowhere."""
    found: Any = DESCRIBED
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def within(value: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    """Every value of the description, with the way to it."""
    yield path, value
    if isinstance(value, dict):
        for key, each in value.items():
            yield from within(each, f"{path}/{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from within(each, f"{path}/{number}")


def channel_of(subject: str) -> str:
    """The only channel whose address is that of a subject."""
    [name] = [
        name
        for name, channel in DESCRIBED["channels"].items()
        if matches(channel["address"].replace("{backend}", "*").replace("{id}", "*"), subject)
    ]
    return str(name)


def problems(subject: str, payload: bytes) -> list[str]:
    """What is wrong with a message, by the description of its channel."""
    [message] = DESCRIBED["channels"][channel_of(subject)]["messages"].values()
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "components": DESCRIBED["components"],
        **resolved(message["$ref"])["payload"],
    }
    validator = jsonschema_rs.validator_for(schema)
    return [str(error) for error in validator.iter_errors(msgspec.json.decode(payload))]


# whole


def test_every_reference_leads_somewhere():
    references = [value for path, value in within(DESCRIBED) if path.endswith("/$ref")]
    assert len(references) > 100
    for reference in references:
        assert resolved(reference)


def test_every_event_that_there_is_is_described_at_its_version():
    assert len(CURRENT) > 40
    assert {*CURRENT} <= DESCRIBED["components"]["messages"].keys()


def test_every_notification_that_there_is_is_described():
    described = DESCRIBED["components"]["messages"].keys()
    assert {n.event_type for notices in NOTICES.values() for n in notices} <= described


def test_every_channel_is_sent_on_and_says_what_its_address_is_made_of():
    assert DESCRIBED["operations"].keys() == DESCRIBED["channels"].keys()
    for name, channel in DESCRIBED["channels"].items():
        variables = {part[1:-1] for part in channel["address"].split(".") if part[0] == "{"}
        assert variables == channel["parameters"].keys(), name


def test_every_schema_and_message_is_used():
    used = {value for path, value in within(DESCRIBED) if path.endswith("/$ref")}
    for part, all_of in DESCRIBED["components"].items():
        for name in all_of:
            assert f"#/components/{part}/{name}" in used


def test_names_do_not_tell_where_something_is_declared():
    assert not [name for name in DESCRIBED["components"]["schemas"] if "domain" in name]


# true


@pytest.mark.parametrize("topic", CURRENT)
def test_an_event_is_published_as_described(topic: str):
    stored = msgspec.json.decode((GOLDEN / f"{topic}.json").read_bytes())
    recorded = codec.decode(
        aggregate_id=UUID(int=1),
        version=1,
        topic=topic,
        state=msgspec.json.encode(stored),
        position=7,
    )
    assert problems(subject_of(recorded), codec.to_cloud_event(recorded)) == []


async def test_notifications_are_published_as_described():
    for message in await messages(await a_log(LIVES)):
        assert problems(message.subject, message.payload) == []


def test_what_is_not_as_described_is_noticed():
    recorded = codec.decode(
        aggregate_id=UUID(int=1),
        version=1,
        topic="remnant.left.v1",
        state=(GOLDEN / "remnant.left.v1.json").read_bytes(),
    )
    sound = msgspec.json.decode(codec.to_cloud_event(recorded))
    for wrong in (
        {**sound, "type": "volume.placed"},
        {**sound, "schemaversion": 2},
        {**sound, "data": {**sound["data"], "size_gib": "one"}},
        {key: value for key, value in sound.items() if key != "specversion"},
    ):
        assert problems(subject_of(recorded), msgspec.json.encode(wrong))
