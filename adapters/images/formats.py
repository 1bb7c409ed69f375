"""Which format an image has by its own bytes, and whether it is what it was declared to be.

What a format is told by is fixed here, so that nothing in a guest's disk can make a converter take
the disk for something else: a converter is always told the format.
"""

import os

import msgspec

from adapters.images import qcow2, virtual_disks, vmdk
from adapters.images.unacceptable import Bytes, ImageUnacceptable

HEAD_BYTES = 512
"""As many bytes tell the format."""

RAW_LIKE = {"raw", "iso", "ami", "ari", "aki"}
"""Glance's disk formats whose bytes are the disk."""

CONVERTIBLE = {"qcow2", "vmdk", "vdi", "vhd", "vhdx"}

_MAGICS = {
    "vmdk": [(0, magic) for magic in vmdk.MAGICS],
    "vdi": [(virtual_disks.VDI_OFFSET, virtual_disks.VDI_MAGIC)],
    "vhd": [(0, virtual_disks.VHD_MAGIC)],
    "vhdx": [(0, virtual_disks.VHDX_MAGIC)],
    "qed": [(0, b"QED\0")],
    "ploop": [(0, b"WithoutFreeSpace"), (0, b"WithouFreSpacExt")],
}


class Found(msgspec.Struct, frozen=True):
    """The format of an image, by Glance's name, and the bytes of its disk."""

    format: str
    virtual_size: int


def format_of(head: bytes) -> str:
    """By its first HEAD_BYTES; what has no mark is raw."""
    if head.startswith(qcow2.MAGIC):
        return "qcow" if head[4:8] == b"\0\0\0\1" else "qcow2"
    for name, places in _MAGICS.items():
        if any(head[at:].startswith(magic) for at, magic in places):
            return name
    return "raw"


def refuse_other_than(declared: str, head: bytes) -> None:
    """Raises ImageUnacceptable unless the image may be what it is declared to be."""
    found = format_of(head)
    if declared == "vhd" and found == "raw":
        return  # one of fixed size has its mark at the end
    expected = "raw" if declared in RAW_LIKE else declared
    if found != expected:
        raise ImageUnacceptable(f"it is declared as {declared} and is {found}")


def inspect(image: Bytes, *, size: int, declared: str) -> Found:
    """What an image of so many bytes is. Raises ImageUnacceptable for what is not as declared, and
    for what would lead a converter to other files."""
    refuse_other_than(declared, image(0, HEAD_BYTES))
    if declared in RAW_LIKE:
        return Found(declared, size)
    match declared:
        case "qcow2":
            return Found(declared, qcow2.virtual_size(image))
        case "vmdk":
            return Found(declared, vmdk.virtual_size(image))
        case "vdi":
            return Found(declared, virtual_disks.vdi_virtual_size(image, size))
        case "vhd":
            return Found(declared, virtual_disks.vhd_virtual_size(image, size))
        case "vhdx":
            return Found(declared, virtual_disks.vhdx_virtual_size(image, size))
    raise ImageUnacceptable(f"{declared} cannot be turned into a volume")


def inspect_open(file: int, *, declared: str) -> Found:
    """The same of an open file. Raises OSError."""
    size = os.fstat(file).st_size

    def image(offset: int, length: int) -> bytes:
        return os.pread(file, length, offset) if offset < size else b""  # may be no off_t

    return inspect(image, size=size, declared=declared)
