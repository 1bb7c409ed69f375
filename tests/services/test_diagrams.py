"""Drawings of lifecycles: complete, the same everywhere, and nothing on top of anything else."""

import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from domain.lifecycle import NEW, STAYS, Lifecycle
from domain.machines import LIFECYCLES
from services.diagrams import svg, text
from services.diagrams.layout import Box, laid_out

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"

every_lifecycle = pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=LIFECYCLES.keys())

LAMP = Lifecycle(
    "lamp",
    rows=[
        ("hung", [NEW], "off"),
        ("switched_on", ["off"], "on"),
        ("dimmed", ["on"], "on"),
        ("switched_off", ["on"], "off"),
        ("cleaned", ["off", "on"], STAYS),
        ("broken", ["off", "on"], "broken"),
    ],
    final=["broken"],
)


def test_mermaid_of_a_lamp():
    assert text.mermaid(LAMP) == (
        "stateDiagram-v2\n"
        "    [*] --> new\n"
        "    new --> off: hung\n"
        "    off --> on: switched_on\n"
        "    on --> on: dimmed\n"
        "    on --> off: switched_off\n"
        "    off --> broken: broken\n"
        "    on --> broken: broken\n"
        "    broken --> [*]\n"
        "    note right of new\n"
        "        cleaned: in off, on; the state stays\n"
        "    end note\n"
    )


def test_dot_of_a_lamp():
    drawn = text.dot(LAMP)
    assert "    broken [peripheries=2];\n" in drawn
    assert '    on -> off [label="switched_off"];\n' in drawn
    assert drawn.startswith("digraph lamp {\n") and drawn.endswith("}\n")


def test_events_between_the_same_states_share_a_line():
    twice = Lifecycle(
        "thing", rows=[("made", [NEW], "a"), ("x", ["a"], "b"), ("y", ["a"], "b")], final=["b"]
    )
    assert [edge.events for edge in text.edges(twice)] == [("made",), ("x", "y")]


@every_lifecycle
def test_everything_is_in_the_drawing(lifecycle):
    root = ElementTree.fromstring(svg.draw(lifecycle))
    texts = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    words = set(re.findall(r"\w+", texts))
    assert words >= {*lifecycle.states, *lifecycle.events}
    paths = [path for path in root.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(paths) == len(text.edges(lifecycle))
    double = [rect for rect in root.iter(f"{SVG}rect") if "inner" in rect.get("class", "")]
    assert len(double) == len(lifecycle.final)


@pytest.mark.parametrize("lifecycle", [*LIFECYCLES.values(), LAMP], ids=lambda each: each.name)
def test_nothing_lies_on_top_of_anything_else(lifecycle):
    layout = laid_out(lifecycle, text.edges(lifecycle))
    boxes = [*layout.states.values(), *layout.labels.values()]
    assert not [pair for pair in combinations(boxes, 2) if _overlap(*pair)]
    assert all(box.x - box.width / 2 >= 0 for box in boxes)
    assert all(box.x + box.width / 2 <= layout.width for box in boxes)
    assert all(0 <= box.y - box.height / 2 <= layout.height for box in boxes)


def test_a_drawing_is_the_same_in_every_process():
    script = "from services.diagrams import svg; from domain.machines import LIFECYCLES\n"
    script += "print(svg.draw(LIFECYCLES['volume']), end='')"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for seed in ("1", "2")
    }
    assert drawn == {svg.draw(LIFECYCLES["volume"]).encode()}


def _overlap(one: Box, other: Box) -> bool:
    return (
        abs(one.x - other.x) < (one.width + other.width) / 2
        and abs(one.y - other.y) < (one.height + other.height) / 2
    )
