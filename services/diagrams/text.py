"""Lifecycles as text: Mermaid, Graphviz dot, and rows for a table.

Written from the table itself: what `transitions` draws as Mermaid does not tell final states from
others, and repeats events that change no state at every one of them.
"""

import msgspec

from domain.lifecycle import STAYS, Lifecycle


class Edge(msgspec.Struct, frozen=True):
    """All events that lead from one state to another, in the order of the table."""

    source: str
    target: str
    events: tuple[str, ...]

    @property
    def is_loop(self) -> bool:
        return self.source == self.target


class Remark(msgspec.Struct, frozen=True):
    """Events that may happen in many states and change none of them."""

    events: tuple[str, ...]
    states: tuple[str, ...]

    def sentence(self, lifecycle: Lifecycle) -> str:
        """For people, naming the fewer states: those where they may happen, or those where not."""
        others = tuple(state for state in lifecycle.states if state not in self.states)
        events = ", ".join(self.events)
        if len(others) < len(self.states):
            return f"{events}: in every state but {' and '.join(others)}; the state stays"
        return f"{events}: in {', '.join(self.states)}; the state stays"


def edges(lifecycle: Lifecycle) -> list[Edge]:
    """What leads from state to state, merged; events that never change the state are remarks."""
    silent = _silent(lifecycle)
    merged: dict[tuple[str, str], list[str]] = {}
    for source, event, target in lifecycle.edges():
        if event not in silent:
            merged.setdefault((source, target), []).append(event)
    return [Edge(source, target, tuple(events)) for (source, target), events in merged.items()]


def remarks(lifecycle: Lifecycle) -> list[Remark]:
    """The events that never change the state, by the states in which they may happen."""
    together: dict[tuple[str, ...], list[str]] = {}
    for event, sources in _silent(lifecycle).items():
        together.setdefault(sources, []).append(event)
    return [Remark(tuple(events), states) for states, events in together.items()]


def mermaid(lifecycle: Lifecycle) -> str:
    """A Mermaid state diagram (https://mermaid.js.org/syntax/stateDiagram.html)."""
    lines = ["stateDiagram-v2", f"    [*] --> {lifecycle.initial}"]
    for edge in edges(lifecycle):
        lines.append(f"    {edge.source} --> {edge.target}: {', '.join(edge.events)}")
    lines += [f"    {state} --> [*]" for state in lifecycle.states if state in lifecycle.final]
    for remark in remarks(lifecycle):
        lines += [f"    note right of {lifecycle.initial}", f"        {remark.sentence(lifecycle)}"]
        lines += ["    end note"]
    return "\n".join(lines) + "\n"


def dot(lifecycle: Lifecycle) -> str:
    """The same for Graphviz (https://graphviz.org/doc/info/lang.html)."""
    lines = [
        f"digraph {lifecycle.name} {{",
        '    node [shape=box, style=rounded, fontname="monospace"];',
        '    edge [fontname="monospace", fontsize=10];',
    ]
    for state in lifecycle.states:
        final = " [peripheries=2]" if state in lifecycle.final else ""
        lines.append(f"    {state}{final};")
    for edge in edges(lifecycle):
        label = "\\n".join(edge.events)
        lines.append(f'    {edge.source} -> {edge.target} [label="{label}"];')
    for number, remark in enumerate(remarks(lifecycle)):
        lines.append(f'    remark_{number} [shape=note, label="{remark.sentence(lifecycle)}"];')
    return "\n".join([*lines, "}"]) + "\n"


def rows(lifecycle: Lifecycle) -> list[tuple[str, str, str]]:
    """Event, the states it may happen in, the state it leads to: the table as declared."""
    return [
        (event, ", ".join(sources), "stays" if target == STAYS else target)
        for event, sources, target in lifecycle.rows
    ]


def _silent(lifecycle: Lifecycle) -> dict[str, tuple[str, ...]]:
    """Events that only ever stay, with the states they may happen in."""
    silent: dict[str, tuple[str, ...]] = {}
    for event, sources, target in lifecycle.rows:
        if target == STAYS:
            silent[event] = (*silent.get(event, ()), *sources)
    moving = {event for event, _, target in lifecycle.rows if target != STAYS}
    return {event: sources for event, sources in silent.items() if event not in moving}
