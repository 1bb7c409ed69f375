"""The reference page of all settings, written from the settings themselves."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.settings_sources import Setting

_INTRODUCTION = """\
# Settings

Later sources win: the defaults, a TOML file (`--config FILE` or `LAPILLI_CONFIG`), the environment,
the command line. What cannot be used is refused at the start, with the place where it was found.

- In the file, `api.port` is `port` in the table `[api]`.
- In the environment, lists are separated by commas, and `LAPILLI_BACKENDS` is JSON:
  `{"fast": {"driver": "file", "directory": "/srv/fast"}}`.
- A `LAPILLI_` variable that is not listed here is refused, so pods of a Kubernetes service named
  `lapilli` need `enableServiceLinks: false`.
"""

_HEAD = """\
| key | type | default | environment | flag | meaning |
| --- | --- | --- | --- | --- | --- |"""


def page(settings: Iterable[Setting], *, titles: Mapping[str, str]) -> str:
    """Markdown, a table for each section. `titles` says what a section is about."""
    lines = [_INTRODUCTION]
    shown = None
    for setting in settings:
        section = setting.key.rpartition(".")[0]
        if section != shown:
            lines += _heading(section, titles)
            shown = section
        lines.append(_row(setting))
    return "\n".join(lines) + "\n"


def _heading(section: str, titles: Mapping[str, str]) -> list[str]:
    if not section:
        return ["## General", "", _HEAD]
    name = section.replace(".*", ".NAME")
    return ["", f"## {name}", "", titles[section.removesuffix(".*")], "", _HEAD]


def _row(setting: Setting) -> str:
    cells = [
        _code(setting.key.replace(".*", ".NAME")),
        setting.expected,
        _code(_literal(setting.default)),
        _code(setting.variable),
        _code(setting.flag),
        setting.meaning,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _literal(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return "[" + ", ".join(_literal(item) for item in value) + "]"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
