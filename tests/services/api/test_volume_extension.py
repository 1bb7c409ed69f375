"""os-extend: what it accepts, what it refuses, and that a refusal changes nothing."""

import pytest

from tests.services.api.stage import OTHER, PROJECT
from tests.services.api.test_http import refused


async def extend(stage, volume, size, **more):
    body = {"os-extend": {"new_size": size}}
    return await stage.ask("POST", f"/volumes/{volume['id']}/action", body, **more)


async def test_it_is_accepted_and_shows_while_it_lasts(stage):
    volume = await stage.available()
    answer = await extend(stage, volume, 5)
    assert (answer.status_code, answer.content) == (202, b"")
    shown = (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"]
    assert (shown["status"], shown["size"]) == ("extending", 1)
    usage = (await stage.ask("GET", f"/os-quota-sets/{PROJECT}?usage=true")).json()["quota_set"]
    assert (usage["gigabytes"]["in_use"], usage["gigabytes"]["reserved"]) == (1, 4)


@pytest.mark.parametrize("size", [1, 0, -1, 2**31, "3", None, 2.5])
async def test_a_size_that_is_no_larger_size_is_400(stage, size):
    volume = await stage.available()
    before = await stage.recorded()
    refused(await extend(stage, volume, size), 400)
    assert await stage.recorded() == before


async def test_only_an_available_volume_can_be_extended(stage):
    creating = await stage.volume()
    refused(await extend(stage, creating, 5), 400)
    extending = await stage.available()
    await extend(stage, extending, 5)
    message = refused(await extend(stage, extending, 6), 400)
    assert "extending" in message and "must be available" in message
    refused(await stage.ask("DELETE", f"/volumes/{extending['id']}"), 400)


async def test_beyond_the_quota_is_413_and_the_volume_is_as_it_was(stage):
    volume = await stage.available()
    message = refused(await extend(stage, volume, 1001), 413)
    assert "gigabytes quota" in message
    shown = (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"]
    assert shown["status"] == "available"


async def test_what_cannot_be_seen_is_404(stage, member):
    theirs = await stage.volume(project=OTHER)
    refused(await extend(member, theirs, 5), 404)
