"""Backups in chunks on a shelf: hashed, compressed, resumed after a crash, verified when read."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from uuid import UUID

from adapters.backup_store import manifest as manifests
from adapters.backup_store.chunks import (
    COMPRESSIONS,
    Chunk,
    Compression,
    Entry,
    Wrong,
    blocks_of,
    chunks_of,
    file_of,
    packed,
    unpacked,
)
from adapters.backup_store.manifest import MOST_CHUNK_BYTES, Manifest
from adapters.backup_store.pipeline import Threads
from adapters.backup_store.port import (
    BackupBusy,
    BackupDamaged,
    BackupSpec,
    BackupStoreFailure,
    Damage,
    Location,
    Progress,
    Stored,
)
from adapters.backup_store.shelf import Shelf
from adapters.drivers.content import BLOCK_BYTES, Blocks
from adapters.drivers.failures import explained
from domain.containers import DEFAULT_CONTAINER
from domain.errors import NotFound

CHUNK_BYTES = 4 * 2**20
_NO_BACKUP = Location(DEFAULT_CONTAINER, UUID(int=0))

THREADS = min(4, os.cpu_count() or 1)


class ChunkedBackupStore:
    """Each chunk that is not zero is a file, the manifest is written last.

    At a time some `threads` + 2 chunks of each backup are in memory.
    """

    def __init__(
        self,
        shelf: Shelf,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        compression: Compression = "zstd",
        threads: int = THREADS,
    ) -> None:
        """`threads` 0: everything is done at once, in the event loop."""
        if chunk_bytes not in range(BLOCK_BYTES, MOST_CHUNK_BYTES + 1, BLOCK_BYTES):
            raise ValueError(f"a chunk cannot have {chunk_bytes} bytes")
        self._shelf = shelf
        self._chunk_bytes = chunk_bytes
        self._compression: Compression = compression
        self._threads = Threads(threads, "backup-store")

    async def write(
        self,
        backup: BackupSpec,
        content: Blocks,
        *,
        progress: Callable[[Progress], None] | None = None,
    ) -> Stored:
        with self._failures(f"cannot write {backup.location}"):
            async with self._claimed(backup.location):
                found = await self._threads.run(lambda: self._found(backup))
                if found is None:
                    found = await self._write(backup, content, progress or (lambda _: None))
                return found.stored

    async def read(self, location: Location) -> Blocks:
        with self._failures(f"cannot read {location}"):
            manifest = await self._threads.run(lambda: self._manifest(location))
            async with self._threads.in_order(self._fetching(manifest)) as contents:
                async for offset, data in contents:
                    for block in blocks_of(offset, data):
                        yield block

    async def describe(self, location: Location) -> Stored:
        with self._failures(f"cannot read {location}"):
            return (await self._threads.run(lambda: self._manifest(location))).stored

    async def verify(self, location: Location) -> list[Damage]:
        with self._failures(f"cannot verify {location}"):
            try:
                manifest = await self._threads.run(lambda: self._manifest(location))
            except BackupDamaged as damaged:
                return [damaged.damage]
            async with self._threads.in_order(self._verifying(manifest)) as found:
                return [damage async for damage in found if damage is not None]

    async def delete(self, location: Location) -> None:
        def delete() -> None:
            # First what makes it a backup, so that nobody takes the rest for a whole one.
            self._shelf.remove(location, [manifests.FILE])
            self._shelf.drop(location)

        with self._failures(f"cannot delete {location}"):
            async with self._claimed(location):
                await self._threads.run(delete)

    async def held(self) -> dict[Location, bool]:
        def held() -> dict[Location, bool]:
            return {location: self._is_complete(location) for location in self._shelf.locations()}

        with self._failures("cannot list backups"):
            return await self._threads.run(held)

    async def check(self) -> None:
        def check() -> None:
            self._shelf.check()
            # Which takes writing, and is in nobody's way.
            with suppress(BlockingIOError), self._shelf.claim(_NO_BACKUP):
                pass

        with self._failures("cannot keep backups"):
            await self._threads.run(check)

    async def close(self) -> None:
        await self._threads.close()

    async def _write(
        self, backup: BackupSpec, content: Blocks, progress: Callable[[Progress], None]
    ) -> Manifest:
        parent = None
        if (location := backup.parent) is not None:
            parent = await self._threads.run(lambda: self._manifest(location))
        begun = manifests.of(backup, parent, self._chunk_bytes)
        entries: list[Entry] = []
        own = stored_bytes = 0
        async with self._threads.in_order(self._keeping(begun, parent, content)) as kept:
            async for entry in kept:
                entries.append(entry)
                if entry.holder == 0:
                    own, stored_bytes = own + 1, stored_bytes + entry.stored_length
                progress(Progress(entry.offset + entry.length, own, stored_bytes))
        return await self._threads.run(lambda: self._finish(manifests.complete(begun, entries)))

    async def _keeping(
        self, begun: Manifest, parent: Manifest | None, content: Blocks
    ) -> AsyncIterator[Callable[[], Entry]]:
        known = {entry.offset: entry for entry in parent.chunks} if parent else {}
        location = begun.backup.location
        left = await self._threads.run(lambda: self._shelf.names(location))
        chunks = chunks_of(
            content, chunk_bytes=begun.chunk_bytes, size_bytes=begun.backup.size_bytes
        )
        async for chunk in chunks:
            yield partial(self._keep, chunk, begun, known.get(chunk.offset), left)

    def _keep(self, chunk: Chunk, begun: Manifest, before: Entry | None, left: set[str]) -> Entry:
        """Stores a chunk, unless it is stored: by the parent, or by us before we died."""
        digest = chunk.sha256
        if before is not None and before.sha256 == digest:
            inherited = before.of_parent()
            holder = begun.holders[inherited.holder]
            # What was lost of the parent is stored anew; reading all of it would take too long.
            if self._shelf.length(holder, inherited.file) == inherited.stored_length:
                return inherited
        location = begun.backup.location
        for compression in COMPRESSIONS:
            if file_of(chunk.offset, compression) in left:
                found = self._resumed(location, chunk, digest, compression)
                if found is not None:
                    return found
        compression, stored = packed(chunk, self._compression)
        entry = Entry(chunk.offset, len(chunk.data), digest, len(stored), compression)
        self._shelf.save(location, entry.file, stored)
        return entry

    def _resumed(
        self, location: Location, chunk: Chunk, digest: str, compression: Compression
    ) -> Entry | None:
        """What an earlier attempt has stored, if it is this chunk."""
        length = len(chunk.data)
        stored = self._shelf.load(location, file_of(chunk.offset, compression), most=length)
        entry = Entry(chunk.offset, length, digest, len(stored), compression)
        try:
            unpacked(entry, stored)
        except Wrong:
            return None
        return entry

    def _finish(self, manifest: Manifest) -> Manifest:
        """Makes the backup appear, without what earlier attempts have left besides."""
        location = manifest.backup.location
        own = {entry.file for entry in manifest.chunks if entry.holder == 0}
        self._shelf.remove(location, self._shelf.names(location) - own)
        self._shelf.save(location, manifests.FILE, manifests.encode(manifest))
        return manifest

    async def _fetching(self, manifest: Manifest) -> AsyncIterator[Callable[[], tuple[int, bytes]]]:
        for entry in manifest.chunks:
            yield partial(self._fetch, entry, manifest.holders[entry.holder])

    def _fetch(self, entry: Entry, holder: Location) -> tuple[int, bytes]:
        """A chunk's offset and content. Raises BackupDamaged."""
        try:
            stored = self._shelf.load(holder, entry.file, most=entry.stored_length)
            return entry.offset, unpacked(entry, stored)
        except FileNotFoundError:
            self._shelf.check()  # a missing shelf is not a missing file
            what = "is missing"
        except OSError as error:
            what = f"cannot be read: {explained(error)}"
        except Wrong as wrong:
            what = str(wrong)
        raise BackupDamaged(
            Damage(location=holder, file=entry.file, offset=entry.offset, what=what)
        )

    async def _verifying(self, manifest: Manifest) -> AsyncIterator[Callable[[], Damage | None]]:
        for entry in manifest.chunks:
            yield partial(self._damage, entry, manifest.holders[entry.holder])

    def _damage(self, entry: Entry, holder: Location) -> Damage | None:
        try:
            self._fetch(entry, holder)
        except BackupDamaged as damaged:
            return damaged.damage
        return None

    def _found(self, backup: BackupSpec) -> Manifest | None:
        """What is complete already. Raises BackupStoreFailure if it is of something else."""
        if not self._is_complete(backup.location):
            return None
        found = self._manifest(backup.location)
        was = found.backup
        if (was.volume_id, was.size_gib, was.parent) != (
            backup.volume_id,
            backup.size_gib,
            backup.parent,
        ):
            raise BackupStoreFailure(
                f"{backup.location} is there, of something else: left as it is"
            )
        return found

    def _is_complete(self, location: Location) -> bool:
        return self._shelf.length(location, manifests.FILE) is not None

    def _manifest(self, location: Location) -> Manifest:
        """Raises NotFound, BackupDamaged."""
        try:
            return manifests.decode(self._shelf.load(location, manifests.FILE), location)
        except FileNotFoundError:
            self._shelf.check()  # a missing shelf is not a missing backup
            raise NotFound(kind="backup", id=str(location.id)) from None
        except Wrong as wrong:
            damage = Damage(location=location, file=manifests.FILE, offset=None, what=str(wrong))
            raise BackupDamaged(damage) from None

    @asynccontextmanager
    async def _claimed(self, location: Location) -> AsyncIterator[None]:
        with ExitStack() as claims:
            try:
                await self._threads.run(lambda: claims.enter_context(self._shelf.claim(location)))
            except BlockingIOError:
                raise BackupBusy(location) from None
            yield

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackupStoreFailure(f"{what} in {self._shelf.name}: {explained(error)}") from error
