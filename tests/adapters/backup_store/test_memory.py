"""Backups in memory: the contract, with threads and without."""

import pytest

from adapters.backup_store.memory import MemoryShelf
from adapters.backup_store.port import Location
from adapters.backup_store.shelf import Shelf
from adapters.drivers.content import BLOCK_BYTES
from tests.adapters.backup_store.contract import (
    CHANGED,
    CONTENT,
    BackupStoreContract,
    a_backup,
    opened,
    read,
    where,
)
from tests.adapters.drivers.content_contract import blocks


class TestInMemory(BackupStoreContract):
    @pytest.fixture
    def shelf(self) -> Shelf:
        return MemoryShelf()


async def test_without_threads_it_is_the_same(monkeypatch: pytest.MonkeyPatch):
    def no_thread(*_: object) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr("threading.Thread.start", no_thread)
    store = opened(MemoryShelf(), threads=0)
    await store.write(a_backup(1), blocks(CONTENT))
    await store.write(a_backup(2, parent=where(1)), blocks(CHANGED))
    assert await read(store, where(2)) == CHANGED


@pytest.mark.parametrize(
    "container", ["", ".", "..", ".hidden", "a/b", "/etc", "-x", "a\0b", "a\n", "a" * 256, "ä"]
)
def test_a_container_cannot_have_a_name_that_leads_elsewhere(container: str):
    with pytest.raises(ValueError, match="cannot name a container"):
        Location(container, where(1).id)


def test_a_backup_cannot_be_its_own_parent():
    with pytest.raises(ValueError, match="own parent"):
        a_backup(1, parent=where(1))


@pytest.mark.parametrize("chunk_bytes", [0, BLOCK_BYTES - 1, 65 * BLOCK_BYTES])
def test_a_chunk_has_a_length_that_can_be_handled(chunk_bytes: int):
    with pytest.raises(ValueError, match="chunk"):
        opened(MemoryShelf(), chunk_bytes=chunk_bytes)
