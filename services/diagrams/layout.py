"""Where the parts of a lifecycle's drawing go: states in layers, labels in layers between them.

The method is Sugiyama's, as grandalf has it. Labels take part like states, so that nothing lies on
top of anything else.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from grandalf.graphs import Edge as Link
from grandalf.graphs import Graph, Vertex
from grandalf.layouts import SugiyamaLayout, VertexViewer

from domain.lifecycle import Lifecycle
from services.diagrams.text import Edge

CHARACTER, LINE = 7.3, 17.0
"""The width of a character and the height of a line, in pixels, at 12 px in a monospaced font."""
STATE_HEIGHT, STATE_PADDING = 34.0, 14.0
LOOP = 26.0
"""How far the line of a loop goes to the right of its state."""
BETWEEN_LAYERS, BESIDE, MARGIN = 30.0, 26.0, 20.0
BEND = 8.0
"""What a line takes of a layer that it only passes through."""
ROUNDS = 12
"""How often the order within the layers is improved."""

Point = tuple[float, float]


class Box(msgspec.Struct, frozen=True):
    """Where something is: its centre and its size, in pixels."""

    x: float
    y: float
    width: float
    height: float


class Layout(msgspec.Struct, frozen=True):
    """Where everything is: states by name, labels by edge, and the bends of each line.

    `back` are the edges that go against the layers. Nothing is nearer than MARGIN to any border.
    """

    states: Mapping[str, Box]
    labels: Mapping[Edge, Box]
    bends: Mapping[Edge, Sequence[Point]]
    back: frozenset[Edge]
    width: float
    height: float


def laid_out(lifecycle: Lifecycle, drawn: Sequence[Edge]) -> Layout:
    """The same for the same lifecycle, wherever it is computed."""
    loops = {edge.source: edge for edge in drawn if edge.is_loop}
    between = [edge for edge in drawn if not edge.is_loop]
    back = _going_back(between, lifecycle.initial)
    states = {name: _vertex(*_state_size(name, loops.get(name))) for name in lifecycle.states}
    labels = {edge: _vertex(*_label_size(edge.events)) for edge in between}
    links = {
        edge: (Link(states[edge.source], labels[edge]), Link(labels[edge], states[edge.target]))
        for edge in between
    }
    sugiyama = _sugiyama(
        Graph(
            [*states.values(), *labels.values()], [link for pair in links.values() for link in pair]
        ),
        root=states[lifecycle.initial],
        back=[link for edge in back for link in links[edge]],
    )
    bends = {edge: _bends(sugiyama, pair, labels[edge]) for edge, pair in links.items()}
    views = [vertex.view for vertex in (*states.values(), *labels.values())]
    left = min(
        *(view.xy[0] - view.w / 2 for view in views),
        *(x for line in bends.values() for x, _ in line),
    )
    right = max(
        *(view.xy[0] + view.w / 2 for view in views),
        *(x for line in bends.values() for x, _ in line),
    )
    placed_states = {
        name: _placed(vertex, left, loops.get(name)) for name, vertex in states.items()
    }
    placed_labels = {edge: _placed(vertex, left, None) for edge, vertex in labels.items()}
    for name, loop in loops.items():
        placed_labels[loop] = _beside(placed_states[name], loop)
    return Layout(
        states=placed_states,
        labels=placed_labels,
        bends={
            edge: [(x - left + MARGIN, y + MARGIN) for x, y in line] for edge, line in bends.items()
        },
        back=frozenset(back),
        width=right - left + 2 * MARGIN,
        height=max(view.xy[1] + view.h / 2 for view in views) + 2 * MARGIN,
    )


def _sugiyama(graph: Graph, *, root: Vertex, back: Sequence[Link]) -> SugiyamaLayout:
    layout = SugiyamaLayout(graph.C[0])  # of one piece: every state can be reached from the first
    layout.xspace, layout.yspace, layout.dw, layout.dh = BESIDE, BETWEEN_LAYERS, BEND, BEND
    layout.init_all(roots=[root], inverted_edges=list(back))
    layout.draw(ROUNDS)
    return layout


def _going_back(drawn: Sequence[Edge], initial: str) -> list[Edge]:
    """The edges that close a cycle, seen from `initial`; the others have no cycle."""
    back: list[Edge] = []
    done: set[str] = set()

    def visit(state: str, path: tuple[str, ...]) -> None:
        for edge in drawn:
            if edge.source == state and edge.target in path:
                back.append(edge)
            elif edge.source == state and edge.target not in done:
                visit(edge.target, (*path, edge.target))
        done.add(state)

    visit(initial, (initial,))
    return back


def _bends(layout: SugiyamaLayout, pair: tuple[Link, Link], label: Vertex) -> list[Point]:
    """The points that a line goes through between its two states, its label among them."""
    first, second = pair
    return [*_passed(layout, first), label.view.xy, *_passed(layout, second)]


def _passed(layout: SugiyamaLayout, link: Link) -> list[Point]:
    control = layout.ctrls.get(link, {})
    begin, end = (layout.grx[vertex].rank for vertex in link.v)
    step = 1 if begin < end else -1
    return [control[rank].view.xy for rank in range(begin + step, end, step) if control]


def _vertex(width: float, height: float) -> Vertex:
    vertex = Vertex()
    vertex.view = VertexViewer(width, height)
    return vertex


def _placed(vertex: Vertex, left: float, loop: Edge | None) -> Box:
    """A state without its loop, which takes the room to its right; or a label."""
    (x, y), beside = vertex.view.xy, _loop_width(loop)
    height = STATE_HEIGHT if loop else vertex.view.h
    return Box(x - left + MARGIN - beside / 2, y + MARGIN, vertex.view.w - beside, height)


def _beside(state: Box, loop: Edge) -> Box:
    """The label of a loop."""
    width, height = _label_size(loop.events)
    return Box(state.x + (state.width + width) / 2 + LOOP - 4, state.y, width, height)


def _state_size(name: str, loop: Edge | None) -> tuple[float, float]:
    # bold, and a size larger than labels
    width = len(name) * CHARACTER * 13 / 12 + 2 * STATE_PADDING
    height = _label_size(loop.events)[1] if loop else 0.0
    return width + _loop_width(loop), max(height, STATE_HEIGHT)


def _loop_width(loop: Edge | None) -> float:
    return LOOP + _label_size(loop.events)[0] if loop else 0.0


def _label_size(events: Iterable[str]) -> tuple[float, float]:
    lines = list(events)
    return max(map(len, lines)) * CHARACTER + 8, len(lines) * LINE
