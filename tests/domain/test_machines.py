"""What is promised of every lifecycle, whatever it is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transitions import MachineError

from domain.aggregates import AGGREGATES
from domain.event import event_types
from domain.lifecycle import NEW, Lifecycle
from domain.machines import LIFECYCLES
from domain.machines.volume import VISIBLE_STATUS, VOLUME

AT_REST = {
    "volume": {
        "available",
        "error",
        "error_deleting",
        "error_extending",
        "error_restoring",
        "unreachable",
        "deleted",
    },
    "volume_operation": {"idle"},
    "attachment": {
        "reserved",
        "connected",
        "attached",
        "error_attaching",
        "error_detaching",
        "removed",
    },
    "backup": {"available", "error", "error_deleting", "deleted"},
    "snapshot": {"available", "error", "error_deleting", "deleted"},
    "remnant": {"removed"},
    "transfer": {"accepted", "withdrawn"},
    "encryption_key": {"available", "destroyed"},
    "move": {"refused", "finished", "failed"},
    "quota_reservation": {"committed", "rolled_back", "expired", "released", "refused"},
    "quota_limits": {"set", "defaults"},
    "volume_type": {"available", "deleted"},
    "qos_specs": {"available", "deleted"},
    "default_type": {"chosen", "none"},
    "service": {"enabled", "disabled"},
    "closures": {"some", "none"},
    "image_cache": {"some", "none"},
    "message": {"dismissed"},
}
"""Where nobody owes anything: each lifecycle must be able to get here from wherever it is."""

CINDER_STATUSES = {
    "creating",
    "downloading",
    "available",
    "error",
    "deleting",
    "error_deleting",
    "error_extending",
    "error_restoring",
    "deleted",
}
PARTS = {cls.inside.name: cls for cls in AGGREGATES.values() if cls.inside is not None}
"""The aggregates that have parts with lives of their own, by the name of the table of those."""

OPERATIONS = {cls.beside.name: cls for cls in AGGREGATES.values() if cls.beside is not None}
"""The aggregates on which things can be under way, by the name of the table that says what."""

each_lifecycle = pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=list(LIFECYCLES))
ANY_LIFECYCLE = st.sampled_from(list(LIFECYCLES.values()))


def reachable(lifecycle: Lifecycle, start: str) -> set[str]:
    """Every state that some sequence of events leads to from `start`, itself included."""
    found, open_ = {start}, [start]
    while open_:
        state = open_.pop()
        for source, _, target in lifecycle.edges():
            if source == state and target not in found:
                found.add(target)
                open_.append(target)
    return found


def test_every_aggregate_has_its_lifecycle_listed_under_its_kind():
    beside = {name: cls.beside for name, cls in OPERATIONS.items()}
    inside = {name: cls.inside for name, cls in PARTS.items()}
    lives = {kind: cls.lifecycle for kind, cls in AGGREGATES.items()}
    assert lives | beside | inside == LIFECYCLES
    assert all(lifecycle.name == name for name, lifecycle in LIFECYCLES.items())


def test_a_state_at_rest_is_declared_for_every_lifecycle():
    assert AT_REST.keys() == LIFECYCLES.keys()


@each_lifecycle
def test_its_events_are_exactly_the_declared_events_of_its_kind(lifecycle):
    owner = (OPERATIONS | PARTS).get(lifecycle.name)
    if owner is not None:  # the life of the same aggregate says when they may happen
        assert set(lifecycle.events) <= set(owner.lifecycle.events)
        return
    declared = {cls.verb for cls in event_types().values() if cls.kind == lifecycle.name}
    assert set(lifecycle.events) == declared


@each_lifecycle
def test_every_state_can_be_reached(lifecycle):
    assert reachable(lifecycle, lifecycle.initial) == set(lifecycle.states)


@each_lifecycle
def test_from_every_state_there_is_a_way_to_rest(lifecycle):
    for state in lifecycle.states:
        assert reachable(lifecycle, state) & AT_REST[lifecycle.name], state


@each_lifecycle
def test_every_state_but_the_final_ones_has_a_way_out(lifecycle):
    left = {source for source, _, target in lifecycle.edges() if source != target}
    assert set(lifecycle.states) - left == lifecycle.final


@each_lifecycle
def test_nothing_at_all_happens_in_a_final_state(lifecycle):
    assert not {source for source, _, _ in lifecycle.edges()} & lifecycle.final


@each_lifecycle
def test_nothing_ever_leads_back_to_before_the_beginning(lifecycle):
    if lifecycle.name not in OPERATIONS:
        assert NEW not in {target for _, _, target in lifecycle.edges()}


@given(lifecycle=ANY_LIFECYCLE, choices=st.data())
def test_wherever_chance_leads_there_is_a_way_on_to_rest(lifecycle, choices):
    state = lifecycle.initial
    for _ in range(choices.draw(st.integers(0, 12), label="steps")):
        onward = sorted({(e, t) for s, e, t in lifecycle.edges() if s == state})
        if not onward:
            break
        _, state = choices.draw(st.sampled_from(onward), label="next")
    resting = AT_REST[lifecycle.name]
    assert state in lifecycle.final or reachable(lifecycle, state) & resting
    if state in lifecycle.final:
        assert state in resting


class Walker:
    """Something for a transitions machine to move."""

    state: str


@each_lifecycle
def test_the_flat_table_agrees_with_the_transitions_machine_everywhere(lifecycle):
    for state in lifecycle.states:
        for event in lifecycle.events:
            walker = Walker()
            lifecycle.machine.add_model(walker, initial=state)
            try:
                walker.trigger(event)  # type: ignore[attr-defined]
                moved: str | None = walker.state
            except MachineError:
                moved = None
            lifecycle.machine.remove_model(walker)
            assert lifecycle.next(event, state) == moved, (event, state)


def test_every_state_of_a_volume_has_a_status_that_cinder_knows():
    assert VISIBLE_STATUS.keys() == set(VOLUME.states) - {NEW}
    assert set(VISIBLE_STATUS.values()) <= CINDER_STATUSES


VISIBLE_MOVES = {
    # Cinder's table (lifecycles 16), and deletion while creating, which only ours can do
    ("creating", "available"),
    ("creating", "error"),
    ("creating", "deleting"),
    # the bytes of its image come; another backend may have to begin anew
    ("creating", "downloading"),
    ("downloading", "creating"),
    ("downloading", "available"),
    ("downloading", "error"),
    ("downloading", "deleting"),
    ("available", "deleting"),
    ("error", "deleting"),
    ("error_deleting", "deleting"),
    ("available", "error_extending"),  # by way of extending, which is an operation
    ("error_extending", "deleting"),
    ("available", "error_restoring"),  # by way of restoring-backup, which is an operation
    ("error_restoring", "deleting"),
    ("available", "error"),  # in use, and its backend cannot export it again
    ("error", "available"),  # it can
    ("deleting", "deleted"),
    ("deleting", "available"),
    ("deleting", "error_deleting"),
}


def test_but_for_what_administrators_say_users_see_a_volume_move_only_along_cinders_transitions():
    seen = {
        (VISIBLE_STATUS[source], VISIBLE_STATUS[target])
        for source, event, target in VOLUME.edges()
        if source != NEW and not event.startswith("reset_to_")
        if VISIBLE_STATUS[source] != VISIBLE_STATUS[target]
    }
    assert seen == VISIBLE_MOVES
