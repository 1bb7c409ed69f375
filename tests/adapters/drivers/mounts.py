"""Small filesystems of their own, mounted for one test where the machine permits it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

IMAGE_BYTES = 400 * 2**20  # sparse; the smallest XFS is 300 MiB

MKFS = {
    "xfs": ["mkfs.xfs", "-q"],
    "xfs without reflink": ["mkfs.xfs", "-q", "-m", "reflink=0"],
    "btrfs": ["mkfs.btrfs", "-q"],
    "ext4": ["mkfs.ext4", "-q"],
}


@contextmanager
def tmpfs(directory: Path, *, options: str) -> Iterator[Path]:
    with _mounted(directory / "mnt", "-t", "tmpfs", "-o", options, "tmpfs") as mount:
        yield mount


@contextmanager
def filesystem(directory: Path, kind: str, *, size_bytes: int = IMAGE_BYTES) -> Iterator[Path]:
    """A filesystem in an image file, by its name in MKFS."""
    command = MKFS[kind]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    image = directory / "image"
    with image.open("wb") as file:
        file.truncate(size_bytes)
    made = subprocess.run([*command, str(image)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"{command[0]} does not work here: {made.stderr.strip()}")
    with _mounted(directory / "mnt", "-o", "loop", str(image)) as mount:
        yield mount


@contextmanager
def _mounted(where: Path, *arguments: str) -> Iterator[Path]:
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a filesystem needs root and the mount command")
    where.mkdir()
    done = subprocess.run(
        ["mount", *arguments, str(where)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield where
    finally:
        # Lazily: a test that failed may have left a file open, and no mount may stay behind.
        subprocess.run(["umount", "--lazy", str(where)], check=True)
