"""The header of a VMDK image: only files that hold all of their disk themselves are acceptable.

Source: VMware's Virtual Disk Format 5.0, and what QEMU makes of it: a descriptor that lists other
files as extents, or a parent, makes a converter open them.
"""

import re

from adapters.images.unacceptable import Bytes, fields, refuse_if

SPARSE_MAGIC, COWD_MAGIC = b"KDMV", b"COWD"
DESCRIPTOR = b"# Disk DescriptorFile"
MAGICS = (SPARSE_MAGIC, COWD_MAGIC, DESCRIPTOR)

SECTOR_BYTES = 512
DESCRIPTOR_SECTOR, DESCRIPTOR_SECTORS = 1, 20
"""Where QEMU reads the descriptor, whatever the header says."""

SELF_CONTAINED = {"monolithicsparse", "streamoptimized"}
_CREATE_TYPE = re.compile(r'^\s*createtype\s*=\s*"?([^"\s]*)"?', re.MULTILINE)
_EXTENT = re.compile(r"^\s*(?:rw|rdonly|noaccess)\s+\d+\s+(\S+)", re.MULTILINE)
_PARENT = re.compile(r"parentfilenamehint|^\s*parentcid\s*=\s*(?!ffffffff)", re.MULTILINE)


def virtual_size(image: Bytes) -> int:
    """Bytes of the disk. Raises ImageUnacceptable, above all for what leads to other files."""
    refuse_if(image(0, 4) != SPARSE_MAGIC, "this VMDK only describes other files")
    layout = "<4sIIQQQQ"
    _, version, _, capacity, _, sector, sectors = fields(layout, image, 0)
    refuse_if(version not in (1, 2, 3), f"VMDK of version {version} is not known")
    refuse_if(capacity == 0, "this VMDK only describes other files")
    refuse_if(
        sector != DESCRIPTOR_SECTOR or not 0 < sectors <= DESCRIPTOR_SECTORS,
        "its descriptor is in an unusual place",
    )
    found = image(DESCRIPTOR_SECTOR * SECTOR_BYTES, DESCRIPTOR_SECTORS * SECTOR_BYTES)
    _check_descriptor(found.partition(b"\0")[0].decode("latin-1").lower())
    return int(capacity) * SECTOR_BYTES


def _check_descriptor(text: str) -> None:
    kinds = _CREATE_TYPE.findall(text)
    refuse_if(
        len(kinds) != 1 or kinds[0] not in SELF_CONTAINED,
        f"VMDK of type {', '.join(kinds) or 'unknown'} is not contained in one file",
    )
    refuse_if(_PARENT.search(text), "it has a parent")
    refuse_if(_EXTENT.findall(text) != ["sparse"], "it has other extents than itself")
