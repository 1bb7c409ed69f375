"""The page of all lifecycles: drawing, table and Mermaid of each."""

import sys
from collections.abc import Iterator

from domain.lifecycle import Lifecycle
from domain.machines import LIFECYCLES
from services.diagrams import svg, text
from services.docs.pages import Page, code, table

_HEADING = """\
# Lifecycles

Each aggregate's life is a table that says which event may happen in which state, and where it
leads ([domain/machines](../domain/machines)). What is not in the table cannot happen. States with
a double border are final; dashed lines lead back. `lapilli machine NAME` shows the same.
"""


def pages() -> Iterator[Page]:
    """The page, and the drawings that it shows."""
    lines: list[str] = []
    for name, lifecycle in LIFECYCLES.items():
        yield Page(f"lifecycles/{name}.svg", svg.draw(lifecycle))
        lines += _section(lifecycle)
    yield Page("lifecycles.md", "\n".join(lines), _HEADING)


def _section(lifecycle: Lifecycle) -> Iterator[str]:
    name = lifecycle.name
    meaning = sys.modules[f"domain.machines.{name}"].__doc__ or ""
    final = [code(state) for state in lifecycle.states if state in lifecycle.final]
    yield from (f"## {name}", "", meaning.strip(), "")
    yield from (f"![Lifecycle of a {name.replace('_', ' ')}](lifecycles/{name}.svg)", "")
    yield from table(
        ("event", "may happen in", "leads to"),
        (
            (code(event), _codes(sources), target if target == "stays" else code(target))
            for event, sources, target in text.rows(lifecycle)
        ),
    )
    yield from ("", f"Final: {', '.join(final) or 'none'}.", "")
    yield from ("<details><summary>as Mermaid</summary>", "", "```mermaid")
    yield from text.mermaid(lifecycle).splitlines()
    yield from ("```", "", "</details>", "")


def _codes(states: str) -> str:
    return ", ".join(code(state) for state in states.split(", "))
