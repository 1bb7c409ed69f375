"""Volumes from images by unmodified clients, out of the directory of images."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.drivers.nbd_clients import needs
from tests.support.deployment import Serve, until

pytestmark = pytest.mark.clients

DISK = os.urandom(3 << 20) + bytes(2 << 20) + os.urandom(512)


@pytest.fixture(scope="session")
def images(lapilli: Serve) -> Path:
    directory = lapilli.directory / "data" / "images"
    until(directory.is_dir, what="directory of images")
    return directory


def put(images: Path, name: str, content: bytes) -> None:
    """As an operator does: an image is there whole or not at all."""
    partial = images / f".{name}"
    partial.write_bytes(content)
    partial.rename(images / name)


def holds_the_disk(lapilli: Serve, id: str) -> bool:
    file = lapilli.directory / "data" / "files" / "files" / f"volume-{id}"
    return file.stat().st_size == 1 << 30 and file.open("rb").read(len(DISK) + 1) == DISK + b"\0"


def test_a_raw_image_that_was_put_there_becomes_a_volume(
    lapilli: Serve, images: Path, sdk: Any
) -> None:
    put(images, "rocky.raw", DISK)
    made = sdk.create_volume(size=1, image_id="rocky", name="boots")
    until(lambda: sdk.get_volume(made.id).status == "available", what="available volume")
    volume = sdk.get_volume(made.id)
    assert volume.is_bootable
    assert volume.volume_image_metadata["image_name"] == "rocky"
    assert holds_the_disk(lapilli, made.id)
    sdk.delete_volume(made.id)


@needs("qemu-img")
def test_so_does_one_that_has_to_be_converted(lapilli: Serve, images: Path, cinder: Any) -> None:
    raw, image = images / ".alma.raw", images / ".alma"
    raw.write_bytes(DISK)
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)]
    subprocess.run(command, check=True, timeout=60)
    image.rename(images / "alma.qcow2")
    made = cinder.volumes.create(1, imageRef="alma", name="boots, too")
    until(lambda: cinder.volumes.get(made.id).status == "available", what="available volume")
    assert cinder.volumes.get(made.id).bootable == "true"
    assert holds_the_disk(lapilli, made.id)
    assert list((lapilli.directory / "data" / "conversion").glob("*.image")) == []
    made.delete()


def test_one_that_is_not_what_it_is_called_does_not(
    lapilli: Serve, images: Path, cinder: Any
) -> None:
    put(images, "evil.qcow2", DISK)
    made = cinder.volumes.create(1, imageRef="evil", name="does not")
    until(lambda: cinder.volumes.get(made.id).status == "error", what="volume in error")
    [message] = [m for m in cinder.messages.list() if m.resource_uuid == made.id]
    assert message.event_id == "VOLUME_VOLUME_005_029"
    made.delete()


def test_a_volume_becomes_an_image(lapilli: Serve, images: Path, cinder: Any) -> None:
    put(images, "source.raw", DISK)
    volume = cinder.volumes.create(1, imageRef="source", name="becomes an image")
    until(lambda: cinder.volumes.get(volume.id).status == "available", what="available volume")
    _, told = cinder.volumes.upload_to_image(
        volume.id, False, "golden", "bare", "raw", visibility="private", protected=False
    )
    image = images / f"{told['os-volume_upload_image']['image_id']}.img"
    until(lambda: cinder.volumes.get(volume.id).status == "available", what="image")
    assert image.stat().st_size == 1 << 30
    with image.open("rb") as file:
        assert file.read(len(DISK) + 1) == DISK + b"\0"
    image.unlink()
    volume.delete()
