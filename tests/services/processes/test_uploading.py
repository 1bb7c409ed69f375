"""Volumes become images: whole or not at all, and the volume stays what it is."""

import asyncio
import random
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Hold
from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import PART, ImageRefused
from adapters.images import formats, making
from domain.aggregates.volume.uploading import UploadFailed
from domain.errors import Superseded, Unavailable
from domain.image import UploadedImage
from services.commands.uploading import AbandonUpload, UploadVolume
from services.images import as_asked
from tests.adapters.drivers.mounts import tmpfs
from tests.services.processes.deaths import die_everywhere
from tests.services.processes.ring import NOWHERE, POOL, Ring, a_ring_with_a_volume
from tests.support.builders import PROJECT, a_moment, an_id
from tests.support.patience import PATIENCE_S

MIB = 2**20
IMAGE_ID = an_id(0x1A6E)
GOLDEN = UploadedImage(name="golden", protected=True)
DATA = random.Random(3).randbytes(MIB)
CONTENT = bytes(MIB) + DATA
"""All that is on a volume of 2 GiB: see conftest.py."""


class Failing(MemoryImageService):
    """Breaks off when it has been sent something, if told."""

    failure: Exception | None = None
    meanwhile: Hold | None = None
    damages: bool = False

    async def upload(self, image_id: str, content: AsyncIterator[bytes]) -> None:
        async def received() -> AsyncIterator[bytes]:
            async for chunk in content:
                yield chunk
                if self.meanwhile:
                    await self.meanwhile.passed()
                if self.failure:
                    raise self.failure

        await super().upload(image_id, received())
        if self.damages:
            self.put(image_id, self.contents[image_id][:-1] + b"?")


async def to_be_an_image(image: UploadedImage = GOLDEN, *, directory: Path = NOWHERE) -> Ring:
    ring = await a_ring_with_a_volume()
    ring.images, ring.directory = Failing(clock=ring.clock), directory
    ring.backend.pools[POOL].volumes[f"volume-{an_id(1)}"].content[MIB] = DATA
    await ring.world.another_process().run(
        UploadVolume(id=an_id(1), project_id=PROJECT, image_id=IMAGE_ID, image=image, at=a_moment())
    )
    return ring


def kept(ring: Ring) -> Failing:
    assert isinstance(ring.images, Failing)
    return ring.images


async def there_is_an_image(ring: Ring) -> None:
    """With all that is on the volume, which is available again."""
    await ring.assert_one_available()
    image = await ring.images.show(str(IMAGE_ID), project_id=PROJECT)
    assert (image.status, image.name, image.protected) == ("active", "golden", True)
    assert (image.disk_format, image.min_disk) == ("raw", 2)
    assert kept(ring).contents == {str(IMAGE_ID): CONTENT}
    assert (await ring.store.events(an_id(1)))[-1].event.verb == "uploaded"


async def why(ring: Ring) -> str:
    """There is no image."""
    failed = (await ring.store.events(an_id(1)))[-1].event
    assert isinstance(failed, UploadFailed)
    return failed.reason


async def there_is_none(ring: Ring) -> None:
    """The volume is available again."""
    await ring.assert_one_available()
    assert kept(ring).images == {}
    assert (await ring.store.events(an_id(1)))[-1].event.verb == "upload_failed"


async def test_a_volume_becomes_an_image():
    ring = await to_be_an_image()
    assert (await ring.volume()).status == "uploading"
    await ring.go_on()
    await there_is_an_image(ring)


async def test_one_that_the_api_has_made_already_is_the_same():
    ring = await to_be_an_image()
    await ring.images.create(as_asked(GOLDEN, PROJECT), image_id=IMAGE_ID)
    await ring.go_on()
    assert kept(ring).contents == {str(IMAGE_ID): CONTENT}


async def test_wherever_a_worker_dies_there_is_the_whole_image_or_none():
    async def all_or_nothing(ring: Ring) -> None:
        last = (await ring.store.events(an_id(1)))[-1].event.verb
        await (there_is_an_image if last == "uploaded" else there_is_none)(ring)

    points = await die_everywhere(to_be_an_image, all_or_nothing)
    assert {"before upload", "after upload"} <= {*points}


@pytest.mark.parametrize(
    "failure",
    [
        Unavailable(part=PART, reason="the connection was reset"),
        ImageRefused("413 over quota"),
        DriverFailure("the shelf is away", False),
    ],
    ids=["away", "refused", "the backend fails"],
)
async def test_defect_07_an_upload_that_fails_leaves_no_image_behind(failure: Exception):
    ring = await to_be_an_image()
    kept(ring).failure = failure
    await ring.go_on()
    await there_is_none(ring)
    assert str(failure) in await why(ring)


async def test_an_image_that_is_not_what_was_sent_is_none():
    ring = await to_be_an_image()
    kept(ring).damages = True
    await ring.go_on()
    assert "sha256" in await why(ring)
    assert [image.protected for image in kept(ring).images.values()] == [True]  # it has to stay


async def _given_up(ring: Ring) -> None:
    await ring.world.another_process().run(
        AbandonUpload(id=an_id(1), image_id=IMAGE_ID, reason="nobody waits", at=a_moment())
    )


async def _deleted(ring: Ring) -> None:
    await ring.delete(force=True)


@pytest.mark.parametrize("end", [_given_up, _deleted], ids=["given up", "deleted by force"])
async def test_a_worker_that_is_at_it_when_it_is_given_up_leaves_no_image(
    end: Callable[[Ring], object],
):
    ring = await to_be_an_image(UploadedImage(name="golden"))
    hold = kept(ring).meanwhile = Hold()
    sending = asyncio.create_task(
        ring.process("slow").handle("uploading", await ring.the_delivery("uploading"))
    )
    async with asyncio.timeout(PATIENCE_S):
        await hold.reached.wait()
    await end(ring)  # type: ignore[misc]
    await ring.go_on()
    hold.release()
    await sending
    await ring.go_on()
    assert kept(ring).images == {}


async def test_a_read_that_fails_is_the_reason():
    ring = await to_be_an_image()
    ring.faults.plan("read", Fault(failure=DriverFailure("the shelf is away", False)))
    await ring.go_on()
    await there_is_none(ring)


# in other formats

qemu_img = pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")


def in_format(disk_format: str) -> UploadedImage:
    return UploadedImage(name="golden", disk_format=disk_format)


def disk_of(ring: Ring, path: Path) -> bytes:
    """What the one image there is holds, as qemu-img reads it."""
    [content], [image] = kept(ring).contents.values(), kept(ring).images.values()
    path.write_bytes(content)
    called = {"vhd": "vpc", "ploop": "parallels"}.get(image.disk_format, image.disk_format)
    raw = path.with_suffix(".raw")
    command = ["qemu-img", "convert", "-f", called, "-O", "raw", str(path), str(raw)]
    subprocess.run(command, check=True, timeout=60)
    return raw.read_bytes()


@qemu_img
@pytest.mark.parametrize("disk_format", making.FORMATS)
async def test_a_volume_becomes_an_image_of_any_format(tmp_path, disk_format):
    ring = await to_be_an_image(in_format(disk_format), directory=tmp_path)
    await ring.go_on()
    await ring.assert_one_available()
    [image] = kept(ring).images.values()
    assert (image.status, image.disk_format) == ("active", disk_format)
    assert list(tmp_path.iterdir()) == []
    if disk_format != "ploop":  # which no volume is made from
        content = kept(ring).contents[str(IMAGE_ID)]
        found = formats.inspect(
            lambda at, length: content[at : at + length], size=len(content), declared=disk_format
        )
        assert found.virtual_size == len(CONTENT)
    assert disk_of(ring, tmp_path / "image") == CONTENT


@qemu_img
async def test_wherever_its_maker_dies_there_is_the_whole_image_or_none_and_no_file(tmp_path):
    async def given() -> Ring:
        return await to_be_an_image(in_format("qcow2"), directory=tmp_path)

    async def all_or_nothing(ring: Ring) -> None:
        await ring.assert_one_available()
        if (await ring.store.events(an_id(1)))[-1].event.verb != "uploaded":
            assert kept(ring).images == {}
        assert list(tmp_path.iterdir()) == []

    points = await die_everywhere(given, all_or_nothing)
    assert {"before upload", "after upload"} <= {*points}


@qemu_img
async def test_where_there_is_no_room_for_the_image_there_is_none(tmp_path):
    with tmpfs(tmp_path, options="size=1m") as small:
        ring = await to_be_an_image(in_format("qcow2"), directory=small)
        await ring.go_on()
        assert list(small.iterdir()) == []
    await there_is_none(ring)
    assert "No space left" in await why(ring)


@qemu_img
async def test_a_maker_that_writes_too_much_or_is_not_wanted_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "MORE_BYTES", -2 * MIB)
    ring = await to_be_an_image(in_format("vhdx"), directory=tmp_path)
    await ring.go_on()
    await there_is_none(ring)
    assert "qemu-img cannot make it" in await why(ring)

    async def not_wanted() -> None:
        raise Superseded(kind="volume", id="1", attempt=1)

    with tempfile.TemporaryFile() as disk, tempfile.TemporaryFile() as image:
        disk.truncate(MIB)
        files = disk.fileno(), image.fileno()
        with pytest.raises(Superseded):
            await making.made(*files, disk_format="qcow2", size=MIB, still=not_wanted)


async def test_where_there_is_no_qemu_img_the_upload_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    ring = await to_be_an_image(in_format("qcow2"), directory=tmp_path)
    await ring.go_on()
    await there_is_none(ring)
    assert "qemu-utils" in await why(ring)
