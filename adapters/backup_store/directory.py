"""Backups as files of a directory: `<directory>/<container>/<backup id>/<file>`."""

import errno
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from uuid import UUID

from adapters.backup_store.port import Location
from adapters.drivers.durable import appearing, partial_of, remove, sync_directory
from adapters.drivers.locks import exclusive
from domain.containers import CONTAINER

NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})
"""What systems say of a directory that is not empty; rmdir(2)."""


class DirectoryShelf:
    """Files of mode 0600 in directories of mode 0700.

    Any number of processes may use the same directory, of several machines where its filesystem
    has locks between them (NFS 4 has). It has to exist: one that is missing is usually a missing
    mount, and backups made in its place would vanish under it later.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def name(self) -> str:
        return str(self._directory)

    def claim(self, location: Location) -> AbstractContextManager[None]:
        return exclusive(self._directory, location.id, wait=False)

    def save(self, location: Location, name: str, content: bytes) -> None:
        folder = self._folder(location)
        if not folder.is_dir():
            self._make(folder)
        path = folder / name
        remove(partial_of(path))  # of a crash: who comes here holds the backup
        with appearing(path) as file:
            whole = memoryview(content)
            while whole:
                whole = whole[os.write(file, whole) :]

    def load(self, location: Location, name: str, *, most: int | None = None) -> bytes:
        with open(self._folder(location) / name, "rb", opener=_as_it_is) as file:
            return file.read(-1 if most is None else most + 1)

    def length(self, location: Location, name: str) -> int | None:
        try:
            return (self._folder(location) / name).lstat().st_size
        except FileNotFoundError:
            return None

    def names(self, location: Location) -> set[str]:
        try:
            return {path.name for path in self._folder(location).iterdir()}
        except FileNotFoundError:
            self.check()
            return set()

    def remove(self, location: Location, names: Iterable[str]) -> None:
        folder = self._folder(location)
        for name in names:
            remove(folder / name)
        with suppress(FileNotFoundError):
            sync_directory(folder)

    def drop(self, location: Location) -> None:
        folder = self._folder(location)
        self.remove(location, self.names(location))
        with suppress(FileNotFoundError):
            folder.rmdir()
            sync_directory(folder.parent)
        try:
            folder.parent.rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in NOT_EMPTY:
                raise
            return
        sync_directory(self._directory)  # the call that removed it may have died before it did this

    def locations(self) -> list[Location]:
        found = []
        for container in sorted(self._directory.iterdir()):
            if CONTAINER.match(container.name) and container.is_dir():
                with suppress(FileNotFoundError):  # dropped since it was listed
                    ids = (_id_in(path.name) for path in container.iterdir())
                    found += [Location(container.name, id) for id in ids if id]
        return sorted(found)

    def check(self) -> None:
        with os.scandir(self._directory):
            pass

    def _folder(self, location: Location) -> Path:
        return self._directory / location.container / str(location.id)

    def _make(self, folder: Path) -> None:
        while not folder.is_dir():
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            # where somebody dropped the last backup of the container meanwhile: once more
            with suppress(FileNotFoundError):
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_directory(folder.parent)
        sync_directory(self._directory)


def _as_it_is(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _id_in(name: str) -> UUID | None:
    try:
        id = UUID(name)
    except ValueError:
        return None
    return id if str(id) == name else None
