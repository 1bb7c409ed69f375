"""Every version of every event that was ever written can be read (see golden/README.md)."""

import json

import msgspec
import pytest

from domain import codec
from domain.aggregates import AGGREGATES
from domain.event import Event, Recorded, event_types
from tests.domain.golden import write
from tests.domain.golden.examples import AGGREGATE_ID, EXAMPLES, recorded

FILES = {path.name.removesuffix(".json"): path for path in sorted(write.HERE.glob("*.json"))}

every_file = pytest.mark.parametrize("topic", FILES)


def read(topic: str) -> Recorded[Event]:
    return codec.decode(
        aggregate_id=AGGREGATE_ID, version=7, topic=topic, state=FILES[topic].read_bytes()
    )


@every_file
def test_what_was_written_once_is_read_as_what_it_means_today(topic):
    assert read(topic) == recorded(topic)
    assert codec.encode(read(topic)) == codec.encode(recorded(topic))


@every_file
def test_the_current_version_is_still_written_exactly_like_this(topic):
    if EXAMPLES[topic].topic != topic:
        pytest.skip("an older version, which is only read")
    assert write.pretty(codec.encode(recorded(topic))) == FILES[topic].read_bytes()


@every_file
def test_an_example_of_the_current_version_shows_every_field(topic):
    if EXAMPLES[topic].topic != topic:
        pytest.skip("an older version, which is only read")
    fields = {field.encode_name for field in msgspec.structs.fields(EXAMPLES[topic])}
    assert json.loads(FILES[topic].read_bytes())["data"].keys() == fields


@pytest.mark.parametrize("name", [n for n, c in event_types().items() if c.kind in AGGREGATES])
def test_every_version_of_every_declared_event_has_its_file(name):
    versions = range(1, event_types()[name].schema_version + 1)
    missing = [f"{name}.v{n}" for n in versions if f"{name}.v{n}" not in FILES]
    assert not missing, "add an example, then: python -m tests.domain.golden.write"


def test_every_file_is_of_a_declared_event_and_has_an_example():
    assert FILES.keys() == EXAMPLES.keys()
    assert {topic.rpartition(".v")[0] for topic in FILES} <= event_types().keys()


def test_writing_adds_what_is_missing_and_never_touches_what_is_there(tmp_path):
    precious = tmp_path / "volume.placed.v1.json"
    precious.write_text("precious")
    written = write.main(tmp_path)
    assert precious not in written
    assert precious.read_text() == "precious"
    current = {f"{topic}.json" for topic, example in EXAMPLES.items() if example.topic == topic}
    assert {path.name for path in written} == current - {precious.name}
    assert write.main(tmp_path) == []
