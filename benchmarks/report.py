"""How results are printed: a figure, its budget, and whether it holds."""

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)


def median(values: Sequence[float]) -> float:
    """The middle of several runs."""
    return statistics.median(values)


def table(title: str, rows: Sequence[tuple[str, str, str, bool | None]]) -> None:
    """Rows of (what, measured, budget, holds)."""
    drawn = Table(title=title, title_justify="left")
    for heading in ("figure", "measured", "budget", ""):
        drawn.add_column(heading)
    for what, measured, budget, holds in rows:
        drawn.add_row(what, measured, budget, {True: "holds", False: "MISSED", None: ""}[holds])
    console.print(drawn)
