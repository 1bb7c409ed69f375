"""Lists of volumes: pages, order, filters by microversion and role, counts, summaries."""

import pytest

from tests.services.api.stage import OTHER, PROJECT
from tests.services.api.test_http import refused


@pytest.fixture
async def three(stage):
    """a (1 GiB, colour red), b (2 GiB), c (3 GiB, available), made in this order."""
    await stage.volume(name="a", metadata={"colour": "red", "n": "1"})
    await stage.volume(name="b", size=2)
    await stage.available(name="c", size=3)
    return stage


async def names(stage, query, *, mv="3.71", path="/volumes/detail"):
    answer = await stage.ask("GET", f"{path}{query}", mv=mv)
    assert answer.status_code == 200, answer.text
    return [volume["name"] for volume in answer.json()["volumes"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "cba"),
        ("?sort=created_at:asc", "abc"),
        ("?sort=size", "cba"),
        ("?sort=size:asc,name:desc", "abc"),
        ("?sort=bootable:asc,name:asc", "abc"),
        ("?sort_key=name&sort_dir=asc", "abc"),
        ("?sort_key=display_name", "cba"),
        ("?sort_dir=asc", "abc"),
        ("?limit=2", "cb"),
        ("?limit=0", ""),
        ("?offset=1", "ba"),
        ("?offset=7", ""),
        ("?limit=1&offset=1", "b"),
        ("?limit=5000", "cba"),
        ("?name=a", "a"),
        ("?name=nobody", ""),
        ("?name=['a','b']", "ba"),
        ("?name='a'", "a"),
        ("?name=None", ""),
        ("?status=available", "c"),
        ('?status=["available","creating"]', "cba"),
        ("?size=2", "b"),
        ("?size=[1,2]", "ba"),
        ("?availability_zone=nova", "cba"),
        ("?availability_zone=moon", ""),
        ("?metadata={'colour':'red'}", "a"),
        ("?metadata={'colour':'red','n':'2'}", ""),
        ("?bootable=false", "cba"),
        ("?bootable=1", ""),
        ("?migration_status=None", "cba"),
        ("?group_id=00000000-0000-4000-0000-00000000abcd", ""),
        ("?consumes_quota=true", "cba"),
        ("?consumes_quota=false", ""),
        ("?created_at=gt:2026-01-02T12:00:01", "cb"),
        ("?created_at=gte:2026-01-02T12:00:01,lt:2026-01-02T12:00:02", "a"),
        ("?created_at=2026-01-02T12:00:01", "a"),
        ("?created_at=neq:2026-01-02T12:00:01Z", "cb"),
        ("?updated_at=gt:2026-01-01T00:00:00%2B02:00", "c"),
    ],
)
async def test_lists_are_what_the_query_says_for_everybody(three, member, query, expected):
    for caller in (three, member):
        assert await names(caller, query) == list(expected)
        assert await names(caller, query, path="/volumes") == list(expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?name~=A", "a"),
        ("?name~=%25", ""),
        ("?attach_status=detached", "cba"),
        ("?attach_status=attached", ""),
        ("?snapshot_id=None", "cba"),
        ("?source_volid=00000000-0000-4000-0000-00000000abcd", ""),
        ("?encrypted=perhaps", ""),
        ("?multiattach=false", "cba"),
        ("?host=host1@files%23files", "c"),
        (f"?project_id={PROJECT}", "cba"),
        (f"?project_id={OTHER}", ""),
        ("?volume_type_id=nonsense", ""),
        ("?shoe_size=43", ""),
        ("?glance_metadata={'a':'b'}", ""),
    ],
)
async def test_administrators_may_filter_by_anything(three, query, expected):
    assert await names(three, query) == list(expected)


@pytest.mark.parametrize("query", ["?shoe_size=43", "?host=x", "?name~=a", "?project_id=x"])
async def test_filters_of_others_are_dropped_below_3_31_and_refused_from_then_on(
    three, member, query
):
    assert await names(member, query, mv="3.30") == ["c", "b", "a"]
    message = refused(await member.ask("GET", f"/volumes{query}", mv="3.34"), 400)
    assert query[1:].partition("=")[0] in message


@pytest.mark.parametrize(
    ("query", "since"),
    [
        ("?created_at=gt:2030-01-01T00:00:00", "3.60"),
        ("?consumes_quota=false", "3.65"),
        ("?group_id=00000000-0000-4000-0000-00000000abcd", "3.10"),
    ],
)
async def test_filters_are_not_looked_at_before_their_microversion(three, query, since):
    before = f"3.{int(since[2:]) - 1}"
    assert await names(three, query, mv=before) == ["c", "b", "a"]
    assert await names(three, query, mv=since) == []


async def test_bootable_is_strict_from_3_2(three):
    assert await names(three, "?bootable=perhaps", mv="3.1") == []
    refused(await three.ask("GET", "/volumes?bootable=perhaps", mv="3.2"), 400)


async def test_pages_follow_each_other_to_the_end(three):
    url: str | None
    seen, url = [], f"/v3/{PROJECT}/volumes?limit=2&sort=name:asc"
    pages = 0
    while url:
        page = (await three.ask("GET", url)).json()
        seen += [volume["name"] for volume in page["volumes"]]
        links = page.get("volumes_links", [])
        assert all(link["rel"] == "next" for link in links)
        url = links[0]["href"].removeprefix("http://lapilli:8776") if links else None
        pages += 1
    assert (seen, pages) == (["a", "b", "c"], 2)


async def test_the_link_appears_when_the_page_is_full(three):
    for query, linked in (
        ("?limit=3", True),
        ("?limit=4", False),
        ("", False),
        ("?limit=0", False),
    ):
        page = (await three.ask("GET", f"/volumes{query}")).json()
        assert ("volumes_links" in page) is linked, query


async def test_the_count_is_of_all_pages_from_3_45(three):
    page = (await three.ask("GET", "/volumes?with_count=true&limit=1")).json()
    assert (page["count"], len(page["volumes"])) == (3, 1)
    last = (await three.ask("GET", "/volumes/detail?with_count=1&limit=2&offset=2")).json()
    assert (last["count"], len(last["volumes"]), "volumes_links" in last) == (3, 1, True)
    assert "count" not in (await three.ask("GET", "/volumes?with_count=true", mv="3.44")).json()
    none = (await three.ask("GET", "/volumes?with_count=true&name=x")).json()
    assert none == {"volumes": [], "count": 0}


@pytest.mark.parametrize("marker", ["00000000-0000-4000-0000-00000000abcd", "nonsense", ""])
async def test_an_unknown_marker_is_404(three, marker):
    refused(await three.ask("GET", f"/volumes?marker={marker}"), 404)


async def test_only_an_administrators_list_crosses_projects(three, member):
    theirs = await three.volume(project=OTHER, name="theirs")
    assert "theirs" not in await names(three, "")
    assert "theirs" in await names(three, "?all_tenants=1")
    assert await names(three, f"?all_tenants=1&project_id={OTHER}") == ["theirs"]
    assert "theirs" not in await names(member, "?all_tenants=1")
    refused(await member.ask("GET", f"/volumes?marker={theirs['id']}"), 404)


async def test_a_list_of_nothing_has_no_links(stage):
    for path in ("/volumes", "/volumes/detail"):
        assert (await stage.ask("GET", path)).json() == {"volumes": []}


async def test_the_summary_adds_up(three, member):
    await three.volume(project=OTHER, size=10, metadata={"colour": "blue"})
    own = {"total_count": 3, "total_size": 6}
    metadata = {"colour": ["red"], "n": ["1"]}
    for caller in (three, member):
        old = await caller.ask("GET", "/volumes/summary", mv="3.35")
        assert old.json() == {"volume-summary": own}
        new = await caller.ask("GET", "/volumes/summary?name=ignored")
        assert new.json() == {"volume-summary": {**own, "metadata": metadata}}
    every = (await three.ask("GET", "/volumes/summary?all_tenants=1")).json()["volume-summary"]
    assert (every["total_count"], every["total_size"]) == (4, 16)
