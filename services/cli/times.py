"""Times as people write them on a command line."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def now() -> datetime:
    """The clock of the command line."""
    return datetime.now(UTC)


def parse(words: str, *, clock: Callable[[], datetime] = now) -> datetime:
    """A time in ISO 8601, UTC where it has no zone; or how long ago: `90s`, `15m`, `2h`, `1d`.

    Raises ValueError.
    """
    span = _SPAN.fullmatch(words.strip().removesuffix("ago").strip())
    if span:
        return clock() - timedelta(seconds=float(span[1]) * _SECONDS[span[2]])
    at = datetime.fromisoformat(words.strip())
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class Time(click.ParamType[datetime]):
    """An option that takes a time."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time: say 2026-03-01T12:00 (UTC), or 15m for how long ago")


class TimeOrVersion(Time):
    """An option that takes a time, or the version of an aggregate."""

    name = "time|version"

    def convert(  # type: ignore[override]
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | int:
        words = str(value).strip().removeprefix("v")
        if words.isdigit() and len(words) < 8:  # 20260301 is a day
            return int(words)
        return super().convert(value, param, ctx)
