"""Rules for the words users attach to things: names, descriptions, metadata (Cinder's)."""

import re
from collections.abc import Mapping

from domain.errors import InvalidRequest

MAX_LENGTH = 255
_KEY = re.compile(r"[a-zA-Z0-9\-_:. /]{1,255}\Z")


def checked_name(value: str | None, *, field: str) -> str | None:
    """The value without surrounding white space. Raises InvalidRequest when it is too long."""
    if value is None:
        return None
    stripped = value.strip()
    if len(stripped) > MAX_LENGTH:
        raise InvalidRequest(
            f"Invalid input for field {field}: at most {MAX_LENGTH} characters are allowed,"
            f" {len(stripped)} were given."
        )
    if "\x00" in stripped:
        raise InvalidRequest(f"Invalid input for field {field}: a NUL character is not allowed.")
    return stripped


def required_name(value: str) -> str:
    """As `checked_name`, of something that must have a name. Raises InvalidRequest."""
    name = checked_name(value, field="name")
    if not name:
        raise InvalidRequest("Invalid input for field name: it must not be empty.")
    return name


def checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata, if every key and value keeps the rules. Raises InvalidRequest."""
    for key, value in metadata.items():
        if not _KEY.match(key):
            raise InvalidRequest(
                f"Invalid metadata key {key[:64]!r}: 1 to {MAX_LENGTH} letters, digits, blanks or"
                " any of - _ : . / are allowed."
            )
        if len(value) > MAX_LENGTH:
            raise InvalidRequest(
                f"Invalid metadata value of {key!r}: at most {MAX_LENGTH} characters are allowed,"
                f" {len(value)} were given."
            )
        if "\x00" in value:
            raise InvalidRequest(f"Invalid metadata value of {key!r}: a NUL is not allowed.")
    return dict(metadata)
