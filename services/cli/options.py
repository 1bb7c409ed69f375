"""Options that every command shares: where the settings come from."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from services import settings as all_settings


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command `settings` as its first argument, from file, environment and flags."""

    @wraps(command)
    def loaded(*, config: Path | None, **given: Any) -> Any:
        flags = {setting.key: given.pop(_parameter(setting)) for setting in all_settings.flags()}
        return command(all_settings.load(config=config, flags=flags), **given)

    for setting in reversed(all_settings.flags()):
        loaded = click.option(
            setting.flag, _parameter(setting), default=None, help=setting.meaning, metavar="VALUE"
        )(loaded)
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Settings file (TOML).",
    )(loaded)


def _parameter(setting: all_settings.Setting) -> str:
    return "setting_" + setting.key.replace(".", "_")
