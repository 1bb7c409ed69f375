"""Metadata of volumes: every verb, and Etags."""

import hashlib

import pytest

from tests.services.api.test_http import refused


@pytest.fixture
async def path(stage):
    volume = await stage.volume(metadata={"b": "2", "a": "1"})
    return f"/volumes/{volume['id']}/metadata"


async def metadata(stage, path):
    return (await stage.ask("GET", path)).json()["metadata"]


async def test_it_can_be_read(stage, path):
    assert await metadata(stage, path) == {"a": "1", "b": "2"}
    assert (await stage.ask("GET", f"{path}/a")).json() == {"meta": {"a": "1"}}
    refused(await stage.ask("GET", f"{path}/z"), 404)


async def test_post_adds_and_put_replaces(stage, path):
    added = await stage.ask("POST", path, {"metadata": {"c": "3", "a": "0"}})
    assert (added.status_code, added.json()) == (200, {"metadata": {"a": "0", "b": "2", "c": "3"}})
    assert await metadata(stage, path) == {"a": "0", "b": "2", "c": "3"}
    replaced = await stage.ask("PUT", path, {"metadata": {"z": "26"}})
    assert (replaced.status_code, replaced.json()) == (200, {"metadata": {"z": "26"}})
    assert await metadata(stage, path) == {"z": "26"}


async def test_one_key_can_be_set_and_removed(stage, path):
    answer = await stage.ask("PUT", f"{path}/c", {"meta": {"c": "3"}})
    assert (answer.status_code, answer.json()) == (200, {"meta": {"c": "3"}})
    removed = await stage.ask("DELETE", f"{path}/c")
    assert (removed.status_code, removed.content) == (200, b"")
    refused(await stage.ask("DELETE", f"{path}/c"), 404)
    assert await metadata(stage, path) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("key", ["a/b", "a b", "a.json", "x:y_-."])
async def test_keys_may_have_any_character_that_rules_allow(stage, path, key):
    answer = await stage.ask("PUT", f"{path}/{key}", {"meta": {key: "v"}})
    assert answer.status_code == 200
    assert (await stage.ask("GET", f"{path}/{key}")).json() == {"meta": {key: "v"}}
    assert (await stage.ask("DELETE", f"{path}/{key}")).status_code == 200


async def test_the_same_again_records_nothing(stage, path):
    before = await stage.recorded()
    assert (await stage.ask("POST", path, {"metadata": {"a": "1"}})).status_code == 200
    assert await stage.recorded() == before


async def test_the_etag_is_the_md5_of_the_body_from_3_15(stage, path):
    assert "etag" not in (await stage.ask("GET", path, mv="3.14")).headers
    answer = await stage.ask("GET", path, mv="3.15")
    digest = hashlib.md5(answer.content, usedforsecurity=False).hexdigest()
    assert answer.headers["etag"] == f'"{digest}"'


@pytest.mark.parametrize(
    ("suffix", "body"), [("", {"metadata": {"a": "9"}}), ("/a", {"meta": {"a": "9"}})]
)
async def test_a_change_may_insist_on_what_was_read(stage, path, suffix, body):
    etag = (await stage.ask("GET", path)).headers["etag"]
    stale = {"If-Match": '"00000000000000000000000000000000"'}
    before = await stage.recorded()
    refused(await stage.ask("PUT", path + suffix, body, headers=stale), 412)
    assert await stage.recorded() == before
    fresh = {"If-Match": f'"x", {etag}'}
    assert (await stage.ask("PUT", path + suffix, body, headers=fresh)).status_code == 200
    refused(await stage.ask("PUT", path + suffix, body, headers=fresh), 412)
    assert (
        await stage.ask("PUT", path + suffix, body, headers={"If-Match": "*"})
    ).status_code == 200
    assert (
        await stage.ask("PUT", path + suffix, body, headers=stale, mv="3.14")
    ).status_code == 200
