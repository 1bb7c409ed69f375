"""The embedded default key manager: each key is a file of its own, for one user's eyes only."""

import asyncio
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec

from adapters.drivers.durable import appearing, partial_of, remove, sync_directory
from adapters.drivers.locks import exclusive
from adapters.key_manager.port import PART, Key, KeyRefused
from domain.errors import NotFound, Unavailable

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(rf"({_UUID})\.key")

T = TypeVar("T")


class FileKeyManager:
    """Keys as files `<directory>/<name>.key`, mode 0600, in a directory of mode 0700.

    The name is the id, so a name has one key, however often it is asked for; it has to be a UUID.
    Any number of processes of one machine may use the same directory, which has to exist: one that
    is missing is usually a missing mount, and keys made in its place would vanish under it later.
    """

    def __init__(
        self, directory: Path, *, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._directory = directory
        self._random_bytes = random_bytes

    async def create_key(self, name: str, *, algorithm: str, bits: int) -> str:
        if bits < 8 or bits % 8:
            raise KeyRefused(f"no key has {bits} bits")

        def create(path: Path) -> None:
            if not path.exists():
                material = self._random_bytes(bits // 8)
                _write(path, Key(algorithm=algorithm, bits=bits, material=material))
                return
            found = _read(path)
            if (found.algorithm, found.bits) != (algorithm, bits):
                raise KeyRefused(f"{path} is {found}, not one of {algorithm} with {bits} bits")
            sync_directory(path.parent)  # the call that made it may have died before it did this

        await self._with("create", name, create)
        return name

    async def copy_key(self, name: str, key_id: str) -> str:
        wanted = await self.get(key_id)

        def copy(path: Path) -> None:
            if not path.exists():
                _write(path, wanted)
            elif _read(path) != wanted:
                raise KeyRefused(f"{path} is another key, not a copy of {key_id}")
            else:
                sync_directory(path.parent)  # as above

        await self._with("copy", name, copy)
        return name

    async def get(self, key_id: str) -> Key:
        try:
            return await self._with("read", key_id, _read, locked=False)
        except FileNotFoundError:
            raise NotFound(kind="key", id=key_id) from None

    async def delete(self, key_id: str) -> None:
        await self._with("delete", key_id, _delete)

    async def named(self, name: str) -> list[str]:
        there = await self._with("look for", name, Path.exists, locked=False)
        return [name] if there else []

    async def keys(self) -> dict[str, str]:
        def listed() -> dict[str, str]:
            with _failures("list keys", self._directory):
                matches = (_KEY.fullmatch(path.name) for path in self._directory.iterdir())
                return {match[1]: match[1] for match in matches if match}

        return await asyncio.to_thread(listed)

    async def close(self) -> None:
        pass

    async def _with(
        self, verb: str, key_id: str, work: Callable[[Path], T], *, locked: bool = True
    ) -> T:
        """Does some work on the file of a key; `locked` excludes all others meanwhile."""
        try:
            id = UUID(key_id)
        except ValueError:
            raise KeyRefused(f"{key_id[:64]!r} is not the id of a key") from None
        path = self._directory / f"{id}.key"

        def done() -> T:
            with _failures(f"{verb} a key", self._directory):
                _ours_alone(self._directory)
                if not locked:
                    return work(path)
                with exclusive(self._directory, id):
                    return work(path)

        return await asyncio.to_thread(done)


def _ours_alone(directory: Path) -> None:
    """Takes from everybody else what they may do there. Raises OSError if it is missing."""
    mode = stat.S_IMODE(directory.stat().st_mode)
    if mode & 0o077:
        directory.chmod(mode & ~0o077)


def _write(path: Path, key: Key) -> None:
    partial = partial_of(path)
    remove(partial)  # of a crash: who comes here holds the key's lock
    with appearing(path) as file:
        os.write(file, msgspec.json.encode(key))


def _read(path: Path) -> Key:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Key)
    except msgspec.MsgspecError as damage:
        raise KeyRefused(f"{path} is damaged: {damage}") from None


def _delete(path: Path) -> None:
    remove(partial_of(path))
    remove(path)
    sync_directory(path.parent)


@contextmanager
def _failures(what: str, directory: Path) -> Iterator[None]:
    """A missing directory or a full disk may be put right: whoever asks again will succeed."""
    try:
        yield
    except FileNotFoundError:
        if directory.is_dir():
            raise
        reason = f"cannot {what}: there is no directory {directory}"
        raise Unavailable(part=PART, reason=reason) from None
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)
        raise Unavailable(part=PART, reason=f"cannot {what} in {directory}: {said}") from error
