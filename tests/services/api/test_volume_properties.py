"""Bootable, readonly, image metadata and reset-status over HTTP."""

import pytest

from services.api import rules
from tests.services.api.stage import staged
from tests.services.api.test_http import refused


async def act(stage, volume, body, **more):
    return await stage.ask("POST", f"/volumes/{volume['id']}/action", body, **more)


async def shown(stage, volume):
    return (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"]


async def test_a_volume_is_bootable_when_somebody_says_so(stage):
    volume = await stage.available()
    assert volume["bootable"] == "false"
    answer = await act(stage, volume, {"os-set_bootable": {"bootable": True}})
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await shown(stage, volume))["bootable"] == "true"
    listed = (await stage.ask("GET", "/volumes?bootable=true")).json()["volumes"]
    assert [each["id"] for each in listed] == [volume["id"]]
    assert (await stage.ask("GET", "/volumes?bootable=false")).json()["volumes"] == []
    await act(stage, volume, {"os-set_bootable": {"bootable": "no"}})
    assert (await shown(stage, volume))["bootable"] == "false"


async def test_readonly_shows_among_the_metadata_and_needs_an_available_volume(stage):
    volume = await stage.available(metadata={"k": "v"})
    flag = {"os-update_readonly_flag": {"readonly": True}}
    assert (await act(stage, volume, flag)).status_code == 202
    assert (await shown(stage, volume))["metadata"] == {"k": "v", "readonly": "True"}
    flag["os-update_readonly_flag"]["readonly"] = False
    await act(stage, volume, flag)
    assert (await shown(stage, volume))["metadata"] == {"k": "v", "readonly": "False"}
    path = f"/volumes/{volume['id']}/metadata"
    assert (await stage.ask("GET", path)).json() == {"metadata": {"k": "v"}}
    refused(await act(stage, await stage.volume(), flag), 400)


async def test_image_metadata_is_set_shown_searched_and_unset(stage):
    volume = await stage.available()
    assert "volume_image_metadata" not in await shown(stage, volume)
    for given in ({"os_distro": "debian"}, {"min_ram": "512"}):
        answer = await act(stage, volume, {"os-set_image_metadata": {"metadata": given}})
        assert answer.status_code == 200
    known = {"os_distro": "debian", "min_ram": "512"}
    assert answer.json() == {"metadata": known}
    assert (await shown(stage, volume))["volume_image_metadata"] == known
    answer = await act(stage, volume, {"os-show_image_metadata": None})
    assert answer.json() == {"metadata": known}
    query = "/volumes?glance_metadata={'os_distro':'debian'}"
    listed = (await stage.ask("GET", query)).json()["volumes"]
    assert [each["id"] for each in listed] == [volume["id"]]
    unset = {"os-unset_image_metadata": {"key": "os_distro"}}
    assert (await act(stage, volume, unset)).status_code == 200
    refused(await act(stage, volume, unset), 404)
    assert (await shown(stage, volume))["volume_image_metadata"] == {"min_ram": "512"}


@pytest.mark.parametrize(
    "body",
    [
        {"os-set_bootable": {}},
        {"os-set_bootable": None},
        {"os-set_bootable": {"bootable": "perhaps"}},
        {"os-set_bootable": {"bootable": True, "x": 1}},
        {"os-update_readonly_flag": {"readonly": "perhaps"}},
        {"os-set_image_metadata": {"metadata": {}}},
        {"os-set_image_metadata": {"metadata": {"k": 1}}},
        {"os-set_image_metadata": {"metadata": {"k": "v" * 256}}},
        {"os-unset_image_metadata": {"key": ""}},
        {"os-show_image_metadata": {"x": 1}},
        {"os-reset_status": {}},
        {"os-reset_status": {"status": "creating"}},
        {"os-reset_status": {"status": "deleting"}},
        {"os-reset_status": {"status": "in-use"}},
    ],
)
async def test_bad_bodies_are_400_and_change_nothing(stage, body):
    volume = await stage.available()
    before = await stage.recorded()
    refused(await act(stage, volume, body), 400)
    assert await stage.recorded() == before


async def test_reset_status_is_for_administrators(stage, member):
    volume = await stage.available()
    body = {"os-reset_status": {"status": "error"}}
    refused(await act(member, volume, body), 403)
    assert (await act(stage, volume, body)).status_code == 202
    assert (await shown(stage, volume))["status"] == "error"
    await act(stage, volume, {"os-reset_status": {"status": "available"}})
    assert (await shown(stage, volume))["status"] == "available"


async def test_image_metadata_is_shown_to_whom_the_policy_allows(stage, tmp_path):
    volume = await stage.available()
    await act(stage, volume, {"os-set_image_metadata": {"metadata": {"os_distro": "debian"}}})
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{rules.FIELD_IMAGE_METADATA}": "!"\n')
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        assert "volume_image_metadata" not in await shown(denied, volume)
