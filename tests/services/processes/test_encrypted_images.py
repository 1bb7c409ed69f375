"""Images of encrypted volumes: what lies on the backend, and a key of their own beside it."""

import msgspec
import pytest

from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import Image, NewImage
from domain.encryption import Encryption
from domain.errors import InvalidRequest
from domain.image import UploadedImage
from services.commands.uploading import AbandonUpload, UploadVolume
from services.images import chosen
from tests.services.processes.deaths import die_everywhere
from tests.services.processes.keeping import filled, held
from tests.services.processes.ring import Process, Ring
from tests.services.processes.sealed import an_encrypted_volume, assert_keys, key_id
from tests.support.around import Outage, around
from tests.support.builders import PROJECT, a_moment, an_id

IMAGE_ID = an_id(0x1A6E)


async def to_be_an_image() -> Ring:
    ring = await an_encrypted_volume("ab")  # all of it: see conftest.py
    ring.images = MemoryImageService(clock=ring.clock)
    await ring.world.another_process().run(
        UploadVolume(
            id=an_id(1),
            project_id=PROJECT,
            image_id=IMAGE_ID,
            image=UploadedImage(name="golden"),
            at=a_moment(),
        )
    )
    return ring


async def the_image(ring: Ring) -> Image:
    return await ring.images.show(str(IMAGE_ID), project_id=PROJECT)


async def an_image() -> Ring:
    ring = await to_be_an_image()
    await ring.go_on()
    assert (await the_image(ring)).status == "active"
    return ring


async def test_wherever_a_worker_dies_an_image_has_a_key_of_its_own_or_there_is_neither():
    async def all_or_nothing(ring: Ring) -> None:
        assert (await ring.volume()).status == "available"
        if (await ring.store.events(an_id(1)))[-1].event.verb == "upload_failed":
            await assert_keys(ring, await key_id(ring))
            return
        image = await the_image(ring)
        of_image = image.properties["cinder_encryption_key_id"]
        assert image.properties["cinder_encryption_key_deletion_policy"] == "on_image_deletion"
        assert image.status == "active"
        await assert_keys(ring, await key_id(ring), of_image)

    points = await die_everywhere(to_be_an_image, all_or_nothing)
    assert {"after copy_key", "before upload", "after upload"} <= {*points}


async def test_a_volume_of_such_an_image_has_a_key_that_is_equal_after_all_else_is_gone():
    ring = await an_image()
    await ring.delete()
    await ring.go_on()
    image = await the_image(ring)
    await ring.create(2, image=chosen(image))
    await ring.go_on()
    volume = await ring.volume(2)
    assert (volume.state, held(ring, 2)) == ("available", filled("ab"))
    assert not any("encryption" in name for name in volume.image_metadata)
    await assert_keys(ring, await key_id(ring, 2), image.properties["cinder_encryption_key_id"])


async def _no_key(ring: Ring) -> None:
    away = Outage("key manager", "copy_key")
    away.away = True
    await ring.go_on(Process(ring, "worker", keys=around(ring.keys, before=away.before)))


async def _abandoned(ring: Ring) -> None:
    await ring.world.another_process().run(
        AbandonUpload(id=an_id(1), image_id=IMAGE_ID, reason="nobody waits", at=a_moment())
    )


async def _abandoned_with_its_key(ring: Ring) -> None:
    for kind, delivery in await ring.deliveries():
        if kind == "encryption-keys":
            await ring.process().handle(kind, delivery)
    await _abandoned(ring)


@pytest.mark.parametrize("end", [_no_key, _abandoned, _abandoned_with_its_key])
async def test_an_upload_that_comes_to_nothing_leaves_no_key(end):
    ring = await to_be_an_image()
    await end(ring)
    await ring.go_on()
    assert (await ring.volume()).status == "available"
    assert await ring.images.find("golden", project_id=PROJECT) == []
    await assert_keys(ring, await key_id(ring))


async def test_nobodys_key_is_had_by_naming_it_in_an_image():
    ring = await an_image()
    stolen = (await the_image(ring)).properties
    mine = NewImage(name="mine", owner=PROJECT, disk_format="raw", properties=stolen)
    other = str(await ring.images.create(mine))
    victim = {"cinder_encryption_key_id": str(await key_id(ring))}
    before = await ring.store.last_position()
    for id, properties in ((other, stolen), (str(IMAGE_ID), victim)):
        image = chosen(await ring.images.show(id, project_id=PROJECT))
        with pytest.raises(InvalidRequest, match="did not get here"):
            await ring.create(2, image=msgspec.structs.replace(image, properties=properties))
    await ring.world.has_a_type(name="plain")
    with pytest.raises(InvalidRequest, match="not encrypted as image"):
        await ring.create(2, image=chosen(await the_image(ring)))
    await ring.world.has_encryption(Encryption(provider="plain", key_size=256))
    with pytest.raises(InvalidRequest, match="not encrypted as image"):
        await ring.create(2, image=chosen(await the_image(ring)))
    verbs = await ring.world.verbs()
    assert not [verb for verb in verbs[before:] if not verb.startswith("volume_type")]
