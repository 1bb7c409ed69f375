"""What failed attempts leave: until it is known to be gone."""

import pytest

from domain.aggregates.remnant import Remnant, remnant_id
from domain.errors import NotAllowed
from tests.support.builders import HOST, PROJECT, a_moment, an_id


def a_remnant(number: int = 1) -> Remnant:
    """What placement `number` of volume 1 left."""
    return Remnant.leave(
        an_id(1),
        number=number,
        project_id=PROJECT,
        host=HOST,
        size_gib=2,
        reason="full",
        at=a_moment(),
    )


def test_what_was_left_is_removed_once():
    remnant = a_remnant()
    assert (remnant.state, remnant.host, remnant.volume_id) == ("left", HOST, str(an_id(1)))
    remnant.removed(a_moment())
    assert remnant.state == "removed"
    with pytest.raises(NotAllowed):
        remnant.removed(a_moment())


def test_what_was_removed_may_turn_up_again():
    remnant = a_remnant()
    with pytest.raises(NotAllowed):
        remnant.turn_up("late", a_moment())
    remnant.removed(a_moment())
    remnant.turn_up("late", a_moment())
    assert (remnant.state, remnant.host, remnant.volume_id) == ("left", HOST, str(an_id(1)))


def test_every_attempt_of_a_volume_has_a_remnant_of_its_own():
    assert a_remnant(1).id == remnant_id(an_id(1), 1) != remnant_id(an_id(1), 2)
