"""Formats by their own bytes: honest images are measured, hostile ones are refused unconverted."""

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.images.formats import CONVERTIBLE, RAW_LIKE, Found, inspect, inspect_open
from adapters.images.unacceptable import ImageUnacceptable
from tests.adapters.images.disks import (
    BACKING,
    DESCRIPTOR,
    HEADER_LENGTH,
    INCOMPATIBLE,
    a_qcow2,
    a_vmdk,
    patched,
)

MIB = 2**20


def found(image: bytes, declared: str) -> Found:
    return inspect(
        lambda offset, length: image[offset : offset + length], size=len(image), declared=declared
    )


@pytest.mark.parametrize(
    ("image", "declared", "virtual_size"),
    [
        (a_qcow2(size=7 << 30), "qcow2", 7 << 30),
        (a_qcow2(size=12345 * 512, version=2), "qcow2", 12345 * 512),
        (patched(a_qcow2(), INCOMPATIBLE, ">Q", 1 | 8 | 16), "qcow2", 1 << 30),
        (a_vmdk(DESCRIPTOR), "vmdk", MIB),
        (b"any bytes at all", "raw", 16),
        (b"", "raw", 0),
        (b"LUKS\xba\xbe is the content of an encrypted volume", "raw", 44),
        (bytes(1000), "iso", 1000),
    ],
)
def test_an_honest_image_is_measured(image: bytes, declared: str, virtual_size: int):
    assert found(image, declared) == Found(declared, virtual_size)


@pytest.mark.parametrize(
    ("image", "declared", "reason"),
    [
        (patched(a_qcow2(), BACKING, ">QI", 1000, 11), "qcow2", "backing file"),
        (patched(a_qcow2(version=2), BACKING, ">QI", 1000, 11), "qcow2", "backing file"),
        (patched(a_qcow2(), BACKING + 8, ">I", 11), "qcow2", "backing file"),
        (patched(a_qcow2(), INCOMPATIBLE, ">Q", 4), "qcow2", "external data file"),
        (
            a_qcow2(extensions=struct.pack(">II8s", 0x44415441, 5, b"/etc/")),
            "qcow2",
            "external data file",
        ),
        (
            a_qcow2(extensions=struct.pack(">II8sII", 0x6803F857, 3, b"abc", 0x44415441, 0)),
            "qcow2",
            "external data file",
        ),
        (a_qcow2(extensions=struct.pack(">II", 1, 2**32 - 1)), "qcow2", "first cluster"),
        (patched(a_qcow2(), INCOMPATIBLE, ">Q", 2), "qcow2", "corrupt"),
        (patched(a_qcow2(), INCOMPATIBLE, ">Q", 1 << 40), "qcow2", "not known"),
        (patched(a_qcow2(), 4, ">I", 4), "qcow2", "version 4"),
        (patched(a_qcow2(), 20, ">I", 63), "qcow2", "clusters"),
        (patched(a_qcow2(), 24, ">Q", 2**64 - 1), "qcow2", "tables"),
        (patched(a_qcow2(), 24, ">QII", 2**62, 0, 2**32 - 1), "qcow2", "tables"),
        (patched(a_qcow2(), 32, ">I", 1), "qcow2", "encrypted"),
        (patched(a_qcow2(), HEADER_LENGTH, ">I", 72), "qcow2", "length"),
        (a_qcow2()[:60], "qcow2", "cut off"),
        (patched(a_qcow2(), 4, ">I", 1), "qcow2", "is qcow\\.$"),
        (a_qcow2(), "raw", "declared as raw and is qcow2"),
        (a_qcow2(), "iso", "is qcow2"),
        (b"QED\0 and more", "raw", "is qed"),
        (b"# Disk DescriptorFile\nRW 1 FLAT /etc/passwd", "raw", "is vmdk"),
        (a_qcow2(), "vmdk", "is qcow2"),
        (a_qcow2(), "vhd", "is qcow2"),
        (bytes(1000), "qcow2", "is raw"),
        (bytes(1000), "vhd", "no VHD"),
        (bytes(1000), "", "is declared as"),
        (b"WithoutFreeSpace", "ploop", "cannot be turned"),
        (DESCRIPTOR.encode(), "vmdk", "other files"),
        (a_vmdk(DESCRIPTOR, capacity=0), "vmdk", "other files"),
        (a_vmdk(DESCRIPTOR, sector=9), "vmdk", "unusual place"),
        (a_vmdk(DESCRIPTOR.replace("ffffffff", "12345678")), "vmdk", "parent"),
        (a_vmdk(DESCRIPTOR + 'parentFileNameHint="/etc/passwd"'), "vmdk", "parent"),
        (a_vmdk(DESCRIPTOR.replace("monolithicSparse", "monolithicFlat")), "vmdk", "one file"),
        (a_vmdk(DESCRIPTOR.replace("createType", "type")), "vmdk", "one file"),
        (a_vmdk(DESCRIPTOR + 'RW 1 FLAT "/etc/passwd" 0'), "vmdk", "other extents"),
        (a_vmdk(DESCRIPTOR + 'RW 1 SPARSE "/etc/passwd"'), "vmdk", "other extents"),
    ],
)
def test_a_hostile_image_is_refused(image: bytes, declared: str, reason: str):
    with pytest.raises(ImageUnacceptable, match=reason):
        found(image, declared)


HEADS = [a_qcow2(), a_qcow2(version=2), a_vmdk(DESCRIPTOR), b"vhdxfile", b"conectix", bytes(512)]


@given(
    head=st.sampled_from(HEADS),
    changes=st.dictionaries(st.integers(0, 600), st.integers(0, 255), max_size=20),
    length=st.integers(0, 1024),
    declared=st.sampled_from(sorted(CONVERTIBLE | RAW_LIKE)),
)
def test_whatever_a_header_says_it_is_measured_or_refused(
    head: bytes, changes: dict[int, int], length: int, declared: str
):
    image = bytearray(head[:length].ljust(601, b"\0"))
    for at, value in changes.items():
        image[at] = value
    try:
        image_is = found(bytes(image), declared)
    except ImageUnacceptable:
        return
    assert image_is.virtual_size >= 0
    assert declared in RAW_LIKE or image_is.format == declared


MADE = {
    "qcow2": [["-o", "compat=0.10"], ["-c"], ["-o", "extended_l2=on"], ["-o", "cluster_size=2M"]],
    "vmdk": [[], ["-o", "subformat=streamOptimized"]],
    "vdi": [[], ["-o", "static=on"]],
    "vhd": [["-o", "force_size=on"], ["-o", "force_size=on,subformat=fixed"]],
    "vhdx": [[], ["-o", "subformat=fixed"]],
}


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img (Debian: qemu-utils)")
@pytest.mark.parametrize(
    ("format", "options"), [(name, each) for name, options in MADE.items() for each in options]
)
def test_what_qemu_img_makes_is_measured(tmp_path: Path, format: str, options: list[str]):
    disk, image = tmp_path / "disk", tmp_path / "image"
    disk.write_bytes(random.Random(1).randbytes(MIB) + bytes(2 * MIB))
    name = "vpc" if format == "vhd" else format
    made = ["qemu-img", "convert", "-f", "raw", "-O", name, *options, str(disk), str(image)]
    subprocess.run(made, check=True, timeout=60)
    with image.open() as file:
        assert inspect_open(file.fileno(), declared=format) == Found(format, 3 * MIB)


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img (Debian: qemu-utils)")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-f", "qcow2", "-b", "/etc/hostname", "-F", "raw"], "backing file"),
        (["-f", "qcow2", "-o", "data_file=secret"], "external data file"),
        (["-f", "vmdk", "-o", "subformat=monolithicFlat"], "other files"),
        (["-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"], "other files"),
    ],
)
def test_what_qemu_img_makes_to_read_other_files_is_refused(
    tmp_path: Path, options: list[str], reason: str
):
    subprocess.run(
        ["qemu-img", "create", "-q", *options, "image", "1M"], check=True, cwd=tmp_path, timeout=60
    )
    with (tmp_path / "image").open() as file, pytest.raises(ImageUnacceptable, match=reason):
        inspect_open(file.fileno(), declared=options[1])
