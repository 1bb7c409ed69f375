"""The file key manager: the contract, and what only files can get wrong."""

import asyncio
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.drivers import durable
from adapters.key_manager.file import FileKeyManager
from adapters.key_manager.port import KeyManager, KeyRefused
from domain.errors import NotFound, Unavailable
from tests.adapters.key_manager.contract import ONE, TWO, KeyManagerContract, an_aes_key


class TestFileKeyManager(KeyManagerContract):
    @pytest.fixture
    def keys(self, tmp_path: Path) -> KeyManager:
        return FileKeyManager(tmp_path)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "keys"
    made.mkdir(mode=0o755)
    return made


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_keys_are_for_one_users_eyes_only(directory: Path):
    await an_aes_key(FileKeyManager(directory))
    assert mode(directory) == 0o700
    assert mode(directory / f"{ONE}.key") == 0o600


async def test_a_key_has_its_name_for_its_id_and_is_made_once(directory: Path):
    keys = FileKeyManager(directory)
    assert await an_aes_key(keys) == ONE
    before = await keys.get(ONE)
    made = await asyncio.gather(*(an_aes_key(FileKeyManager(directory)) for _ in range(20)))
    assert set(made) == {ONE}
    assert await keys.get(ONE) == before


async def test_keys_of_any_whole_number_of_bytes_are_made(directory: Path):
    keys = FileKeyManager(directory)
    await an_aes_key(keys, bits=512)
    assert len((await keys.get(ONE)).material) == 64


async def test_another_process_finds_the_key(directory: Path):
    await an_aes_key(FileKeyManager(directory))
    other = FileKeyManager(directory)
    assert await other.named(ONE) == [ONE]
    assert (await other.get(ONE)).bits == 256


async def test_a_key_of_another_kind_is_not_taken_for_the_one_that_is_wanted(directory: Path):
    keys = FileKeyManager(directory)
    await an_aes_key(keys, bits=128)
    with pytest.raises(KeyRefused, match="128 bits"):
        await an_aes_key(keys, bits=256)
    assert (await keys.get(ONE)).bits == 128


@pytest.mark.parametrize("key_id", ["", "../../etc/passwd", f"{ONE}/../{TWO}", "a" * 1000])
async def test_what_is_no_id_of_a_key_leads_to_no_file(directory: Path, key_id: str):
    keys = FileKeyManager(directory)
    for call in (an_aes_key(keys, key_id), keys.get(key_id), keys.delete(key_id)):
        with pytest.raises(KeyRefused):
            await call
    assert await keys.keys() == {}


async def test_a_damaged_key_is_said_to_be_so_and_can_be_deleted(directory: Path):
    keys = FileKeyManager(directory)
    await an_aes_key(keys)
    (directory / f"{ONE}.key").write_text("{")
    with pytest.raises(KeyRefused, match="damaged"):
        await keys.get(ONE)
    await keys.delete(ONE)
    assert await keys.keys() == {}


async def test_a_directory_that_is_missing_is_an_outage_and_not_an_empty_one(tmp_path: Path):
    keys = FileKeyManager(tmp_path / "not mounted")
    for call in (an_aes_key(keys), keys.get(ONE), keys.delete(ONE), keys.named(ONE), keys.keys()):
        with pytest.raises(Unavailable, match="not mounted"):
            await call
    (tmp_path / "not mounted").mkdir()
    assert await an_aes_key(keys) == ONE


async def test_other_files_are_left_alone(directory: Path):
    keys = FileKeyManager(directory)
    for name in ("README", f"{ONE}.key.bak", f".{TWO}.key.partial"):
        (directory / name).write_text("")
    assert await keys.keys() == {}
    assert await keys.named(ONE) == []


class Died(BaseException):
    """The power is gone."""


def dying(real: Callable[..., object], *, before: bool) -> Callable[..., object]:
    def call(*args: object, **kwargs: object) -> object:
        if not before:
            real(*args, **kwargs)
        raise Died

    return call


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", ["write", "fsync", "rename", "sync_directory"])
async def test_a_crash_while_a_key_is_made_leaves_a_whole_key_or_none(
    directory: Path, monkeypatch: pytest.MonkeyPatch, step: str, before: bool
):
    keys = FileKeyManager(directory, random_bytes=secrets.token_bytes)
    with monkeypatch.context() as patched:
        where, name = {
            "write": (os, "write"),
            "fsync": (os, "fsync"),
            "rename": (Path, "rename"),
            "sync_directory": (durable, "sync_directory"),
        }[step]
        patched.setattr(where, name, dying(getattr(where, name), before=before))
        with pytest.raises(Died):
            await an_aes_key(keys)
    there = await keys.named(ONE)
    before_again = await keys.get(ONE) if there else None
    if not there:
        with pytest.raises(NotFound):
            await keys.get(ONE)
    assert await an_aes_key(keys) == ONE
    assert before_again in (None, await keys.get(ONE))
    assert files(directory) == {f"{ONE}.key", ".lock"}


async def test_a_partial_file_of_a_killed_process_does_not_stand_in_the_way(directory: Path):
    keys = FileKeyManager(directory)
    (directory / f".{ONE}.key.partial").write_bytes(b"half a k")
    assert await keys.named(ONE) == []
    await an_aes_key(keys)
    assert (await keys.get(ONE)).bits == 256
    (directory / f".{TWO}.key.partial").write_bytes(b"half a k")
    await keys.delete(TWO)
    assert files(directory) == {f"{ONE}.key", ".lock"}
