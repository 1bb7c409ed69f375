"""A lifecycle is a table: what it answers, and what it refuses."""

import pytest
from transitions import MachineError

from domain.lifecycle import NEW, STAYS, Lifecycle, Row

LAMP = Lifecycle(
    "desk_lamp",
    rows=[
        ("bought", [NEW], "off"),
        ("switched_on", ["off"], "on"),
        ("switched_off", ["on"], "off"),
        ("dusted", ["on", "off"], STAYS),
        ("broken", ["on", "off"], "broken"),
    ],
    final=["broken"],
)

TABLE = [
    # event, state, where it leads
    ("bought", NEW, "off"),
    ("bought", "off", None),
    ("switched_on", NEW, None),
    ("switched_on", "off", "on"),
    ("switched_on", "on", None),
    ("switched_off", "on", "off"),
    ("dusted", "on", "on"),
    ("dusted", "off", "off"),
    ("dusted", NEW, None),
    ("dusted", "broken", None),
    ("broken", "on", "broken"),
    ("broken", "broken", None),
    ("painted", "on", None),
    ("switched_on", "no such state", None),
]


@pytest.mark.parametrize(("event", "state", "target"), TABLE)
def test_an_event_leads_where_its_row_says_and_nowhere_else(event, state, target):
    assert LAMP.next(event, state) == target


def test_states_and_events_come_in_the_order_of_the_table():
    assert LAMP.states == (NEW, "off", "on", "broken")
    assert LAMP.events == ("bought", "switched_on", "switched_off", "dusted", "broken")


def test_edges_are_all_rows_spelt_out_with_stays_resolved():
    assert LAMP.edges() == [
        (NEW, "bought", "off"),
        ("off", "switched_on", "on"),
        ("on", "switched_off", "off"),
        ("on", "dusted", "on"),
        ("off", "dusted", "off"),
        ("on", "broken", "broken"),
        ("off", "broken", "broken"),
    ]


def test_a_lifecycle_of_one_final_state_is_possible():
    once = Lifecycle("postcard", rows=[("sent", [NEW], "sent")], final=["sent"])
    assert once.states == (NEW, "sent")
    assert once.next("sent", "sent") is None


def test_the_machine_behind_it_refuses_what_the_table_refuses():
    class Model:
        state: str

    model = Model()
    LAMP.machine.add_model(model, initial="on")
    with pytest.raises(MachineError):
        model.trigger("switched_on")  # type: ignore[attr-defined]
    LAMP.machine.remove_model(model)


AMBIGUOUS: list[tuple[str, list[Row]]] = [
    ("two rows", [("made", [NEW], "good"), ("made", [NEW], "bad")]),
    ("one row twice", [("made", [NEW, NEW], "good")]),
]


@pytest.mark.parametrize("rows", [rows for _, rows in AMBIGUOUS], ids=[n for n, _ in AMBIGUOUS])
def test_a_table_that_says_two_things_about_one_event_is_refused(rows):
    with pytest.raises(ValueError, match="made"):
        Lifecycle("vase", rows=rows, final=["good"])


def test_a_final_state_that_the_table_does_not_know_is_refused():
    with pytest.raises(ValueError, match="gone"):
        Lifecycle("vase", rows=[("made", [NEW], "made")], final=["gone"])


def test_a_final_state_with_a_way_out_is_refused():
    with pytest.raises(ValueError, match="made"):
        Lifecycle(
            "vase", rows=[("made", [NEW], "made"), ("broken", ["made"], "bits")], final=["made"]
        )
