"""Unmodified clients make volumes from volumes and snapshots, and revert: by what they hold."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.end_to_end.test_openstack_client import openstack, silently
from tests.support.deployment import Serve, until

pytestmark = pytest.mark.clients

MIB = 2**20


def file_of(lapilli: Serve, id: str) -> Path:
    return lapilli.directory / "data" / "files" / "files" / f"volume-{id}"


def digest(path: Path, size: int) -> str:
    """Of all that is not zero in the first so many bytes; holes are not read."""
    told, position = hashlib.sha256(), 0
    with path.open("rb") as file:
        while position < size:
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA) // MIB * MIB
            except OSError:  # only a hole from here to the end
                break
            piece = os.pread(file.fileno(), min(MIB, size - position), position)
            if any(piece):
                told.update(position.to_bytes(8, "big") + piece)
            position += MIB
    return told.hexdigest()


def write(path: Path) -> None:
    """Something else than there was, at both ends and between them."""
    with path.open("r+b") as file:
        for offset in (0, 2**29 + 4096, 2**30 - 70_000):
            file.seek(offset)
            file.write(os.urandom(70_000))


def available(lapilli: Serve, id: str) -> bool:
    return bool(openstack(lapilli, "volume", "show", id)["status"] == "available")


def test_the_openstack_client_clones_a_volume(lapilli: Serve) -> None:
    gib = 2**30
    source = openstack(lapilli, "volume", "create", "--size", "1", "original")["id"]
    until(lambda: available(lapilli, source), what="available volume")
    write(file_of(lapilli, source))
    content = digest(file_of(lapilli, source), gib)
    silently(lapilli, "volume", "set", "--bootable", source)
    copy = openstack(lapilli, "volume", "create", "--source", source, "--size", "2", "copy")["id"]
    until(lambda: available(lapilli, copy), what="available copy")
    shown = openstack(lapilli, "volume", "show", copy)
    assert (shown["source_volid"], shown["size"], shown["bootable"]) == (source, 2, True)
    assert file_of(lapilli, copy).stat().st_size == 2 * gib
    assert digest(file_of(lapilli, copy), gib) == content
    silently(lapilli, "volume", "delete", source)
    until(lambda: not file_of(lapilli, source).exists(), what="the end of the original")
    assert digest(file_of(lapilli, copy), gib) == content
    silently(lapilli, "volume", "delete", copy)
    until(lambda: not file_of(lapilli, copy).exists(), what="the end of the copy")


def test_the_openstack_client_makes_volumes_from_snapshots_and_reverts_to_them(
    lapilli: Serve,
) -> None:
    gib = 2**30
    volume = openstack(lapilli, "volume", "create", "--size", "1", "changes")["id"]
    until(lambda: available(lapilli, volume), what="available volume")
    write(file_of(lapilli, volume))
    then = digest(file_of(lapilli, volume), gib)
    made = openstack(lapilli, "volume", "snapshot", "create", "--volume", volume, "then")
    snapshot = made["id"]
    until(
        lambda: openstack(lapilli, "volume", "snapshot", "show", snapshot)["status"] == "available",
        what="available snapshot",
    )
    write(file_of(lapilli, volume))
    assert digest(file_of(lapilli, volume), gib) != then
    copy = openstack(lapilli, "volume", "create", "--snapshot", snapshot, "copy")["id"]
    until(lambda: available(lapilli, copy), what="available copy")
    shown = openstack(lapilli, "volume", "show", copy)
    assert (shown["snapshot_id"], shown["size"]) == (snapshot, 1)
    assert digest(file_of(lapilli, copy), gib) == then
    silently(lapilli, "--os-volume-api-version", "3.40", "volume", "revert", snapshot)
    until(lambda: available(lapilli, volume), what="reverted volume")
    assert digest(file_of(lapilli, volume), gib) == then
