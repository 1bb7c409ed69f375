"""The headers of VDI, VHD and VHDX images: how large their disks are; none may have a parent.

Sources: VirtualBox's VDICore.h; Microsoft's Virtual Hard Disk Image Format Specification and
[MS-VHDX].
"""

from uuid import UUID

from adapters.images.unacceptable import Bytes, ImageUnacceptable, fields, refuse_if

VDI_MAGIC, VDI_OFFSET = b"\x7f\x10\xda\xbe", 0x40
VHD_MAGIC, VHDX_MAGIC = b"conectix", b"vhdxfile"
FOOTER_BYTES = 512
VDI_KINDS = {1, 2}
"""Dynamic and static: all others depend on another image."""
VHD_KINDS = {2, 3}
"""Fixed and dynamic."""

VHDX_REGIONS = 192 * 2**10
METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
VIRTUAL_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
MOST_ENTRIES = 2047
"""Of either of VHDX's tables."""
HAS_PARENT = 1 << 1


def vdi_virtual_size(image: Bytes, _size: int) -> int:
    """Bytes of the disk. Raises ImageUnacceptable."""
    (kind,) = fields("<I", image, 0x4C)
    refuse_if(kind not in VDI_KINDS, "it depends on another image")
    (size,) = fields("<Q", image, 0x170)
    return int(size)


def vhd_virtual_size(image: Bytes, size: int) -> int:
    """Bytes of the disk; one of fixed size has only a footer. Raises ImageUnacceptable."""
    at = 0 if image(0, len(VHD_MAGIC)) == VHD_MAGIC else max(0, size - FOOTER_BYTES)
    magic, current, kind = fields(">8s40xQ4xI", image, at)
    refuse_if(magic != VHD_MAGIC, "it is no VHD")
    refuse_if(kind not in VHD_KINDS, "it depends on another image")
    return int(current)


def vhdx_virtual_size(image: Bytes, _size: int) -> int:
    """Bytes of the disk. Raises ImageUnacceptable."""
    signature, count = fields("<4s4xI", image, VHDX_REGIONS)
    refuse_if(signature != b"regi" or count > MOST_ENTRIES, "its region table is damaged")
    table, _ = _entry(image, VHDX_REGIONS + 16, count, METADATA_REGION, "<QI")
    signature, count = fields("<8s2xH", image, table)
    refuse_if(signature != b"metadata" or count > MOST_ENTRIES, "its metadata are damaged")
    offset, _ = _entry(image, table + 32, count, FILE_PARAMETERS, "<II")
    _, flags = fields("<II", image, table + offset)
    refuse_if(flags & HAS_PARENT, "it depends on another image")
    offset, _ = _entry(image, table + 32, count, VIRTUAL_DISK_SIZE, "<II")
    (size,) = fields("<Q", image, table + offset)
    return int(size)


def _entry(image: Bytes, table: int, count: int, wanted: bytes, layout: str) -> tuple[int, int]:
    """Offset and length in the entry of a table that has this GUID: the first, as QEMU takes it."""
    for at in range(table, table + 32 * count, 32):
        if fields("<16s", image, at) == (wanted,):
            offset, length = fields(layout, image, at + 16)
            return offset, length
    raise ImageUnacceptable("its metadata are incomplete")
