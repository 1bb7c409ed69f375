"""Generated pages: what they have to be, which are stale, and writing them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

BEGIN = "<!-- begin: written by `lapilli docs --write`, do not edit -->"
END = "<!-- end: written by `lapilli docs --write` -->"


class Page(msgspec.Struct, frozen=True):
    """A generated file, by its path below the directory of all docs.

    Of a Markdown page that is there already, what stands outside of BEGIN and END stays.
    """

    path: str
    content: str
    heading: str = ""
    """What a new Markdown page begins with."""


def stale(pages: Iterable[Page], directory: Path) -> list[str]:
    """The paths of those that are missing, or not what they have to be."""
    return [page.path for page in pages if _read(directory / page.path) != _due(page, directory)]


def write(pages: Sequence[Page], directory: Path) -> list[str]:
    """Writes those that are stale, and returns their paths."""
    changed = stale(pages, directory)
    for page in pages:
        if page.path in changed:
            due = _due(page, directory)
            path = directory / page.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(due, encoding="utf-8")
    return changed


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def code(text: str) -> str:
    """As code, unless there is nothing."""
    return f"`{text}`" if text else ""


def _due(page: Page, directory: Path) -> str:
    if not page.path.endswith(".md"):
        return page.content
    block = f"{BEGIN}\n\n{page.content.strip()}\n\n{END}"
    there = _read(directory / page.path) or ""
    before, begin, rest = there.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        return f"{before}{block}{after}"
    return f"{page.heading.strip()}\n\n{block}\n"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
