"""Times and durations, as they are written and read."""

from datetime import UTC, datetime, timedelta

import pytest

from services.cli import output, times

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("2030-01-02", NOON.replace(hour=0)),
        ("20300102", NOON.replace(hour=0)),
        ("2030-01-02T12:00", NOON),
        ("2030-01-02 12:00:00.5", NOON.replace(microsecond=500_000)),
        ("2030-01-02T13:00+01:00", NOON),
        ("2030-01-02T12:00Z", NOON),
        ("90s", NOON - timedelta(seconds=90)),
        ("15m", NOON - timedelta(minutes=15)),
        ("15 min ago", NOON - timedelta(minutes=15)),
        ("1.5h", NOON - timedelta(minutes=90)),
        ("2d", NOON - timedelta(days=2)),
    ],
)
def test_times_as_people_write_them(words, at):
    assert times.parse(words, clock=lambda: NOON) == at


@pytest.mark.parametrize("words", ["", "soon", "15", "2030-13-01", "5 weeks"])
def test_what_is_no_time(words):
    with pytest.raises(ValueError):
        times.parse(words, clock=lambda: NOON)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "+0 ms"),
        (0.0071, "+7 ms"),
        (1.2345, "+1.23 s"),
        (61, "+1 min 1 s"),
        (3600 * 3 + 60 * 5, "+3 h 5 min"),
        (86400 * 2 + 3600, "+2 d 1 h"),
        (-0.5, "-500 ms"),
    ],
)
def test_durations_are_as_precise_as_is_of_interest(seconds, words):
    assert output.duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("system:placement", "placement"),
        ("ann", "ann"),
        ("9f8e7d6c5b4a39281706f5e4d3c2b1a0", "9f8e7d6c…"),
    ],
)
def test_users_are_short(user, shown):
    assert output.who(user) == shown
