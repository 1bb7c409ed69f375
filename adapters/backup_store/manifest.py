"""The manifest of a backup: JSON that lists all of its chunks, and its own SHA-256.

A backup is complete when its manifest is there, and what is not in the manifest is not in the
backup. It names the holder of every chunk, so that reading needs no manifest of a parent.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from adapters.backup_store.chunks import Entry, Wrong
from adapters.backup_store.port import BackupSpec, Location, Stored
from adapters.drivers.content import BLOCK_BYTES

FILE = "manifest.json"

MOST_CHUNK_BYTES = 64 * BLOCK_BYTES
"""Several of them are in memory at a time."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`holders` begins with the backup itself, then its parent, then the parent's, and so on."""

    format: Literal["lapilli-backup"] = "lapilli-backup"
    version: Literal[1] = 1
    backup: BackupSpec
    chunk_bytes: Annotated[int, Meta(ge=BLOCK_BYTES, le=MOST_CHUNK_BYTES, multiple_of=BLOCK_BYTES)]
    holders: list[Location]
    chunks: list[Entry]

    def __post_init__(self) -> None:
        if [self.backup.location] != self.holders[:1]:
            raise ValueError("the first holder is the backup itself")
        if self.holders[1:2] != [self.backup.parent] * (self.backup.parent is not None):
            raise ValueError("the second holder is the parent")
        reached = 0
        for entry in self.chunks:
            self._check(entry, reached)
            reached = entry.offset + entry.length

    @property
    def stored(self) -> Stored:
        """What it says of the backup as a whole."""
        own = [entry for entry in self.chunks if entry.holder == 0]
        return Stored(
            backup=self.backup,
            chunk_bytes=self.chunk_bytes,
            object_count=len(own),
            stored_bytes=sum(entry.stored_length for entry in own),
        )

    def _check(self, entry: Entry, reached: int) -> None:
        rest = self.backup.size_bytes - entry.offset
        if (
            entry.offset % self.chunk_bytes
            or entry.offset < reached
            or entry.length != min(self.chunk_bytes, rest)
            or not 0 < entry.stored_length <= entry.length
            or not 0 <= entry.holder < len(self.holders)
        ):
            raise ValueError(f"there can be no chunk {entry}")


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    manifest: msgspec.Raw


def of(backup: BackupSpec, parent: Manifest | None, chunk_bytes: int) -> Manifest:
    """The manifest of a backup that nothing is stored of. One with a parent has its chunk length,
    so that each chunk can be compared."""
    return Manifest(
        backup=backup,
        chunk_bytes=parent.chunk_bytes if parent else chunk_bytes,
        holders=[backup.location, *(parent.holders if parent else [])],
        chunks=[],
    )


def complete(begun: Manifest, chunks: Sequence[Entry]) -> Manifest:
    """With all of its chunks, in the order of their offsets."""
    return msgspec.structs.replace(begun, chunks=list(chunks))


def encode(manifest: Manifest) -> bytes:
    """As it is stored."""
    content = msgspec.json.encode(manifest)
    return msgspec.json.encode(_Sealed(sha256(content).hexdigest(), msgspec.Raw(content)))


def decode(stored: bytes, location: Location) -> Manifest:
    """The manifest of the backup at a location. Raises Wrong."""
    try:
        sealed = msgspec.json.decode(stored, type=_Sealed)
        found = sha256(sealed.manifest).hexdigest()
        if found != sealed.sha256:
            raise Wrong(f"has the SHA-256 {found} instead of {sealed.sha256}")
        manifest = msgspec.json.decode(sealed.manifest, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Wrong(f"is not a manifest that can be read: {error}") from None
    if manifest.backup.location != location:
        raise Wrong(f"is the manifest of {manifest.backup.location}")
    return manifest
