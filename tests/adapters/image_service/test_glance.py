"""The Glance adapter: the contract on a real Glance, and a service that misbehaves over HTTP."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from adapters.image_service.glance import GlanceImageService, opened
from adapters.image_service.port import CHUNK_BYTES, ImageRefused, ImageService
from adapters.images.verified import ImageDiffers, resumed, verified
from domain.errors import NotFound, Unavailable
from tests.adapters.image_service import glance_server
from tests.adapters.image_service.contract import (
    CONTENT,
    OURS,
    THEIRS,
    ImageServiceContract,
    an_image,
    chunks,
    content_of,
)
from tests.adapters.image_service.misbehaving import ID, Behaviour, serving
from tests.support.patience import PATIENCE_S


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with glance_server.running(tmp_path_factory.mktemp("glance")) as url:
        yield url


@glance_server.needs_glance
class TestRealGlance(ImageServiceContract):
    @pytest.fixture
    def images(self, glance: str) -> ImageService:
        """All tests share its images; none asks for a name that another gives."""
        adapter = glance_server.adapter(glance)
        return GlanceImageService(lambda: adapter, timeout_s=PATIENCE_S)

    async def test_a_shared_image_is_for_its_members(self, images: ImageService, glance: str):
        image_id = await an_image(images, b"x", name="between us", visibility="shared")
        assert await images.find("between us", project_id=THEIRS) == []
        glance_server.adapter(glance).post(f"/images/{image_id}/members", json={"member": THEIRS})
        assert (await images.show(image_id, project_id=THEIRS)).id == image_id
        assert [each.id for each in await images.find("between us", project_id=THEIRS)] == [
            image_id
        ]

    async def test_who_may_not_is_refused_in_glances_words(self, images: ImageService, glance: str):
        reader = glance_server.adapter(glance, roles="reader", project=OURS)
        with pytest.raises(ImageRefused, match=r"403 .+"):
            await an_image(GlanceImageService(lambda: reader, timeout_s=PATIENCE_S))


Served = Callable[[Behaviour], AbstractContextManager[str]]


def asking(url: str, *, timeout_s: float = PATIENCE_S) -> GlanceImageService:
    return opened(cloud="", endpoint=url, timeout_s=timeout_s)


async def read_to_the_end(images: ImageService) -> bytes:
    """As a volume is filled: resumed, and verified against what the service itself says."""
    image = await images.show(ID, project_id=OURS)

    async def at_once(_: int) -> None:
        return

    stream = resumed(lambda start: images.read(ID, start=start), attempts=3, pause=at_once)
    checked = verified(stream, size=image.size, digests=image.digests)
    return b"".join([chunk async for chunk in checked])


async def test_an_image_that_breaks_off_is_resumed_where_it_broke():
    behaviour = Behaviour(CONTENT, breaks_after=[CHUNK_BYTES + 5, 1000, 0])
    with serving(behaviour) as url:
        assert await read_to_the_end(asking(url)) == CONTENT
    assert behaviour.ranges[0] == 0 and len(behaviour.ranges) == 4
    assert behaviour.ranges == sorted(behaviour.ranges)


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (Behaviour(CONTENT, breaks_after=[1000, 0, 0, 0]), Unavailable),
        (Behaviour(CONTENT, breaks_after=[1000], ignores_ranges=True), ImageRefused),
        (Behaviour(CONTENT, says={"size": len(CONTENT) + 1}), ImageDiffers),
        (Behaviour(CONTENT, says={"size": len(CONTENT) - 1}), ImageDiffers),
        (Behaviour(CONTENT, says={"checksum": "0" * 32, "os_hash_value": None}), ImageDiffers),
        (Behaviour(CONTENT, says={"os_hash_value": "0" * 128}), ImageDiffers),
        (Behaviour(CONTENT, says={"checksum": "0" * 32, "os_hash_algo": "crc7"}), ImageDiffers),
        (Behaviour(CONTENT, says={"updated_at": "yesterday"}), Unavailable),
        (Behaviour(CONTENT, says={"visibility": "everywhere"}), Unavailable),
        (Behaviour(CONTENT, status=500), Unavailable),
        (Behaviour(CONTENT, status=503), Unavailable),
        (Behaviour(CONTENT, status=401), Unavailable),
        (Behaviour(CONTENT, status=403), ImageRefused),
        (Behaviour(CONTENT, status=404), NotFound),
    ],
    ids=str,
)
async def test_what_is_wrong_is_told_apart(behaviour: Behaviour, failure: type[Exception]):
    with serving(behaviour) as url, pytest.raises(failure):
        await read_to_the_end(asking(url))


@pytest.mark.parametrize("silent", ["show", "file", "middle"])
async def test_a_service_that_says_nothing_is_given_up(silent: str):
    behaviour = Behaviour(CONTENT, silent_in=silent)
    with serving(behaviour) as url, pytest.raises(Unavailable):
        await read_to_the_end(asking(url, timeout_s=0.2))


async def test_bytes_that_trickle_are_given_up_although_the_socket_is_never_idle():
    with (
        serving(Behaviour(CONTENT, trickles=True)) as url,
        pytest.raises(Unavailable, match="slow"),
    ):
        await content_of(asking(url, timeout_s=0.2), ID)


async def test_an_upload_of_which_nothing_is_kept_does_not_pass():
    with (
        serving(Behaviour(CONTENT, says={"size": 7})) as url,
        pytest.raises(Unavailable, match="it kept 7"),
    ):
        await asking(url).upload(ID, chunks(CONTENT))


async def test_a_service_that_is_not_there_is_away():
    with serving(Behaviour(CONTENT)) as url:
        images = asking(url)
    with pytest.raises(Unavailable, match="image service"):
        await images.show(ID, project_id=OURS)


def test_a_cloud_that_is_not_configured_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unavailable, match="nowhere"):
        opened(cloud="nowhere", endpoint="", timeout_s=1)
