"""Lifecycles as SVG, drawn without Graphviz."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

import msgspec

from domain.lifecycle import Lifecycle
from services.diagrams.layout import (
    CHARACTER,
    LINE,
    LOOP,
    MARGIN,
    STATE_PADDING,
    Box,
    Layout,
    Point,
    laid_out,
)
from services.diagrams.text import Edge, edges, remarks

_STYLE = """\
text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1f2933 }
.state { font-weight: bold; font-size: 13px }
.box { fill: #e8f1fb; stroke: #2f6db3; stroke-width: 1.5 }
.begin { fill: #f4f4f4; stroke: #7b8794 }
.final { fill: #eef7ee; stroke: #3f8f4f }
.inner { fill: none }
.line { fill: none; stroke: #52606d; stroke-width: 1.2 }
.back { stroke: #b3672f; stroke-dasharray: 5 3 }
.label { fill: #ffffff }
.remark { fill: #52606d; font-style: italic }"""

_ARROWS = (
    "<defs>"
    + "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
        f' markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{colour}"/></marker>'
        for name, colour in (("to", "#52606d"), ("back", "#b3672f"))
    )
    + "</defs>"
)


def draw(lifecycle: Lifecycle) -> str:
    """The drawing; the same for the same lifecycle, wherever it is made."""
    drawn = edges(lifecycle)
    layout = laid_out(lifecycle, drawn)
    ports = _ports(layout)
    notes = [remark.sentence(lifecycle) for remark in remarks(lifecycle)]
    width = max([layout.width, *(len(note) * CHARACTER + 2 * MARGIN for note in notes)])
    height = layout.height + len(notes) * LINE
    body = [
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *(_line(edge, layout, ports) for edge in layout.bends),
        *(_loop(layout.states[edge.source]) for edge in drawn if edge.is_loop),
        *(_label(edge.events, box) for edge, box in layout.labels.items()),
        *(_state(name, box, lifecycle) for name, box in layout.states.items()),
        *(_note(note, layout.height + n * LINE) for n, note in enumerate(notes)),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
    )
    title = f"<title>Lifecycle of a {lifecycle.name.replace('_', ' ')}</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", _ARROWS, *body, "</svg>"]) + "\n"


class _Port(msgspec.Struct, frozen=True):
    """Where a line leaves or reaches a state: which edge, and at which of its ends."""

    edge: Edge
    leaves: bool


def _ports(layout: Layout) -> dict[_Port, float]:
    """The x of every line at its states, side by side in the order of where they go."""
    sides: dict[tuple[str, bool], list[tuple[float, _Port]]] = {}
    for edge, bends in layout.bends.items():
        for state, leaves, next_point in (
            (edge.source, True, bends[0]),
            (edge.target, False, bends[-1]),
        ):
            above = next_point[1] < layout.states[state].y
            sides.setdefault((state, above), []).append((next_point[0], _Port(edge, leaves)))
    places: dict[_Port, float] = {}
    for (state, _), found in sides.items():
        box = layout.states[state]
        found.sort(key=lambda side: side[0])
        step = (box.width - STATE_PADDING) / (len(found) + 1)
        for number, (_, port) in enumerate(found, start=1):
            places[port] = box.x - (box.width - STATE_PADDING) / 2 + number * step
    return places


def _line(edge: Edge, layout: Layout, ports: Mapping[_Port, float]) -> str:
    bends = layout.bends[edge]
    begin = _end(layout.states[edge.source], ports[_Port(edge, True)], bends[0])
    end = _end(layout.states[edge.target], ports[_Port(edge, False)], bends[-1])
    points = [begin, *bends, end]
    path = f"M{begin[0]:.1f},{begin[1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2  # upright at every bend, so that pieces meet smoothly
        path += f" C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
    kind, head = ("line back", "back") if edge in layout.back else ("line", "to")
    return f'<path class="{kind}" d="{path}" marker-end="url(#{head})"/>'


def _end(box: Box, x: float, towards: Point) -> Point:
    side = -1 if towards[1] < box.y else 1
    return x, box.y + side * box.height / 2


def _loop(box: Box) -> str:
    right, upper, lower = box.x + box.width / 2, box.y - 8, box.y + 8
    far = right + LOOP
    path = f"M{right:.1f},{upper:.1f} C{far:.1f},{upper - 8:.1f} {far:.1f},{lower + 8:.1f}"
    return f'<path class="line" d="{path} {right:.1f},{lower:.1f}" marker-end="url(#to)"/>'


# what is seen


# what is seen


def _state(name: str, box: Box, lifecycle: Lifecycle) -> str:
    kind = "final" if name in lifecycle.final else "begin" if name == lifecycle.initial else ""
    shapes = [_rounded(box, f"box {kind}".strip(), grow=0)]
    if name in lifecycle.final:
        shapes.append(_rounded(box, "box final inner", grow=-3.5))
    text = f'<text class="state" x="{box.x:.1f}" y="{box.y + 4.5:.1f}" text-anchor="middle">'
    return "".join([*shapes, text, escape(name), "</text>"])


def _rounded(box: Box, kind: str, *, grow: float) -> str:
    width, height = box.width + 2 * grow, box.height + 2 * grow
    return (
        f'<rect class="{kind}" x="{box.x - width / 2:.1f}" y="{box.y - height / 2:.1f}"'
        f' width="{width:.1f}" height="{height:.1f}" rx="{10 + grow:.1f}"/>'
    )


def _label(events: Sequence[str], box: Box) -> str:
    top = box.y - box.height / 2
    texts = (
        f'<text x="{box.x:.1f}" y="{top + (number + 0.75) * LINE:.1f}" text-anchor="middle">'
        f"{escape(event)}</text>"
        for number, event in enumerate(events)
    )
    ground = (
        f'<rect class="label" x="{box.x - box.width / 2:.1f}" y="{top:.1f}"'
        f' width="{box.width:.1f}" height="{box.height:.1f}"/>'
    )
    return ground + "".join(texts)


def _note(text: str, y: float) -> str:
    return f'<text class="remark" x="{MARGIN:.1f}" y="{y:.1f}">{escape(text)}</text>'
