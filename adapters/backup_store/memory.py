"""A shelf in memory, for tests and simulation."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from adapters.backup_store.port import Location


class MemoryShelf:
    """Keeps files as long as it lives. Several stores may share it, as processes share a disk."""

    name = "memory"

    def __init__(self) -> None:
        self.files: dict[Location, dict[str, bytes]] = {}
        """By backup and name; tests damage them."""
        self._claimed: set[Location] = set()

    @contextmanager
    def claim(self, location: Location) -> Iterator[None]:
        if location in self._claimed:
            raise BlockingIOError
        self._claimed.add(location)
        try:
            yield
        finally:
            self._claimed.remove(location)

    def save(self, location: Location, name: str, content: bytes) -> None:
        self.files.setdefault(location, {})[name] = content

    def load(self, location: Location, name: str, *, most: int | None = None) -> bytes:
        try:
            return self.files[location][name][: None if most is None else most + 1]
        except KeyError:
            raise FileNotFoundError(name) from None

    def length(self, location: Location, name: str) -> int | None:
        content = self.files.get(location, {}).get(name)
        return None if content is None else len(content)

    def names(self, location: Location) -> set[str]:
        return set(self.files.get(location, {}))

    def remove(self, location: Location, names: Iterable[str]) -> None:
        for name in names:
            self.files.get(location, {}).pop(name, None)

    def drop(self, location: Location) -> None:
        self.files.pop(location, None)

    def locations(self) -> list[Location]:
        return sorted(self.files)

    def check(self) -> None:
        pass
