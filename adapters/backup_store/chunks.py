"""Chunks: a volume's address space in pieces of one length, and how each is stored."""

from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from typing import Literal, NamedTuple, get_args

import msgspec
import zstandard

from adapters.backup_store.port import BackupStoreFailure
from adapters.drivers.content import BLOCK_BYTES, Block, Blocks, is_zero

Compression = Literal["zstd", "none"]
COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)
_SUFFIX = {"zstd": "zst", "none": "raw"}

LEVEL = 3
"""Of zstd, its own default: three times as fast as zlib at its fastest, and smaller."""


class Chunk(NamedTuple):
    """What is in a volume from `offset` on, a multiple of the chunk length."""

    offset: int
    data: bytearray

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One chunk in a manifest: where it belongs, what it is, and which backup holds it."""

    offset: int
    length: int
    sha256: str
    """Of the content, however it is stored."""
    stored_length: int
    compression: Compression
    holder: int = 0
    """By its place in the manifest's list of holders."""

    def of_parent(self) -> "Entry":
        """The same in the manifest of an incremental backup, whose holders are one more."""
        return msgspec.structs.replace(self, holder=self.holder + 1)

    @property
    def file(self) -> str:
        """Its name among the files of the holder."""
        return file_of(self.offset, self.compression)


class Wrong(ValueError):
    """What is stored is not the chunk; says what it is instead."""


def file_of(offset: int, compression: Compression) -> str:
    """In hexadecimal and of one length, so that names sort as offsets do."""
    return f"{offset:016x}.{_SUFFIX[compression]}"


async def chunks_of(content: Blocks, *, chunk_bytes: int, size_bytes: int) -> AsyncIterator[Chunk]:
    """The chunks that are not zero throughout.

    Raises BackupStoreFailure for blocks that overlap, go back or go beyond `size_bytes`.
    """
    chunk: Chunk | None = None
    reached = 0
    async for offset, data in content:
        if offset < reached or offset % BLOCK_BYTES or offset + len(data) > size_bytes:
            raise BackupStoreFailure(
                f"no volume of {size_bytes} bytes has {len(data)} from byte {offset} on"
                f" after it was read up to byte {reached}"
            )
        reached = offset + len(data)
        if is_zero(data):
            continue
        start = offset - offset % chunk_bytes
        if chunk is None or chunk.offset != start:
            if chunk is not None:
                yield chunk
            chunk = Chunk(start, bytearray(min(chunk_bytes, size_bytes - start)))
        chunk.data[offset - start : offset - start + len(data)] = data
    if chunk is not None:
        yield chunk


def blocks_of(offset: int, data: bytes) -> Iterator[Block]:
    """The blocks of a chunk's content that are not zero throughout."""
    for start in range(0, len(data), BLOCK_BYTES):
        piece = data[start : start + BLOCK_BYTES]
        if not is_zero(piece):
            yield Block(offset + start, piece)


def packed(chunk: Chunk, compression: Compression) -> tuple[Compression, bytes]:
    """How it is stored: as it is where compressing it saves nothing."""
    if compression == "zstd":
        smaller = zstandard.compress(chunk.data, LEVEL)
        if len(smaller) < len(chunk.data):
            return "zstd", smaller
    return "none", bytes(chunk.data)


def unpacked(entry: Entry, stored: bytes) -> bytes:
    """The content, verified. Raises Wrong."""
    if len(stored) != entry.stored_length:
        raise Wrong(f"has {len(stored)} bytes instead of {entry.stored_length}")
    content = stored if entry.compression == "none" else _decompressed(stored, entry.length)
    if len(content) != entry.length:
        raise Wrong(f"holds {len(content)} bytes instead of {entry.length}")
    found = sha256(content).hexdigest()
    if found != entry.sha256:
        raise Wrong(f"has the SHA-256 {found} instead of {entry.sha256}")
    return content


def _decompressed(stored: bytes, length: int) -> bytes:
    try:
        # The frame says its length; one that lies would have us allocate whatever it says.
        told = zstandard.frame_content_size(stored)
        if told != length:
            raise Wrong(f"holds {told} bytes instead of {length}")
        return zstandard.decompress(stored)
    except zstandard.ZstdError as error:
        raise Wrong(f"cannot be decompressed: {error}") from None
