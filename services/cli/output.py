"""How commands show what they found: tables for people, JSON for programs."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.settings import Settings

WIDE = 130
"""From this many columns on, details stand beside what they belong to, and no longer below."""


def console(*, stderr: bool = False) -> Console:
    """For people."""
    return Console(stderr=stderr, highlight=False)


def json_document(value: Any) -> None:
    """One document for programs, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def json_line(value: Any) -> None:
    """One of many, on a line of its own."""
    click.echo(msgspec.json.encode(value).decode())


def only_warnings(settings: Settings) -> None:
    """Keeps the logs of what a command calls out of its output."""
    from services import logs

    quiet = msgspec.structs.replace(settings.logging, level="warning", format="text")
    logs.set_up(msgspec.structs.replace(settings, logging=quiet))


def clock(at: datetime) -> str:
    """The time of day, UTC, to the millisecond."""
    return at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]


def moment(at: datetime) -> str:
    """Day and time, UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d} {clock(at)} UTC"


def duration(span: timedelta | None) -> str:
    """As precise as is of interest."""
    if span is None:
        return ""
    seconds = span.total_seconds()
    sign, seconds = ("-" if seconds < 0 else "+"), abs(seconds)
    if seconds < 1:
        return f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{sign}{seconds:.2f} s"
    if seconds < 3600:
        return f"{sign}{seconds // 60:.0f} min {seconds % 60:.0f} s"
    if seconds < 86400:
        return f"{sign}{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{sign}{seconds // 86400:.0f} d {seconds % 86400 // 3600:.0f} h"


def who(user_id: str) -> str:
    """A part of the system by its name, a user by the first digits of the id."""
    name = user_id.removeprefix("system:")
    return name if name != user_id or len(name) <= 16 else f"{name[:8]}…"


class Lines:
    """Lines of fixed columns, each with details: beside it where there is room, else below.

    Rows can be shown as they come, and still stand under each other.
    """

    def __init__(self, out: Console, columns: Sequence[tuple[str, int]], details: str) -> None:
        """`columns` are headings and widths; a heading that ends in `>` is aligned right."""
        self._out = out
        self._columns = columns
        self._wide = out.width >= WIDE
        self._details = details
        self._day: str | None = None

    def head(self) -> None:
        """The headings."""
        grid = self._grid()
        names = [name.removesuffix(">") for name, _ in self._columns]
        grid.add_row(*(Text(name, style="bold") for name in names), *self._heading())
        self._out.print(grid)

    def day(self, at: datetime | None) -> None:
        """Tells the date where it changes."""
        day = f"{at.astimezone(UTC):%Y-%m-%d} UTC" if at else self._day
        if day and day != self._day:
            self._out.print(Text(day, style="bold cyan"))
            self._day = day

    def add(self, cells: Iterable[str | Text], details: str | Text) -> None:
        """One line."""
        grid = self._grid()
        grid.add_row(*cells, *([details] if self._wide else []))
        self._out.print(grid)
        if not self._wide and details:
            below = Table.grid(padding=(0, 1))
            below.add_column(width=self._columns[0][1])
            below.add_column(overflow="fold", style="dim")
            below.add_row("", details)
            self._out.print(below)

    def _grid(self) -> Table:
        grid = Table.grid(padding=(0, 1), expand=True)
        for name, width in self._columns:
            justify: Any = "right" if name.endswith(">") else "left"
            grid.add_column(width=width, justify=justify, no_wrap=True, overflow="ellipsis")
        if self._wide:
            grid.add_column(ratio=1, overflow="fold")
        return grid

    def _heading(self) -> list[Text]:
        return [Text(self._details, style="bold")] if self._wide else []
