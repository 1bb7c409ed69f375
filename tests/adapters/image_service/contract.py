"""What every image service keeps. `images` is a fixture of the file that runs it."""

import hashlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from adapters.image_service.port import (
    CHUNK_BYTES,
    ImageRefused,
    ImageService,
    NewImage,
)
from domain.errors import NotFound
from domain.image import Visibility

OURS, THEIRS = "0" * 31 + "1", "0" * 31 + "2"
"""Projects."""

CONTENT = random.Random(4).randbytes(2 * CHUNK_BYTES + 12_345)


async def chunks(content: bytes, length: int = 1_000_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), length):
        yield content[at : at + length]


def described(name: str = "cirros", *, visibility: Visibility = "private", **said) -> NewImage:
    return NewImage(name=name, owner=OURS, disk_format="raw", visibility=visibility, **said)


async def an_image(
    images: ImageService, content: bytes = CONTENT, *, name: str = "cirros", **said
) -> str:
    image_id = await images.create(described(name, **said))
    await images.upload(image_id, chunks(content))
    return image_id


async def content_of(images: ImageService, image_id: str, *, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in images.read(image_id, start=start)])


class ImageServiceContract:
    async def test_an_image_is_described_as_it_was_uploaded(self, images: ImageService):
        before = datetime.now(UTC) - timedelta(seconds=2)
        image_id = await an_image(images, min_disk=3, min_ram=64, properties={"os_type": "linux"})
        shown = await images.show(image_id, project_id=OURS)
        assert shown.id == image_id
        assert (shown.name, shown.owner, shown.status) == ("cirros", OURS, "active")
        assert (shown.disk_format, shown.container_format) == ("raw", "bare")
        assert (shown.min_disk, shown.min_ram) == (3, 64)
        assert shown.properties.items() >= {"os_type": "linux"}.items()
        assert (shown.size, shown.checksum) == (len(CONTENT), hashlib.md5(CONTENT).hexdigest())
        assert shown.os_hash_algo
        assert shown.os_hash_value == hashlib.new(shown.os_hash_algo, CONTENT).hexdigest()
        assert before < shown.updated_at < datetime.now(UTC) + timedelta(seconds=2)

    async def test_it_is_read_whole_and_from_any_byte_on(self, images: ImageService):
        image_id = await an_image(images)
        for start in (0, 1, CHUNK_BYTES, len(CONTENT) - 1, len(CONTENT)):
            assert await content_of(images, image_id, start=start) == CONTENT[start:]

    @pytest.mark.parametrize("name", ['a "name", with \\ commas', "in:a,b", "Größe 5 %", "a/b?c&d"])
    async def test_it_is_found_by_id_and_by_name_and_all_of_a_name_are(
        self, images: ImageService, name: str
    ):
        one, two = [await an_image(images, b"x", name=name) for _ in range(2)]
        for other in ("a", "b", "in:a"):
            await an_image(images, b"x", name=other)
        found = {wanted: await images.find(wanted, project_id=OURS) for wanted in (one, name, "c")}
        assert {wanted: {image.id for image in images} for wanted, images in found.items()} == {
            one: {one},
            name: {one, two},
            "c": set(),
        }

    async def test_only_who_may_see_it_finds_it(self, images: ImageService):
        private = await an_image(images, b"x", name="seen")
        public = await an_image(images, b"x", name="seen", visibility="public")
        assert {i.id for i in await images.find("seen", project_id=OURS)} == {private, public}
        assert [i.id for i in await images.find("seen", project_id=THEIRS)] == [public]
        assert await images.find(private, project_id=THEIRS) == []
        with pytest.raises(NotFound):
            await images.show(private, project_id=THEIRS)
        assert (await images.show(private, project_id=None)).id == private

    async def test_without_content_it_is_queued_and_cannot_be_read(self, images: ImageService):
        image_id = await images.create(described())
        shown = await images.show(image_id, project_id=OURS)
        assert (shown.status, shown.checksum, shown.os_hash_value) == ("queued", None, None)
        with pytest.raises(ImageRefused):
            await content_of(images, image_id)

    async def test_an_id_that_is_chosen_is_one_image_however_often(self, images: ImageService):
        chosen = uuid4()
        for name in ("first", "again"):
            assert await images.create(described(name), image_id=chosen) == str(chosen)
        assert (await images.show(str(chosen), project_id=OURS)).name == "first"
        await images.upload(str(chosen), chunks(b"x"))
        assert await images.create(described(), image_id=chosen) == str(chosen)
        assert await content_of(images, str(chosen)) == b"x"

    async def test_it_gets_its_content_once(self, images: ImageService):
        image_id = await an_image(images)
        with pytest.raises(ImageRefused):
            await images.upload(image_id, chunks(b"other"))
        assert await content_of(images, image_id) == CONTENT

    async def test_an_upload_whose_source_fails_leaves_no_image_to_use(self, images: ImageService):
        async def failing() -> AsyncIterator[bytes]:
            yield CONTENT[:CHUNK_BYTES]
            raise LookupError("the source is gone")

        image_id = await images.create(described())
        with pytest.raises(LookupError, match="the source is gone"):
            await images.upload(image_id, failing())
        assert (await images.show(image_id, project_id=OURS)).status != "active"
        await images.delete(image_id)
        with pytest.raises(NotFound):
            await images.show(image_id, project_id=OURS)

    async def test_deleted_it_is_gone_and_again_is_success(self, images: ImageService):
        image_id, other = [await an_image(images, b"x") for _ in range(2)]
        for _ in range(2):
            await images.delete(image_id)
        for call in (
            images.show(image_id, project_id=OURS),
            content_of(images, image_id),
            images.upload(image_id, chunks(b"x")),
        ):
            with pytest.raises(NotFound):
                await call
        assert await content_of(images, other) == b"x"

    async def test_what_was_to_be_protected_and_never_came_goes(self, images: ImageService):
        image_id = await images.create(described(protected=True))
        await images.delete(image_id)
        with pytest.raises(NotFound):
            await images.show(image_id, project_id=OURS)

    async def test_a_protected_image_stays(self, images: ImageService):
        image_id = await an_image(images, b"x", protected=True)
        with pytest.raises(ImageRefused):
            await images.delete(image_id)
        assert await content_of(images, image_id) == b"x"

    @pytest.mark.parametrize("image_id", ["", "../../../etc/passwd", "%2e%2e", str(UUID(int=9))])
    async def test_what_is_no_image_is_not_found(self, images: ImageService, image_id: str):
        for call in (
            images.show(image_id, project_id=OURS),
            content_of(images, image_id),
            images.upload(image_id, chunks(b"x")),
        ):
            with pytest.raises(NotFound):
                await call
        await images.delete(image_id)
