"""Rules for the words in which the catalogue promises things: extra specs and QoS specs."""

import re
from collections.abc import Mapping

from domain.errors import InvalidRequest
from domain.metadata import MAX_LENGTH

SMALLEST_GIB = "provisioning:min_vol_size"
LARGEST_GIB = "provisioning:max_vol_size"
"""Extra specs that bound the size of a type's volumes, in GiB."""

MULTIATTACH = "multiattach"
"""The extra spec by which a type's volumes can be attached more than once: `<is> True`."""

_KEY = re.compile(r"[a-zA-Z0-9\-_:.]{1,255}\Z")


def checked_specs(specs: Mapping[str, str]) -> dict[str, str]:
    """The specs, if every key and value keeps the rules. Raises InvalidRequest.

    A bound of sizes that is no number, or a smallest size above the largest, would refuse every
    volume later, and is refused now.
    """
    for key, value in specs.items():
        if not _KEY.match(key):
            raise InvalidRequest(
                f"Invalid key {key[:64]!r}: 1 to {MAX_LENGTH} letters, digits or any of - _ : ."
                " are allowed."
            )
        if len(value) > MAX_LENGTH or "\x00" in value:
            raise InvalidRequest(
                f"Invalid value of {key!r}: at most {MAX_LENGTH} characters, and no NUL."
            )
    for name in (SMALLEST_GIB, LARGEST_GIB):
        if name in specs and size_bound(specs, name) is None:
            raise InvalidRequest(f"{name} must be a number of GiB, not {specs[name]!r}.")
    smallest, largest = size_bound(specs, SMALLEST_GIB), size_bound(specs, LARGEST_GIB)
    if smallest is not None and largest is not None and smallest > largest:
        raise InvalidRequest(f"{SMALLEST_GIB} {smallest} is above {LARGEST_GIB} {largest}.")
    return dict(specs)


def multiattach(specs: Mapping[str, str]) -> bool:
    """Whether volumes of a type with these extra specs can be attached more than once."""
    return specs.get(MULTIATTACH) == "<is> True"


def size_bound(specs: Mapping[str, str], name: str) -> int | None:
    """A bound of sizes in GiB; None where there is none, or one that cannot be read."""
    text = specs.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
