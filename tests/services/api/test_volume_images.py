"""Volumes asked for by what is to be on them: which image is meant, and what is refused."""

import json

import pytest

from adapters.image_service.port import NewImage
from services.api import rules
from tests.services.api.stage import OTHER, PROJECT, Stage, staged
from tests.services.api.test_http import refused

GIB = 2**30
NOWHERE = "00000000-0000-4000-0000-00000000abcd"
CONTENT = b"\xeb\x63" + bytes(510)


async def an_image(
    stage: Stage, name: str = "cirros", *, content: bytes | None = CONTENT, **said
) -> str:
    about = {"name": name, "owner": PROJECT, "disk_format": "raw", **said}
    images = stage.application.kept_images
    id = await images.create(NewImage(**about))
    if content is not None:
        images.put(id, content)
    return id


async def asked(stage: Stage, *, mv: str = "3.71", **fields):
    return await stage.ask("POST", "/volumes", {"volume": {"size": 1, **fields}}, mv=mv)


@pytest.mark.parametrize("field", ["imageRef", "image_id"])
@pytest.mark.parametrize("reference", ["{id}", "cirros", "http://glance:9292/v2/images/{id}"])
async def test_an_image_is_named_by_id_by_name_or_by_url(member, stage, field, reference):
    id = await an_image(stage)
    answer = await asked(member, **{field: reference.format(id=id)})
    assert answer.status_code == 202
    volume = answer.json()["volume"]
    assert (volume["status"], volume["bootable"]) == ("creating", "false")
    [kept] = [
        r.event.image
        for r in await stage.application.store.log(0, 1000)
        if r.event.type_name == "volume.image_chosen"
    ]
    assert (kept.id, kept.size) == (id, len(CONTENT))


async def test_once_it_is_made_it_shows_its_image_and_can_be_booted_from(member, stage):
    id = await an_image(stage, min_ram=64, properties={"os_distro": "debian"})
    created = (await asked(member, imageRef=id)).json()["volume"]
    await stage.provisioned(created)
    [shown] = (await member.ask("GET", "/volumes/detail")).json()["volumes"]
    assert shown["bootable"] == "true"
    assert (
        shown["volume_image_metadata"].items()
        >= {
            "image_id": id,
            "image_name": "cirros",
            "disk_format": "raw",
            "container_format": "bare",
            "min_ram": "64",
            "size": "512",
            "os_distro": "debian",
        }.items()
    )


REFUSED = [
    ({}, {"imageRef": "ubuntu"}, 400, "no image"),
    ({"owner": OTHER}, {}, 400, "no image"),
    ({"content": None}, {}, 400, "not active but queued"),
    ({"min_disk": 2}, {}, 400, "at least 2 GiB"),
    ({"disk_format": "ploop"}, {}, 400, "ploop in bare"),
    ({"container_format": "compressed"}, {}, 400, "raw in compressed"),
    ({"properties": {"cinder_encryption_key_id": "k"}}, {}, 400, "did not get here"),
    ({"properties": {"cinder_img_volume_type": "gold"}}, {}, 404, "gold"),
    ({}, {"size": None}, 400, "size"),
]


@pytest.mark.parametrize(("image", "wish", "code", "why"), REFUSED)
async def test_what_cannot_be_on_it_is_refused_and_changes_nothing(
    member, stage, image, wish, code, why
):
    await an_image(stage, **image)
    before = await stage.recorded()
    answer = await asked(member, **{"imageRef": "cirros", **wish})
    assert why in refused(answer, code)
    assert await stage.recorded() == before


async def test_of_several_images_of_a_name_none_is_meant(member, stage):
    for _ in range(2):
        await an_image(stage)
    assert "Several images" in refused(await asked(member, imageRef="cirros"), 409)


async def test_its_type_is_the_one_that_was_asked_for_or_else_the_image_s(member, stage):
    for name in ("gold", "silver"):
        await stage.ask("POST", "/types", {"volume_type": {"name": name}})
    await an_image(stage, properties={"cinder_img_volume_type": "gold"})
    for wish, expected in (({}, "gold"), ({"volume_type": "silver"}, "silver")):
        volume = (await asked(member, imageRef="cirros", **wish)).json()["volume"]
        assert volume["volume_type"] == expected


async def test_making_volumes_from_images_has_a_rule_of_its_own(stage, tmp_path):
    await an_image(stage)
    file, data = tmp_path / "policy.yaml", stage.application
    for rule, codes in ((rules.CREATE, (403, 202)), (rules.CREATE_FROM_IMAGE, (202, 403))):
        file.write_text(f'"{rule}": "!"\n')
        async with staged(tmp_path, policy_file=str(file), application=data) as denied:
            plain, booted = await asked(denied), await asked(denied, imageRef="cirros")
            assert (plain.status_code, booted.status_code) == codes


@pytest.mark.parametrize(("where", "code"), [("front-end", 400), ("back-end", 202)])
async def test_an_image_is_not_written_in_clear_where_hosts_encrypt(member, stage, where, code):
    made = await stage.ask("POST", "/types", {"volume_type": {"name": "secret"}})
    encryption = {"provider": "luks", "control_location": where, "key_size": 256}
    id = made.json()["volume_type"]["id"]
    await stage.ask("POST", f"/types/{id}/encryption", {"encryption": encryption})
    await an_image(stage)
    answer = await asked(member, imageRef="cirros", volume_type="secret")
    assert answer.status_code == code


def _disks(snapshot_id: str, **said) -> dict[str, str]:
    root = {"source_type": "snapshot", "boot_index": 0, "snapshot_id": snapshot_id, **said}
    data = {"source_type": "snapshot", "boot_index": 1, "snapshot_id": NOWHERE}
    return {"block_device_mapping": json.dumps([data, root])}


async def test_an_image_of_a_server_stands_for_the_snapshot_of_its_disk_from_3_46(stage):
    taken = await stage.taken()
    await an_image(stage, content=None, properties=_disks(taken["id"]))
    refused(await asked(stage, mv="3.45", imageRef="cirros"), 400)
    volume = (await asked(stage, mv="3.46", imageRef="cirros", size=None)).json()["volume"]
    assert (volume["snapshot_id"], volume["size"]) == (taken["id"], 2)


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        (_disks(NOWHERE), 404),
        (_disks(NOWHERE, source_type="volume"), 202),
        ({"block_device_mapping": "["}, 202),
        ({"block_device_mapping": '[{"boot_index": 0, "snapshot_id": "x"}]'}, 202),
    ],
)
async def test_what_an_image_says_of_disks_may_be_wrong(stage, properties, code):
    await an_image(stage, properties=properties)
    assert (await asked(stage, imageRef="cirros")).status_code == code
