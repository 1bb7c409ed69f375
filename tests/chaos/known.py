"""What clients know of the things they asked for, and of every answer they got."""

import hashlib
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

PROJECTS = ("00000000000000000000000000000001", "0000000000000000000000000000c4a5")
MIB = 2**20

Contents = frozenset[str]
"""What something may hold, by digests; several where an answer was lost."""
NOTHING = hashlib.sha256().hexdigest()
"""The digest of what has no byte but zeros, which are not counted at the end."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was answered."""

    what: str
    """Which kind of wish."""
    method: str
    path: str
    status: int
    request_id: str
    body: Any = None

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.what} ({self.method} {self.path}, {self.request_id}): {self.status}"


class Thing(msgspec.Struct):
    """A volume, snapshot or backup whose creation was accepted."""

    id: str
    contents: Contents = frozenset({NOTHING})
    of: str = ""
    """Of which volume it is, if it is a snapshot or backup."""
    size_gib: int = 1
    doomed: bool = False
    """Nobody makes plans with it any more."""
    tried: bool = False
    """Somebody tried to delete it; it may be there or not."""


class Known(msgspec.Struct):
    """All that the clients of one project know; they share it, and get in each other's way."""

    project_id: str
    volumes: dict[str, Thing] = {}
    snapshots: dict[str, Thing] = {}
    backups: dict[str, Thing] = {}
    attachments: dict[str, str] = {}
    """Of which volume each is."""
    forgotten: dict[str, dict[str, Thing]] = {}
    """What is gone, by kind."""

    def one(self, kind: str, chance: random.Random) -> Thing | None:
        """Some thing of a kind that nobody tried to delete, if there is one."""
        there = [each for each in getattr(self, kind).values() if not each.doomed]
        return chance.choice(there) if there else None


def digest(content: bytes) -> str:
    """Of what a volume holds, whatever its size."""
    return hashlib.sha256(content.rstrip(b"\0")).hexdigest()


def make_images(directory: Path, chance: random.Random) -> Mapping[str, str]:
    """A few raw images with holes in them; their digests by name."""
    directory.mkdir(parents=True, exist_ok=True)
    made = {}
    for n in range(3):
        content = bytearray(4 * MIB)
        for start in chance.sample(range(0, len(content) - MIB // 4, MIB // 8), 4):
            content[start : start + MIB // 4] = chance.randbytes(MIB // 4)
        (directory / f"image{n}.raw").write_bytes(content)
        made[f"image{n}"] = digest(bytes(content))
    return made


def all_of(known: Iterable[Known], kind: str) -> dict[str, Thing]:
    """Of every project, also what is gone."""
    found: dict[str, Thing] = {}
    for each in known:
        found |= {**getattr(each, kind), **each.forgotten.get(kind, {})}
    return found
