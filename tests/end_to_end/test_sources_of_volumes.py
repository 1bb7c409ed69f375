"""Unmodified clients make volumes from volumes: what these hold is equal, and theirs alone."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.end_to_end.test_openstack_client import openstack, silently
from tests.support.deployment import Serve, until

pytestmark = pytest.mark.clients


def file_of(lapilli: Serve, id: str) -> Path:
    return lapilli.directory / "data" / "files" / "files" / f"volume-{id}"


def digest(path: Path, size: int) -> str:
    """Of the first so many bytes."""
    with path.open("rb") as file:
        return hashlib.sha256(file.read(size)).hexdigest()


def available(lapilli: Serve, id: str) -> bool:
    return bool(openstack(lapilli, "volume", "show", id)["status"] == "available")


def test_the_openstack_client_clones_a_volume(lapilli: Serve) -> None:
    gib = 2**30
    source = openstack(lapilli, "volume", "create", "--size", "1", "original")["id"]
    until(lambda: available(lapilli, source), what="available volume")
    with file_of(lapilli, source).open("r+b") as file:
        for offset in (0, gib // 2 + 4096, gib - 70_000):
            file.seek(offset)
            file.write(os.urandom(70_000))
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
