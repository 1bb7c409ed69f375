"""Decisions about a move, and what it promises and leaves."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import move as moves
from domain.aggregates.move import Move
from domain.errors import LapilliError, NotAllowed, Superseded
from domain.machines.move import MOVE
from domain.placement import Origin, Promise, Request, place
from domain.promises import PoolLedger, changes
from tests.support.builders import A_TYPE, HOST, PROJECT, THERE, a_moment, a_pool, an_id, bare

NOW = a_moment(60)
Step = Callable[[Move], Any]


def a_move(*, only: str | None = None, may_stay: bool = True) -> Move:
    return Move.request(
        an_id(0x30),
        volume_id=an_id(1),
        project_id=PROJECT,
        size_gib=2,
        from_host=HOST,
        volume_type_id=str(A_TYPE),
        number=2,
        zones=[],
        only=only,
        may_stay=may_stay,
        at=NOW,
    )


def to(*pools: str) -> Step:
    request = Request(size_gib=2, origin=Origin(pool=HOST, may_stay=True))
    return lambda move: move.place(place([a_pool(pool) for pool in pools], request), NOW)


def start(move: Move) -> int:
    return move.start("worker-1", NOW, host=move.host or "")


PATHS: dict[str, list[Step]] = {
    "requested": [],
    "placed": [to(THERE)],
    "placed, to stay": [to(HOST)],
    "refused": [to()],
    "moving": [to(THERE), start],
    "moving, to stay": [to(HOST), start],
    "completing": [to(THERE), start, lambda m: m.copied(m.attempt, NOW)],
    "finished": [to(THERE), start, lambda m: m.finish(m.attempt, NOW)],
    "failed": [to(THERE), start, lambda m: m.fail(m.attempt, "broken", NOW)],
}


def a_move_that_is(state: str, **given: Any) -> Move:
    move = a_move(**given)
    for step in PATHS[state]:
        step(move)
    assert move.state == state.partition(",")[0]
    return move.settled()


DECISIONS: dict[str, Step] = {
    "place": to(THERE),
    "place nowhere": to(),
    "start": start,
    "start elsewhere": lambda m: m.start("worker-1", NOW, host="host9@blue#pool1"),
    "copied": lambda m: m.copied(m.attempt, NOW),
    "copied, late": lambda m: m.copied(m.attempt - 1, NOW),
    "finish": lambda m: m.finish(m.attempt, NOW),
    "finish, late": lambda m: m.finish(m.attempt - 1, NOW),
    "fail": lambda m: m.fail(m.attempt, "broken", NOW),
    "fail, late": lambda m: m.fail(m.attempt - 1, "broken", NOW),
    "give up": lambda m: m.give_up("too late", NOW),
}

LEGAL: dict[str, dict[str, str]] = {
    "place": {"requested": "placed"},
    "place nowhere": {"requested": "refused"},
    "start": dict.fromkeys(
        ["placed", "placed, to stay", "moving", "moving, to stay", "completing"], "started"
    ),
    "copied": {"moving": "copied", "moving, to stay": "copied"},
    "finish": dict.fromkeys(["moving", "moving, to stay", "completing"], "finished"),
    "fail": {"moving": "failed", "moving, to stay": "declined", "completing": "failed"},
    "give up": dict.fromkeys(
        ["requested", "placed", "placed, to stay", "moving", "moving, to stay", "completing"],
        "failed",
    ),
}
"""Each decision with what follows where it may be taken; everywhere else it is refused."""


@pytest.mark.parametrize("state", PATHS)
@pytest.mark.parametrize("decision", DECISIONS)
def test_every_decision_in_every_state_leads_to_its_event_or_is_refused(decision, state):
    move = a_move_that_is(state)
    before = move.settled()
    expected = LEGAL.get(decision, {}).get(state)
    if expected is not None:
        DECISIONS[decision](move)
        assert [r.event.verb for r in move.pending] == [expected]
    else:
        with pytest.raises((NotAllowed, Superseded)):
            DECISIONS[decision](move)
        assert move == before


def test_a_move_that_may_only_stay_ends_when_its_backend_declines():
    move = a_move_that_is("moving, to stay", only=HOST)
    move.fail(move.attempt, "it cannot be made thick", NOW)
    assert move.state == "failed"


def test_a_move_that_may_go_elsewhere_is_placed_again_when_its_backend_declines():
    move = a_move_that_is("moving, to stay")
    move.fail(move.attempt, "it cannot be made thick", NOW)
    assert (move.state, move.host) == ("requested", None)
    assert move.declined == "it cannot be made thick"


def test_the_result_of_an_attempt_in_its_own_pool_is_not_taken_for_one_elsewhere():
    move = a_move_that_is("moving, to stay")
    late = move.attempt
    move.fail(late, "it cannot be made thick", NOW)
    for step in PATHS["moving"]:
        step(move)
    with pytest.raises(Superseded):
        move.finish(late, NOW)


def test_a_claim_can_be_taken_over_and_then_only_the_newer_one_counts():
    move = a_move_that_is("completing")
    first, second = move.attempt, start(move)
    with pytest.raises(Superseded):
        move.finish(first, NOW)
    move.finish(second, NOW)


@pytest.mark.parametrize(
    ("state", "left"),
    [
        ("requested", False),
        ("placed", False),
        ("placed, to stay", False),
        ("moving", True),
        ("moving, to stay", False),
        ("completing", True),
    ],
)
def test_only_where_a_worker_was_at_it_something_can_be_left(state, left):
    move = a_move_that_is(state)
    move.give_up("too late", NOW)
    assert move.left_something is left


@given(steps=st.lists(st.sampled_from(sorted(DECISIONS)), max_size=12))
def test_whatever_is_decided_replay_equals_what_was_lived_and_the_target_is_never_owed(steps):
    lived = a_move()
    for name in [*steps, "give up"]:
        try:
            DECISIONS[name](lived)
        except LapilliError:
            continue
    assert Move.from_history(lived.id, lived.pending) == lived.settled()
    assert lived.state in MOVE.final
    ledger = PoolLedger()
    ledger.take(changes(bare(lived.pending)))
    assert ledger.of(THERE) == (Promise(2, 1) if lived.state == "finished" else Promise())


def test_a_change_in_its_own_pool_is_promised_no_second_time():
    for state in ("placed, to stay", "moving, to stay"):
        move = a_move()
        for step in PATHS[state]:
            step(move)
        move.give_up("too late", NOW)
        assert changes(bare(move.pending)) == []


def test_events_say_all_that_a_read_model_needs():
    """Which volume it is of, wherever it is in its life."""
    for state in PATHS:
        move = a_move()
        for step in PATHS[state]:
            step(move)
        assert {r.event.volume_id for r in move.pending} == {str(an_id(1))}  # type: ignore[attr-defined]
    assert moves.Started.__struct_fields__[:3] == ("volume_id", "host", "from_host")
