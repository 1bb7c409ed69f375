"""Events as bytes: what was written is read again, in every version, by name and not by place."""

import json
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given

from domain import codec, event
from domain.aggregates import volume
from domain.event import Event, Moment, Recorded
from tests.domain.strategies import recorded
from tests.support.builders import a_moment, a_request, an_id


def again(written: Recorded[Event], *, topic: str | None = None) -> Recorded[Event]:
    """What is read after `written` was stored."""
    return codec.decode(
        aggregate_id=written.aggregate_id,
        version=written.version,
        topic=topic or written.event.topic,
        state=codec.encode(written),
        position=written.position,
    )


@given(recorded())
def test_every_event_is_read_from_the_store_as_it_was_written(written):
    assert again(written) == written


@given(recorded())
def test_every_event_reaches_subscribers_as_it_was_written(written):
    assert codec.from_cloud_event(codec.to_cloud_event(written)) == written


@given(recorded())
def test_what_subscribers_receive_is_a_cloud_event(written):
    envelope = json.loads(codec.to_cloud_event(written))
    required = {"specversion", "id", "source", "type"}
    assert required <= envelope.keys()
    assert all(envelope[name] for name in required)
    assert envelope["specversion"] == "1.0"
    assert envelope["type"] == written.event.type_name
    assert envelope["subject"] == str(written.aggregate_id)
    assert envelope["datacontenttype"] == "application/json"
    assert all(name.isalnum() and name == name.lower() for name in envelope)
    assert not [name for name, value in envelope.items() if value is None]
    assert datetime.fromisoformat(envelope["time"]).tzinfo is not None


def test_the_stored_form_names_who_when_and_why_beside_the_fact():
    (written,) = a_request().pending
    moment = Moment(
        at=datetime(2030, 1, 2, 8, tzinfo=UTC),
        request_id="req-9",
        actor=event.Actor("ann", "a-project"),
        cause="0000:3",
    )
    stored = json.loads(codec.encode(msgspec.structs.replace(written, moment=moment)))
    assert stored.pop("data")["size_gib"] == 2
    assert stored == {
        "at": "2030-01-02T08:00:00Z",
        "request": "req-9",
        "user": "ann",
        "project": "a-project",
        "cause": "0000:3",
    }


def test_an_event_is_named_for_ever_by_its_aggregate_and_version():
    (written,) = a_request(7).pending
    assert written.id == f"{an_id(7)}:1"


def test_fields_of_a_later_writer_do_not_stop_an_older_reader():
    (written,) = a_request().pending
    stored = json.loads(codec.encode(written))
    stored["data"]["colour"] = "red"
    read = codec.decode(
        aggregate_id=written.aggregate_id,
        version=1,
        topic="volume.requested.v1",
        state=json.dumps(stored).encode(),
    )
    assert read == written


UNREADABLE = [
    ("a type nobody declared", "volume.painted.v1"),
    ("a newer version", "volume.requested.v3"),
    ("a much newer version", "volume.requested.v99"),
    ("no version", "volume.requested"),
    ("no number", "volume.requested.vX"),
    ("nothing", ""),
]


@pytest.mark.parametrize("topic", [t for _, t in UNREADABLE], ids=[n for n, _ in UNREADABLE])
def test_what_this_code_cannot_read_is_refused_by_name(topic):
    (written,) = a_request().pending
    with pytest.raises(codec.UnknownEvent) as unknown:
        codec.decode(
            aggregate_id=written.aggregate_id,
            version=1,
            topic=topic,
            state=codec.encode(written),
        )
    assert unknown.value.topic == topic


@pytest.mark.parametrize("change", [{"type": "volume.painted"}, {"schemaversion": 3}])
def test_an_envelope_that_this_code_cannot_read_is_refused(change):
    (written,) = a_request().pending
    envelope = json.loads(codec.to_cloud_event(written)) | change
    with pytest.raises(codec.UnknownEvent):
        codec.from_cloud_event(json.dumps(envelope).encode())


def test_a_name_is_declared_once():
    with pytest.raises(ValueError, match=r"volume\.requested is declared twice"):

        @event.event("volume.requested")
        class Requested(Event, frozen=True):
            pass

    assert event.event_type("volume.requested") is volume.Requested


# versions: the events below exist only while their test runs


@pytest.fixture
def registry(monkeypatch):
    """Declared types and upcasters, to be added to; all additions are forgotten afterwards."""
    monkeypatch.setattr(event, "_TYPES", event.event_types())
    monkeypatch.setattr(codec, "_UPCASTERS", dict(codec._UPCASTERS))


@pytest.fixture
def painted(registry) -> type[Event]:
    """An event in its third version: v1 had `colour`, v2 `rgb`, v3 `rgb`, `at` and `by`."""

    @event.event("test_wall.painted", version=3)
    class Painted(Event, frozen=True):
        rgb: list[int]
        at: datetime
        by: UUID | None

    @codec.upcasts("test_wall.painted", from_version=1)
    def named_to_rgb(data):
        return {"rgb": {"red": [255, 0, 0]}[data["colour"]]}

    @codec.upcasts("test_wall.painted", from_version=2)
    def with_time(data):
        return {**data, "at": "2030-01-02T08:00:00Z", "by": str(an_id(7))}

    return Painted


TIME = "2030-01-02T08:00:00Z"
VERSIONS = [
    (1, {"colour": "red"}),
    (2, {"rgb": [255, 0, 0]}),
    (3, {"rgb": [255, 0, 0], "at": TIME, "by": str(an_id(7))}),
]


@pytest.mark.parametrize(("version", "data"), VERSIONS)
def test_every_version_ever_written_is_read_as_the_newest(painted, version, data):
    stored = {"at": TIME, "request": "r", "user": "u", "project": "p", "data": data}
    read = codec.decode(
        aggregate_id=an_id(1),
        version=1,
        topic=f"test_wall.painted.v{version}",
        state=json.dumps(stored).encode(),
    )
    expected = painted(rgb=[255, 0, 0], at=datetime(2030, 1, 2, 8, tzinfo=UTC), by=an_id(7))
    assert read.event == expected
    assert again(read) == read


def test_an_old_envelope_is_upcast_too(painted):
    envelope = {
        "specversion": "1.0",
        "id": "5",
        "source": "lapilli",
        "type": "test_wall.painted",
        "subject": str(an_id(1)),
        "time": TIME,
        "schemaversion": 1,
        "aggregateversion": 1,
        "requestid": "r",
        "userid": "u",
        "projectid": "p",
        "data": {"colour": "red"},
    }
    read = codec.from_cloud_event(json.dumps(envelope).encode())
    assert read.event.rgb == [255, 0, 0]  # type: ignore[attr-defined]
    assert read.position == 5


def test_the_newest_version_is_written(painted):
    newest = painted(rgb=[0, 0, 0], at=a_moment().at, by=None)
    assert newest.topic == "test_wall.painted.v3"


def test_events_made_up_by_a_test_are_gone_with_it():
    assert not [name for name in event.event_types() if name.startswith("test_")]
    assert not [name for name, _ in codec._UPCASTERS if name.startswith("test_")]
