"""Writes the golden files that are missing; never touches one that is there (see README.md)."""

from pathlib import Path

import msgspec

from domain import codec
from tests.domain.golden.examples import EXAMPLES, recorded

HERE = Path(__file__).parent


def pretty(state: bytes) -> bytes:
    """The stored form, laid out for people."""
    return msgspec.json.format(state, indent=2) + b"\n"


def main(where: Path = HERE) -> list[Path]:
    """The files that were written. An older version can be written no more."""
    written = []
    for topic, example in EXAMPLES.items():
        path = where / f"{topic}.json"
        if not path.exists() and example.topic == topic:
            path.write_bytes(pretty(codec.encode(recorded(topic))))
            written.append(path)
    return written


if __name__ == "__main__":
    for path in main():
        print(path.name)
