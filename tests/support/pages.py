"""Pages of which a program writes a part: what came of its last long run."""

import re
from pathlib import Path

RELIABILITY = Path(__file__).parents[2] / "docs" / "reliability.md"


def marks(name: str) -> tuple[str, str]:
    """Between these in the page, everything is written by `write_part`."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def write_part(page: Path, name: str, text: str) -> None:
    """Replaces what is between the marks."""
    begin, end = marks(name)
    marked = re.compile(f"{begin}.*{end}", re.DOTALL)
    page.write_text(marked.sub(lambda _: f"{begin}\n{text}\n{end}", page.read_text()))
