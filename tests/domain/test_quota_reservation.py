"""A quota reservation's decisions."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import quota_reservation as events
from domain.aggregates.quota_reservation import QuotaReservation
from domain.errors import NotAllowed, Over
from tests.support.builders import PROJECT, a_moment, a_reservation, an_id, bare

NOW = a_moment(60)
AMOUNTS = {"volumes": 1, "gigabytes": 2}
DEADLINE_S = 600
OVERS = [Over(resource="volumes", requested=1, limit=10, consumed=10)]


def told(cls: type) -> object:
    """An event about the reservation below."""
    return cls(project_id=PROJECT, subject=str(an_id(1)), amounts=AMOUNTS)


def held() -> QuotaReservation:
    return QuotaReservation.hold(
        a_reservation().id,
        project_id=PROJECT,
        subject=an_id(1),
        subject_kind="volume",
        amounts=AMOUNTS,
        largest_gib=2,
        at=a_moment(),
        lifetime=timedelta(seconds=DEADLINE_S),
    )


def a_past(state: str) -> QuotaReservation:
    reservation = a_reservation(amounts=AMOUNTS)
    match state:
        case "new":
            return QuotaReservation(id=reservation.id)
        case "committed":
            reservation.commit(NOW)
        case "rolled_back":
            reservation.give_back(NOW)
        case "held":
            return held().settled()
        case "expired":
            reservation = held()
            reservation.settle(False, a_moment(DEADLINE_S))
        case "released":
            reservation.commit(NOW)
            reservation = reservation.settled().give_back(NOW)
        case "refused":
            reservation = reservation.refused(OVERS, NOW)
    assert reservation.state == ("reserved" if state == "held" else state)
    return reservation.settled()


STATES = ["new", "reserved", "held", "committed", "rolled_back", "expired", "released", "refused"]
OPEN = ("reserved", "held")


def test_a_reservation_says_what_it_takes_for_whom():
    reservation = a_reservation(amounts=AMOUNTS, largest_gib=2)
    assert bare(reservation.pending) == [
        events.Reserved(project_id=PROJECT, subject=str(an_id(1)), amounts=AMOUNTS, largest_gib=2)
    ]
    assert reservation.state == "reserved"


@pytest.mark.parametrize("state", STATES)
def test_only_what_is_reserved_can_be_committed(state):
    reservation = a_past(state)
    if state in OPEN:
        reservation.commit(NOW)
        assert bare(reservation.pending) == [told(events.Committed)]
        return
    with pytest.raises(NotAllowed):
        reservation.commit(NOW)
    assert reservation.pending == []


@pytest.mark.parametrize("state", STATES)
def test_keeping_what_it_took_commits_what_is_open_and_nothing_else(state):
    reservation = a_past(state)
    reservation.keep(NOW)
    expected = [told(events.Committed)] if state in OPEN else []
    assert bare(reservation.pending) == expected


def test_what_is_held_says_for_what_and_until_when():
    assert bare(held().pending) == [
        events.Held(
            project_id=PROJECT,
            subject=str(an_id(1)),
            subject_kind="volume",
            amounts=AMOUNTS,
            largest_gib=2,
            deadline=a_moment(DEADLINE_S).at,
        )
    ]


SETTLED = [
    # state before, whether it pays for what is there, second, what is recorded
    ("held", True, 1, [events.Committed]),
    ("held", True, DEADLINE_S + 1, [events.Committed]),
    ("held", False, DEADLINE_S - 1, []),
    ("held", False, DEADLINE_S, [events.Expired]),
    ("reserved", True, 1, [events.Committed]),
    ("reserved", False, DEADLINE_S, []),
    *((state, kept, DEADLINE_S, []) for state in STATES if state not in OPEN
      for kept in (True, False)),
]  # fmt: skip


@pytest.mark.parametrize(("state", "kept", "second", "recorded"), SETTLED)
def test_it_is_settled_by_what_it_pays_for_and_expires_only_after_its_deadline(
    state, kept, second, recorded
):
    reservation = a_past(state)
    reservation.settle(kept, a_moment(second))
    assert bare(reservation.pending) == [told(cls) for cls in recorded]


def test_giving_back_an_open_reservation_rolls_it_back():
    reservation = a_past("reserved")
    assert reservation.give_back(NOW) is reservation
    assert bare(reservation.pending) == [told(events.RolledBack)]
    assert reservation.state == "rolled_back"


def test_giving_back_a_committed_one_is_a_release_of_its_own():
    reservation = a_past("committed")
    release = reservation.give_back(NOW)
    assert (reservation.state, reservation.pending) == ("committed", [])
    assert (release.state, bare(release.pending)) == ("released", [told(events.Released)])
    assert release.id != reservation.id


def test_giving_back_twice_writes_the_same_event_of_the_same_aggregate_so_one_must_lose():
    first, second = a_past("committed").give_back(NOW), a_past("committed").give_back(NOW)
    assert first.id == second.id
    assert [r.version for r in first.pending] == [r.version for r in second.pending] == [1]


@pytest.mark.parametrize("state", ["new", "rolled_back", "expired", "released", "refused"])
def test_what_took_nothing_or_gave_it_back_already_has_nothing_to_give(state):
    with pytest.raises(NotAllowed):
        a_past(state).give_back(NOW)


def test_a_refusal_takes_the_place_of_the_reservation_and_tells_by_how_much():
    reservation = a_reservation(amounts=AMOUNTS)
    refusal = reservation.refused(OVERS, NOW)
    assert (refusal.id, refusal.version) == (reservation.id, 1)
    assert bare(refusal.pending) == [
        events.Refused(project_id=PROJECT, subject=str(an_id(1)), amounts=AMOUNTS, overs=OVERS)
    ]


DECISIONS = {
    "commit": lambda reservation: reservation.commit(NOW),
    "keep": lambda reservation: reservation.keep(NOW),
    "give back": lambda reservation: reservation.give_back(NOW),
    "settle": lambda reservation: reservation.settle(False, a_moment(DEADLINE_S)),
}


@given(st.booleans(), st.lists(st.sampled_from(list(DECISIONS)), max_size=6))
def test_replay_and_snapshots_equal_what_was_lived(until_a_deadline, decisions):
    reservation = held() if until_a_deadline else a_reservation(amounts=AMOUNTS)
    for decision in decisions:
        try:
            DECISIONS[decision](reservation)
        except NotAllowed:
            continue
    lived = reservation.settled()
    assert QuotaReservation.from_history(lived.id, reservation.pending) == lived
    assert msgspec.json.decode(msgspec.json.encode(lived), type=QuotaReservation) == lived
