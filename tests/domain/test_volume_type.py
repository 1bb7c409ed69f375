"""A volume type of the catalogue."""

import msgspec
import pytest

from domain.aggregates import volume_type as events
from domain.aggregates.volume_type import VolumeType
from domain.errors import NotAllowed
from tests.support.builders import A_TYPE, a_moment, bare


def a_type() -> VolumeType:
    return VolumeType.create(
        A_TYPE,
        name="gold",
        description="fast",
        is_public=False,
        extra_specs={"volume_backend_name": "gold"},
        at=a_moment(),
    )


def test_a_type_is_created_with_all_that_was_said():
    assert bare(a_type().pending) == [
        events.Created(
            name="gold",
            description="fast",
            is_public=False,
            extra_specs={"volume_backend_name": "gold"},
        )
    ]
    assert a_type().state == "available"


def test_a_type_is_created_once():
    volume_type = a_type()
    with pytest.raises(NotAllowed):
        volume_type.record(volume_type.pending[0].event, a_moment())


def test_replay_and_snapshots_equal_what_was_lived():
    lived = a_type().settled()
    assert VolumeType.from_history(A_TYPE, a_type().pending) == lived
    assert msgspec.json.decode(msgspec.json.encode(lived), type=VolumeType) == lived
