"""What a volume is made from is held for as long as it is being made, and no longer."""

import pytest

from domain.aggregates.volume import SourceReleased, Volume, giving_up, resetting
from domain.aggregates.volume.volume import BEING_MADE
from tests.support.builders import NO_PLACE, PATHS, a_copy, a_moment, a_snapshot, bare

NOW = a_moment(60)


def a_copy_in(state: str) -> Volume:
    copy = a_copy(2, a_snapshot())
    for step in PATHS[state]:
        step(copy)
    return copy


def released(copy: Volume) -> int:
    return sum(isinstance(each, SourceReleased) for each in bare(copy.pending))


@pytest.mark.parametrize("state", PATHS)
def test_it_is_released_once_when_the_making_has_ended_however_that_came_about(state):
    copy = a_copy_in(state)
    being_made = state in BEING_MADE
    assert copy.holds_source is being_made
    assert released(copy) == (0 if being_made else 1)
    assert Volume.from_history(copy.id, copy.pending).holds_source is being_made


@pytest.mark.parametrize(
    "end",
    [
        lambda v: v.place(NO_PLACE, NOW),
        lambda v: v.request_deletion(NOW),
        lambda v: resetting.reset(v, "error", NOW),
        lambda v: giving_up.end_waiting(v, "nobody came", NOW),
    ],
)
def test_also_when_it_is_never_begun(end):
    copy = a_copy_in("requested")
    end(copy)
    assert released(copy) == 1


def test_it_is_held_while_another_backend_tries():
    copy = a_copy_in("provisioning")
    copy.provisioning_failed(copy.attempt, "full", NOW, elsewhere=True)
    assert (copy.state, copy.holds_source) == ("requested", True)
