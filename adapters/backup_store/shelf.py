"""What backups are put on: named files, by backup. A shelf knows nothing of what is in them."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from adapters.backup_store.port import Location


class Shelf(Protocol):
    """Keeps files. All calls block, may be made by several threads at once and raise OSError."""

    def claim(self, location: Location) -> AbstractContextManager[None]:
        """Hold a backup against everybody else. Raises BlockingIOError if somebody holds it."""

    def save(self, location: Location, name: str, content: bytes) -> None:
        """Whole or not at all, in the place of what has this name, and for good."""

    def load(self, location: Location, name: str, *, most: int | None = None) -> bytes:
        """The content; of one that is longer than `most`, no more than a byte beyond. Raises
        FileNotFoundError."""

    def length(self, location: Location, name: str) -> int | None:
        """Of a file, in bytes; None if there is none."""

    def names(self, location: Location) -> set[str]:
        """All that is there of a backup, also what a crash has left half made."""

    def remove(self, location: Location, names: Iterable[str]) -> None:
        """For good. What is not there is removed."""

    def drop(self, location: Location) -> None:
        """All that is left of a backup, and its container if it is empty then."""

    def locations(self) -> list[Location]:
        """Every backup that there is anything of."""

    def check(self) -> None:
        """Raises OSError if it is not there."""

    @property
    def name(self) -> str:
        """Where it is, for people."""
