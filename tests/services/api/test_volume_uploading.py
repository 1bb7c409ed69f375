"""os-volume_upload_image over HTTP: what is answered, what is made, what is refused."""

import msgspec
import pytest

from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import PART, ImageRefused
from domain.errors import Unavailable
from tests.services.api.stage import PROJECT, Stage
from tests.services.api.test_http import refused

MINE = {"image_name": "golden"}


async def ask(stage: Stage, volume, *, mv: str = "3.71", **wanted):
    body = {"os-volume_upload_image": {**MINE, **wanted}}
    return await stage.ask("POST", f"/volumes/{volume['id']}/action", body, mv=mv)


async def status(stage: Stage, volume) -> str:
    shown = (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"]
    return str(shown["status"])


async def test_the_image_is_there_before_its_bytes_are_and_the_answer_names_it(stage):
    volume = await stage.available(name="mine", description="d")
    known = {"os_distro": "debian", "min_ram": "64", "checksum": "c"}
    body = {"os-set_image_metadata": {"metadata": known}}
    await stage.ask("POST", f"/volumes/{volume['id']}/action", body)
    answer = await ask(stage, volume, protected=True, visibility="shared")
    assert answer.status_code == 202
    told = answer.json()["os-volume_upload_image"]
    assert (
        told.items()
        >= {
            "id": volume["id"],
            "status": "uploading",
            "display_description": "d",
            "size": 1,
            "container_format": "bare",
            "disk_format": "raw",
            "image_name": "golden",
            "protected": True,
            "visibility": "shared",
        }.items()
    )
    assert told["volume_type"]["name"] == "__DEFAULT__"
    assert await status(stage, volume) == "uploading"
    image = await stage.application.images.show(told["image_id"], project_id=PROJECT)
    assert (image.status, image.name, image.owner) == ("queued", "golden", PROJECT)
    assert (image.protected, image.visibility) == (True, "shared")
    assert (image.min_disk, image.min_ram, image.properties) == (1, 64, {"os_distro": "debian"})


async def test_before_microversion_1_it_is_private_and_says_so_in_the_old_words(stage):
    volume = await stage.available()
    answer = await ask(stage, volume, mv="3.0")
    told = answer.json()["os-volume_upload_image"]
    assert told["is_public"] is False
    assert not {"visibility", "protected"} & told.keys()


REFUSED = [
    ({"disk_format": "floppy"}, "disk_format"),
    ({"container_format": "ova"}, "bare"),
    ({"image_name": ""}, "image_name"),
    ({"visibility": "secret"}, "visibility"),
    ({"x": 1}, "x"),
]


@pytest.mark.parametrize("installed", [False, True])
async def test_other_formats_than_raw_need_qemu_img(stage, monkeypatch, tmp_path, installed):
    volume = await stage.available()
    program = tmp_path / "qemu-img"
    if installed:
        program.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = await ask(stage, volume, disk_format="qcow2")
    if not installed:
        assert "qemu-utils" in refused(answer, 400)
        return
    assert answer.json()["os-volume_upload_image"]["disk_format"] == "qcow2"
    [image] = stage.application.kept_images.images.values()
    assert image.disk_format == "qcow2"


@pytest.mark.parametrize(("wanted", "why"), REFUSED)
async def test_what_is_no_image_is_refused_and_changes_nothing(stage, wanted, why):
    volume = await stage.available()
    before = await stage.recorded()
    assert why in refused(await ask(stage, volume, **wanted), 400)
    assert await stage.recorded() == before
    assert stage.application.kept_images.images == {}


async def test_a_volume_that_is_busy_or_not_there_yet_is_refused(stage):
    creating, busy = await stage.volume(), await stage.available()
    await ask(stage, busy)
    for volume, now in ((creating, "creating"), (busy, "uploading")):
        assert now in refused(await ask(stage, volume), 400)


@pytest.mark.parametrize(("permitted", "force", "code"), [
    (False, True, 400), (True, False, 400), (True, True, 202),
])  # fmt: skip
async def test_an_attached_one_becomes_an_image_where_that_is_permitted_and_insisted_on(
    stage, permitted, force, code
):
    application = stage.application
    images = msgspec.structs.replace(application.settings.image_service, upload_attached=permitted)
    application.settings = msgspec.structs.replace(application.settings, image_service=images)
    volume = await stage.available()
    body = {"os-attach": {"instance_uuid": volume["id"], "mountpoint": "/dev/vdb"}}
    await stage.ask("POST", f"/volumes/{volume['id']}/action", body)
    answer = await ask(stage, volume, force=force)
    assert answer.status_code == code, answer.text


@pytest.mark.parametrize(
    "failure", [ImageRefused("413 over quota"), Unavailable(part=PART, reason="away")]
)
async def test_where_no_image_can_be_made_it_is_400_and_the_volume_as_it_was(stage, failure):
    class Refusing(MemoryImageService):
        async def create(self, image, *, image_id=None):
            raise failure

    stage.application.images = Refusing()
    volume = await stage.available()
    assert str(failure) in refused(await ask(stage, volume), 400)
    assert await status(stage, volume) == "available"
    found = (await stage.ask("GET", f"/messages?resource_uuid={volume['id']}")).json()
    assert [m["event_id"] for m in found["messages"]] == ["VOLUME_VOLUME_003_004"]
