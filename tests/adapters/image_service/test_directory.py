"""The directory of images: the contract, and what only files can get wrong."""

import asyncio
import hashlib
import json
import os
from pathlib import Path

import pytest

from adapters.drivers.content import fingerprint, padded
from adapters.drivers.durable import partial_of
from adapters.drivers.file_content import blocks_of
from adapters.image_service.directory import DirectoryImageService
from adapters.image_service.port import ImageRefused, ImageService
from domain.errors import NotFound, Unavailable
from tests.adapters.drivers.content_contract import blocks as each
from tests.adapters.image_service.contract import (
    CONTENT,
    OURS,
    ImageServiceContract,
    an_image,
    chunks,
    content_of,
    described,
)
from tests.adapters.images.disks import a_qcow2
from tests.support.patience import PATIENCE_S, until


@pytest.fixture
def images(tmp_path: Path) -> ImageService:
    return DirectoryImageService(tmp_path, answer_s=PATIENCE_S)


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


class TestDirectory(ImageServiceContract):
    pass


async def the_only(images: ImageService, name: str):
    (found,) = await images.find(name, project_id=OURS)
    return found


async def test_a_file_that_is_put_there_is_an_image_for_everybody(
    images: ImageService, tmp_path: Path
):
    (tmp_path / "cirros.img").write_bytes(a_qcow2(size=3 << 30))
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    cirros, disk = await the_only(images, "cirros"), await the_only(images, "disk.raw")
    assert (cirros.disk_format, cirros.virtual_size, cirros.visibility) == (
        "qcow2",
        3 << 30,
        "public",
    )
    assert (disk.disk_format, disk.virtual_size, disk.size) == ("raw", len(CONTENT), len(CONTENT))
    assert disk.checksum == hashlib.md5(CONTENT).hexdigest()
    assert await content_of(images, disk.id) == CONTENT
    assert await DirectoryImageService(tmp_path).show(disk.id, project_id=OURS) == disk


async def test_what_an_operator_says_of_it_is_kept_when_its_content_changes(
    images: ImageService, tmp_path: Path
):
    (tmp_path / "disk.raw").write_bytes(b"one")
    first = await the_only(images, "disk")
    record = tmp_path / "disk.raw.json"
    said = json.loads(record.read_text()) | {"name": "Debian 13", "min_disk": 5}
    record.write_text(json.dumps(said))
    new = tmp_path / ".new"
    new.write_bytes(b"another")
    new.rename(tmp_path / "disk.raw")
    second = await the_only(images, "Debian 13")
    assert (second.id, second.min_disk) == (first.id, 5)
    assert second.checksum == hashlib.md5(b"another").hexdigest() != first.checksum


async def test_what_is_zero_in_an_upload_takes_no_room(images: ImageService, tmp_path: Path):
    content = bytes(3 << 20) + CONTENT[: 1 << 20] + bytes((5 << 20) + 1)
    image_id = await an_image(images, content)
    assert await content_of(images, image_id) == content
    shown = await images.show(image_id, project_id=OURS)
    assert shown.checksum == hashlib.md5(content).hexdigest()
    file = tmp_path / f"{image_id}.img"
    assert file.lstat().st_blocks * 512 <= 2 << 20


async def test_its_digests_are_computed_once(images: ImageService, tmp_path: Path):
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    shown = await the_only(images, "disk")
    record = tmp_path / "disk.raw.json"
    said = json.loads(record.read_text())
    said["content"]["checksum"] = "kept"
    record.write_text(json.dumps(said))
    assert (await images.show(shown.id, project_id=OURS)).checksum == "kept"


async def test_it_is_given_as_a_file_until_that_changes(images: ImageService, tmp_path: Path):
    path = tmp_path / "disk.raw"
    path.write_bytes(CONTENT)
    image = await the_only(images, "disk")
    file = await images.file(image.id)
    assert file is not None
    assert (file.size, file.digests) == (len(CONTENT), image.digests)
    assert os.pread(file.file.fileno(), len(CONTENT) + 1, 0) == CONTENT
    blocks = blocks_of(path, first_bytes=len(CONTENT))
    assert file.fingerprint == await fingerprint(each([*padded(blocks)]))
    assert not file.changed()
    before = path.stat()
    path.write_bytes(CONTENT[:-1] + b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.changed()
    assert await images.file(image.id) is None
    assert (await images.show(image.id, project_id=OURS)).digests != image.digests
    file = await images.file(image.id)
    assert file is not None and not file.changed()


async def test_an_answer_does_not_wait_for_the_digests_of_a_large_image(tmp_path: Path):
    hurried = DirectoryImageService(tmp_path, answer_s=0)
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    image = await the_only(hurried, "disk")
    assert image.status == "importing"
    await until((tmp_path / "disk.raw.json").exists)
    await hurried.close()
    assert (await hurried.show(image.id, project_id=OURS)).status == "active"


async def test_links_and_what_is_hidden_or_no_file_are_no_images(
    images: ImageService, tmp_path: Path
):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (tmp_path / "link.raw").symlink_to(secret)
    (tmp_path / "directory.raw").mkdir()
    (tmp_path / ".hidden.raw").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo.raw")
    for name in ("link", "directory", ".hidden", "hidden", "notes", "notes.txt", "fifo", "secret"):
        assert await images.find(name, project_id=OURS) == []


async def test_an_image_that_becomes_a_link_is_not_followed(images: ImageService, tmp_path: Path):
    path = tmp_path / "disk.raw"
    path.write_bytes(b"x")
    image = await the_only(images, "disk")
    path.unlink()
    path.symlink_to("/etc/passwd")
    (tmp_path / "link.raw.json").symlink_to("/etc/passwd")
    with pytest.raises((ImageRefused, NotFound, Unavailable)):
        await content_of(images, image.id)
    assert await images.find("link", project_id=OURS) == []


async def test_a_damaged_record_is_named_and_hides_no_other_image(
    images: ImageService, tmp_path: Path
):
    (tmp_path / "bad.raw").write_bytes(b"x")
    bad = await the_only(images, "bad")
    (tmp_path / "bad.raw.json").write_text("{")
    (tmp_path / "good.raw").write_bytes(b"x")
    assert (await the_only(images, "good")).status == "active"
    with pytest.raises(ImageRefused, match=r"bad\.raw\.json is damaged"):
        await images.show(bad.id, project_id=OURS)


async def test_what_a_crash_left_of_an_upload_is_deleted_with_the_image(
    images: ImageService, tmp_path: Path
):
    image_id = await images.create(described())
    partial = partial_of(tmp_path / f"{image_id}.img")
    partial.write_bytes(b"half")
    assert (await images.show(image_id, project_id=OURS)).status == "saving"
    with pytest.raises(ImageRefused, match="is being uploaded"):
        await images.upload(image_id, chunks(b"whole"))
    await images.delete(image_id)
    assert files(tmp_path) == {".lock"}


async def test_an_upload_whose_record_a_crash_kept_back_is_whole(
    images: ImageService, tmp_path: Path
):
    image_id = await images.create(described())
    (tmp_path / f"{image_id}.img").write_bytes(CONTENT)  # the crash came before the digests
    shown = await images.show(image_id, project_id=OURS)
    assert (shown.status, shown.checksum) == ("active", hashlib.md5(CONTENT).hexdigest())


async def test_two_services_that_examine_the_same_file_agree(tmp_path: Path):
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    both = [DirectoryImageService(tmp_path, answer_s=PATIENCE_S) for _ in range(4)]
    one, *others = await asyncio.gather(*(the_only(each, "disk") for each in both))
    assert all(other == one for other in others)


async def test_without_its_directory_it_is_away(tmp_path: Path):
    images = DirectoryImageService(tmp_path / "missing")
    with pytest.raises(Unavailable, match="there is no directory"):
        await images.find("cirros", project_id=OURS)
    with pytest.raises(Unavailable, match="image service"):
        await an_image(images)
