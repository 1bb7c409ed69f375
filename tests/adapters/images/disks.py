"""Images to try, made byte by byte: honest ones, and those of an attacker."""

import struct

BACKING, INCOMPATIBLE, HEADER_LENGTH = 8, 72, 100
"""Where fields of a qcow2 header are."""


def a_qcow2(*, size: int = 1 << 30, version: int = 3, extensions: bytes = b"") -> bytes:
    """The first clusters of a qcow2 without content."""
    l1_entries = max(1, -(-size // (1 << 29)))
    head = struct.pack(
        ">4sIQIIQIIQQIIQ",
        *(b"QFI\xfb", version, 0, 0, 16, size, 0, l1_entries, 3 << 16, 1 << 16, 1, 0, 0),
    )
    if version == 3:
        head += struct.pack(">QQQII", 0, 0, 0, 4, 104)
    return (head + extensions + bytes(8)).ljust(4 << 16, b"\0")


def patched(image: bytes, offset: int, layout: str, *values: object) -> bytes:
    """The same with other values there."""
    changed = bytearray(image)
    struct.pack_into(layout, changed, offset, *values)
    return bytes(changed)


def a_vmdk(descriptor: str, *, capacity: int = 2048, sector: int = 1) -> bytes:
    """A VMDK of one file with that descriptor, all zeros."""
    head = struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, capacity, 128, sector, 20).ljust(512, b"\0")
    return head + descriptor.encode().ljust(20 * 512, b"\0")


DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=7a1b2c3d
parentCID=ffffffff
createType="monolithicSparse"
RW 2048 SPARSE "disk.vmdk"
"""
