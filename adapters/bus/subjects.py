"""Subject filters and names, by the rules of NATS, for both implementations of the bus."""

import re
from collections.abc import Sequence
from itertools import combinations, zip_longest

NAME = re.compile(r"[\w=@#:-]+", re.ASCII)
KEY = re.compile(r"[\w=@#/:-]+(\.[\w=@#/:-]+)*", re.ASCII)


def matches(pattern: str, subject: str) -> bool:
    """Whether `subject`, which has no wildcards, passes the filter."""
    for wanted, token in zip_longest(pattern.split("."), subject.split(".")):
        if wanted == ">":
            return token is not None
        if token is None or wanted not in ("*", token):
            return False
    return True


def collide(one: str, other: str) -> bool:
    """Whether some subject passes both filters."""
    for a, b in zip_longest(one.split("."), other.split(".")):
        if a is None or b is None:
            return False
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return True


def check_filters(subjects: Sequence[str]) -> None:
    """Raise ValueError unless these can be the filters of one inbox."""
    for subject in subjects:
        if not subject.startswith("lapilli."):
            raise ValueError(f"{subject!r} is not a subject of the log stream")
    for one, other in combinations(subjects, 2):
        if collide(one, other):
            raise ValueError(f"filters {one!r} and {other!r} overlap")


def check_name(name: str) -> None:
    """Raise ValueError unless this can name a stream, an inbox, a signal, a lease or a board."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a name on the bus")


def check_key(key: str) -> None:
    """Raise ValueError unless this can be a key on a board."""
    if not KEY.fullmatch(key):
        raise ValueError(f"{key!r} cannot be a key on a board")
