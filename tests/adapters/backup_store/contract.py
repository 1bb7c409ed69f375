"""What every store of backups keeps. `shelf` is a fixture of the file that runs it."""

import asyncio
import random
from collections.abc import Callable, Iterable
from uuid import UUID

import pytest

from adapters.backup_store.port import (
    BackupBusy,
    BackupDamaged,
    BackupSpec,
    BackupStoreFailure,
    Location,
    Progress,
)
from adapters.backup_store.shelf import Shelf
from adapters.backup_store.store import ChunkedBackupStore
from adapters.drivers.content import BLOCK_BYTES, Block, Blocks, fingerprint
from domain.errors import NotFound
from tests.adapters.drivers.content_contract import Broken, blocks
from tests.support.patience import soon

GIB = 2**30
MANIFEST = "manifest.json"


def text(word: str) -> bytes:
    """A block that can be compressed."""
    return (word.encode() * BLOCK_BYTES)[:BLOCK_BYTES]


def noise(seed: int) -> bytes:
    """A block that cannot."""
    return random.Random(seed).randbytes(BLOCK_BYTES)


CONTENT = [
    Block(0, text("boot")),
    Block(3 * BLOCK_BYTES, noise(1)),
    Block(GIB - BLOCK_BYTES, text("end")),
]
"""Of a volume of 1 GiB."""
CHANGED = [CONTENT[0], Block(3 * BLOCK_BYTES, noise(2)), Block(5 * BLOCK_BYTES, text("new"))]
"""One is the same, one changed, one new, one zero again."""


def where(number: int, container: str = "nightly") -> Location:
    return Location(container, UUID(int=number))


def a_backup(number: int = 1, *, parent: Location | None = None) -> BackupSpec:
    return BackupSpec(
        location=where(number),
        volume_id=UUID(int=0x10),
        size_gib=1,
        parent=parent,
        about={"name": "night", "owner": "a-project"},
    )


def files(shelf: Shelf, location: Location) -> dict[str, bytes]:
    return {name: shelf.load(location, name) for name in shelf.names(location)}


def offset_of(block: Block) -> str:
    return f"{block.offset:016x}"


async def read(store: ChunkedBackupStore, location: Location) -> list[Block]:
    return [block async for block in store.read(location)]


def opened(shelf: Shelf, **given: int | str) -> ChunkedBackupStore:
    settings = {"chunk_bytes": BLOCK_BYTES, "threads": 2, **given}
    return ChunkedBackupStore(shelf, **settings)  # type: ignore[arg-type]


class Stalled:
    """Content that stops after its first block until it is let go."""

    def __init__(self) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def content(self) -> Blocks:
        yield CONTENT[0]
        self.reached.set()
        await self.go_on.wait()
        for block in CONTENT[1:]:
            yield block


Change = Callable[[bytes], bytes | None]
CHANGES: dict[str, Change] = {
    "first byte": lambda b: bytes([b[0] ^ 1]) + b[1:],
    "middle byte": lambda b: (
        b[: len(b) // 2] + bytes([b[len(b) // 2] ^ 128]) + b[len(b) // 2 + 1 :]
    ),
    "last byte": lambda b: b[:-1] + bytes([b[-1] ^ 4]),
    "shorter": lambda b: b[:-1],
    "longer": lambda b: b + b"\0",
    "empty": lambda b: b"",
    "gone": lambda b: None,
}


def change(shelf: Shelf, location: Location, name: str, how: Change) -> None:
    changed = how(shelf.load(location, name))
    shelf.remove(location, [name])
    if changed is not None:
        shelf.save(location, name, changed)


class BackupStoreContract:
    @pytest.fixture
    async def store(self, shelf: Shelf):
        store = opened(shelf)
        yield store
        await store.close()

    @pytest.mark.parametrize("chunk_blocks", [1, 4, 7])
    @pytest.mark.parametrize("compression", ["zstd", "none"])
    async def test_what_was_written_is_read_whatever_the_chunks(
        self, shelf: Shelf, chunk_blocks: int, compression: str
    ):
        store = opened(shelf, chunk_bytes=chunk_blocks * BLOCK_BYTES, compression=compression)
        stored = await store.write(a_backup(), blocks(CONTENT))
        assert await fingerprint(store.read(where(1))) == await fingerprint(blocks(CONTENT))
        assert await store.describe(where(1)) == stored
        assert stored.backup == a_backup()
        assert stored.object_count == (3 if chunk_blocks == 1 else 2)
        kept = files(shelf, where(1))
        del kept[MANIFEST]
        assert stored.object_count == len(kept)
        assert stored.stored_bytes == sum(map(len, kept.values()))
        assert await store.verify(where(1)) == []

    async def test_what_is_zero_is_not_stored_and_what_cannot_shrink_is_stored_as_it_is(
        self, store: ChunkedBackupStore, shelf: Shelf
    ):
        zeros = [Block(BLOCK_BYTES, bytes(BLOCK_BYTES))]
        await store.write(a_backup(), blocks([CONTENT[0], *zeros, *CONTENT[1:]]))
        kept = files(shelf, where(1))
        lengths = {name: len(content) for name, content in kept.items() if name != MANIFEST}
        assert lengths.pop(f"{offset_of(CONTENT[1])}.raw") == BLOCK_BYTES
        assert {name.partition(".")[0] for name in lengths} == {
            offset_of(CONTENT[0]),
            offset_of(CONTENT[2]),
        }
        assert max(lengths.values()) < BLOCK_BYTES / 100
        assert await read(store, where(1)) == CONTENT

    async def test_nothing_is_content_too(self, store: ChunkedBackupStore):
        assert (await store.write(a_backup(), blocks([]))).object_count == 0
        assert await read(store, where(1)) == []
        assert await store.held() == {where(1): True}

    async def test_an_incremental_backup_holds_what_changed_and_each_reads_as_it_was(
        self, store: ChunkedBackupStore, shelf: Shelf
    ):
        await store.write(a_backup(1), blocks(CONTENT))
        other = opened(shelf, chunk_bytes=8 * BLOCK_BYTES)  # a setting that was changed since
        changed = await other.write(a_backup(2, parent=where(1)), blocks(CHANGED))
        assert (changed.object_count, changed.chunk_bytes) == (2, BLOCK_BYTES)
        same = await store.write(a_backup(3, parent=where(2)), blocks(CHANGED))
        assert (same.object_count, same.stored_bytes) == (0, 0)
        back = await store.write(a_backup(4, parent=where(3)), blocks(CONTENT))
        assert back.object_count == 2
        for number, content in enumerate([CONTENT, CHANGED, CHANGED, CONTENT], start=1):
            assert await read(store, where(number)) == content
            assert await store.verify(where(number)) == []

    async def test_a_backup_that_is_there_is_left_as_it_is(
        self, store: ChunkedBackupStore, shelf: Shelf
    ):
        stored = await store.write(a_backup(), blocks(CONTENT))
        before = files(shelf, where(1))
        assert await store.write(a_backup(), blocks([], then=Broken())) == stored
        of_something_else = BackupSpec(location=where(1), volume_id=UUID(int=0x11), size_gib=1)
        with pytest.raises(BackupStoreFailure, match="left as it is"):
            await store.write(of_something_else, blocks(CHANGED))
        assert files(shelf, where(1)) == before

    async def test_a_write_that_breaks_off_is_no_backup_and_goes_on_where_it_was(
        self, store: ChunkedBackupStore, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ):
        with pytest.raises(Broken):
            await store.write(a_backup(), blocks(CONTENT, then=Broken()))
        assert await store.held() == {where(1): False}
        for call in (store.describe(where(1)), store.verify(where(1)), read(store, where(1))):
            with pytest.raises(NotFound):
                await call

        saved: list[str] = []
        save = shelf.save

        def watched(location: Location, name: str, content: bytes) -> None:
            saved.append(name)
            save(location, name, content)

        monkeypatch.setattr(shelf, "save", watched)
        stored = await store.write(a_backup(), blocks(CONTENT))
        # the last chunk was not known to be the last
        assert saved == [f"{offset_of(CONTENT[2])}.zst", MANIFEST]
        assert stored.object_count == 3
        assert await read(store, where(1)) == CONTENT

    @pytest.mark.parametrize("how", sorted(CHANGES.keys() - {"gone"}))
    async def test_what_was_damaged_or_changed_before_it_went_on_is_stored_anew(
        self, store: ChunkedBackupStore, shelf: Shelf, how: str
    ):
        with pytest.raises(Broken):
            await store.write(a_backup(), blocks(CONTENT, then=Broken()))
        change(shelf, where(1), f"{offset_of(CONTENT[0])}.zst", CHANGES[how])
        await store.write(a_backup(), blocks(CHANGED))
        assert await read(store, where(1)) == CHANGED
        assert {name.partition(".")[0] for name in shelf.names(where(1))} == {
            "manifest",
            *(offset_of(block) for block in CHANGED),
        }

    @pytest.mark.parametrize("how", CHANGES)
    @pytest.mark.parametrize("number", [1, 2], ids=["its own", "its parent's"])
    async def test_a_damaged_chunk_is_named_and_what_comes_before_is_read(
        self, store: ChunkedBackupStore, shelf: Shelf, how: str, number: int
    ):
        await store.write(a_backup(1), blocks(CONTENT))
        await store.write(a_backup(2, parent=where(1)), blocks(CONTENT))
        name = f"{offset_of(CONTENT[1])}.raw"
        change(shelf, where(1), name, CHANGES[how])
        got = []
        with pytest.raises(BackupDamaged) as damaged:
            async for block in store.read(where(number)):
                got.append(block)
        assert got == CONTENT[:1]
        damage = damaged.value.damage
        assert (damage.location, damage.file, damage.offset) == (where(1), name, CONTENT[1].offset)
        assert await store.verify(where(number)) == [damage]
        for said in (str(where(1).id), name, str(CONTENT[1].offset), damage.what):
            assert said in str(damaged.value)

    async def test_every_damaged_chunk_is_found(self, store: ChunkedBackupStore, shelf: Shelf):
        await store.write(a_backup(), blocks(CONTENT))
        names = [f"{offset_of(CONTENT[0])}.zst", f"{offset_of(CONTENT[2])}.zst"]
        change(shelf, where(1), names[0], CHANGES["gone"])
        change(shelf, where(1), names[1], CHANGES["last byte"])
        assert [damage.file for damage in await store.verify(where(1))] == names

    async def test_no_flip_of_any_byte_changes_what_is_read(
        self, store: ChunkedBackupStore, shelf: Shelf
    ):
        await store.write(a_backup(), blocks(CONTENT[:1]))
        for name, whole in files(shelf, where(1)).items():
            assert len(whole) < 2_000
            for place in range(len(whole)):
                flipped = bytes(
                    [*whole[:place], whole[place] ^ 1 << place % 8, *whole[place + 1 :]]
                )
                shelf.save(where(1), name, flipped)
                try:
                    assert await read(store, where(1)) == CONTENT[:1]
                except BackupDamaged as damaged:
                    assert damaged.damage.file == name
                else:
                    assert name != MANIFEST
            shelf.save(where(1), name, whole)

    @pytest.mark.parametrize("how", sorted(CHANGES.keys() - {"gone"}))
    async def test_a_damaged_manifest_is_named(
        self, store: ChunkedBackupStore, shelf: Shelf, how: str
    ):
        await store.write(a_backup(), blocks(CONTENT))
        change(shelf, where(1), MANIFEST, CHANGES[how])
        [damage] = await store.verify(where(1))
        assert (damage.location, damage.file, damage.offset) == (where(1), MANIFEST, None)
        child = a_backup(2, parent=where(1))
        for call in (
            read(store, where(1)),
            store.describe(where(1)),
            store.write(child, blocks(CONTENT)),
        ):
            with pytest.raises(BackupDamaged):
                await call

    async def test_a_manifest_of_another_backup_is_not_taken_for_its_own(
        self, store: ChunkedBackupStore, shelf: Shelf
    ):
        await store.write(a_backup(1), blocks(CONTENT))
        shelf.save(where(2), MANIFEST, shelf.load(where(1), MANIFEST))
        with pytest.raises(BackupDamaged, match="is the manifest of"):
            await store.describe(where(2))

    async def test_what_a_parent_has_lost_is_stored_by_its_next_increment(
        self, store: ChunkedBackupStore, shelf: Shelf
    ):
        await store.write(a_backup(1), blocks(CONTENT))
        change(shelf, where(1), f"{offset_of(CONTENT[1])}.raw", CHANGES["gone"])
        increment = await store.write(a_backup(2, parent=where(1)), blocks(CONTENT))
        assert increment.object_count == 1
        assert await read(store, where(2)) == CONTENT

    async def test_only_a_complete_backup_can_be_a_parent(self, store: ChunkedBackupStore):
        child = a_backup(2, parent=where(1))
        with pytest.raises(NotFound):
            await store.write(child, blocks(CONTENT))
        with pytest.raises(Broken):
            await store.write(a_backup(1), blocks(CONTENT, then=Broken()))
        with pytest.raises(NotFound):
            await store.write(child, blocks(CONTENT))

    async def test_nothing_is_left_of_a_deleted_backup(
        self, store: ChunkedBackupStore, shelf: Shelf
    ):
        await store.write(a_backup(1), blocks(CONTENT))
        await store.write(a_backup(2), blocks(CHANGED))
        with pytest.raises(Broken):
            await store.write(a_backup(3), blocks(CONTENT, then=Broken()))
        for number in (1, 1, 3, 99):
            await store.delete(where(number))
        assert await store.held() == {where(2): True}
        assert await read(store, where(2)) == CHANGED
        await store.delete(where(2))
        assert shelf.locations() == []
        await store.write(a_backup(1), blocks(CHANGED))
        assert await read(store, where(1)) == CHANGED

    async def test_one_writes_at_a_time_and_others_are_told(
        self, store: ChunkedBackupStore, shelf: Shelf
    ):
        first, other = Stalled(), opened(shelf)
        writing = asyncio.create_task(store.write(a_backup(), first.content()))
        await soon(first.reached.wait())
        for each in (store, other):
            with pytest.raises(BackupBusy):
                await each.write(a_backup(), blocks(CHANGED))
            with pytest.raises(BackupBusy):
                await each.delete(where(1))
        await other.write(a_backup(2), blocks(CHANGED))  # the neighbours do not wait
        first.go_on.set()
        await soon(writing)
        assert await read(other, where(1)) == CONTENT

    async def test_a_cancelled_write_may_be_repeated_at_once(self, store: ChunkedBackupStore):
        first = Stalled()
        writing = asyncio.create_task(store.write(a_backup(), first.content()))
        await soon(first.reached.wait())
        writing.cancel()
        await asyncio.wait({writing})
        assert writing.cancelled()
        await store.write(a_backup(), blocks(CONTENT))
        assert await read(store, where(1)) == CONTENT

    async def test_many_are_written_and_read_at_once(self, store: ChunkedBackupStore):
        numbers = range(1, 11)
        await soon(asyncio.gather(*(store.write(a_backup(n), blocks(CONTENT)) for n in numbers)))
        found = await soon(asyncio.gather(*(read(store, where(n)) for n in numbers)))
        assert found == [CONTENT] * 10

    async def test_how_far_it_has_come_is_told(self, store: ChunkedBackupStore):
        await store.write(a_backup(1), blocks(CONTENT))
        told: list[Progress] = []
        child = a_backup(2, parent=where(1))
        stored = await store.write(child, blocks(CHANGED), progress=told.append)
        assert [step.done_bytes for step in told] == [n * BLOCK_BYTES for n in (1, 4, 6)]
        assert [step.object_count for step in told] == [0, 1, 2]
        assert told[-1].stored_bytes == stored.stored_bytes

    @pytest.mark.parametrize(
        "content",
        [
            [CONTENT[1], CONTENT[0]],
            [CONTENT[0], CONTENT[0]],
            [Block(GIB, text("beyond"))],
            [Block(7, text("between"))],
        ],
        ids=["back", "twice", "beyond the end", "between blocks"],
    )
    async def test_content_that_no_volume_has_is_refused(
        self, store: ChunkedBackupStore, content: Iterable[Block]
    ):
        with pytest.raises(BackupStoreFailure, match="no volume of"):
            await store.write(a_backup(), blocks(list(content)))
        assert not (await store.held()).get(where(1))

    async def test_what_is_not_there_is_not_found(self, store: ChunkedBackupStore):
        await store.check()
        assert await store.held() == {}
        for call in (store.describe(where(1)), store.verify(where(1)), read(store, where(1))):
            with pytest.raises(NotFound):
                await call
