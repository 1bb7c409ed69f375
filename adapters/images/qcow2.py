"""The header of a qcow2 image: how large its disk is, and whether it can be trusted to a converter.

Source of offsets and bits: QEMU's format specification (docs/interop/qcow2.txt).
"""

from typing import NamedTuple

from adapters.images.unacceptable import Bytes, fields, refuse_if

MAGIC = b"QFI\xfb"
HEADER = ">4sIQIIQIIQQIIQ"
"""Of all versions: magic to snapshots_offset."""
VERSION_3 = ">QQQII"
"""What version 3 adds, from byte 72 on."""

CORRUPT, EXTERNAL_DATA = 1 << 1, 1 << 2
HARMLESS = 1 << 0 | 1 << 3 | 1 << 4
"""Incompatible features within the file: dirty refcounts, compression type, subclusters."""

CLUSTER_BITS = range(9, 22)
LARGEST_L1_BYTES = 32 * 2**20
"""What QEMU takes."""

DATA_FILE_NAME = 0x44415441
"""Type of the header extension that names an external data file."""


class _Header(NamedTuple):
    magic: bytes
    version: int
    backing_offset: int
    backing_length: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int


def virtual_size(image: Bytes) -> int:
    """Bytes of the disk. Raises ImageUnacceptable, above all for what leads to other files."""
    header = _Header(*fields(HEADER, image, 0))
    refuse_if(header.magic != MAGIC, "it is no qcow2")
    refuse_if(header.version not in (2, 3), f"qcow2 of version {header.version} is not known")
    refuse_if(header.backing_offset or header.backing_length, "it has a backing file")
    refuse_if(header.encryption, "it is encrypted by qcow2")
    refuse_if(header.cluster_bits not in CLUSTER_BITS, "its clusters have an impossible size")
    end = 72
    if header.version == 3:
        end = _checked_features(image)
    _refuse_named_data_file(image, end, cluster_bytes=1 << header.cluster_bits)
    _refuse_impossible_table(header)
    return header.size


def _checked_features(image: Bytes) -> int:
    incompatible, _, _, _, header_length = fields(VERSION_3, image, 72)
    refuse_if(incompatible & EXTERNAL_DATA, "its content is in an external data file")
    refuse_if(incompatible & CORRUPT, "it is marked as corrupt")
    unknown = incompatible & ~(CORRUPT | EXTERNAL_DATA | HARMLESS)
    refuse_if(unknown, f"it has features that are not known ({unknown:#x})")
    refuse_if(header_length < 104 or header_length % 8, "its header has an impossible length")
    return int(header_length)


def _refuse_named_data_file(image: Bytes, at: int, *, cluster_bytes: int) -> None:
    """Walks the header extensions, which end within the first cluster."""
    while at + 8 <= cluster_bytes and len(image(at, 8)) == 8:
        kind, length = fields(">II", image, at)
        refuse_if(kind == DATA_FILE_NAME, "it names an external data file")
        if kind == 0:
            return
        refuse_if(at + 8 + length > cluster_bytes, "its header goes beyond its first cluster")
        at += 8 + (length + 7) // 8 * 8


def _refuse_impossible_table(header: _Header) -> None:
    per_entry = 1 << (2 * header.cluster_bits - 3)  # a cluster of entries, a cluster each
    needed = -(-header.size // per_entry)
    refuse_if(header.l1_entries < needed, "its tables do not reach to its end")
    refuse_if(header.l1_entries * 8 > LARGEST_L1_BYTES, "its tables are larger than any QEMU makes")
