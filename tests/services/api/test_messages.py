"""User messages: what a user is told of failures, for how long, and until they are dismissed."""

from uuid import UUID

import pytest

from domain.messages import TELLS, Action, Detail, text_of
from services.commands.volume import FinishProvisioning, PlaceVolume, StartProvisioning
from tests.services.api.stage import OTHER, PROJECT, a_pool
from tests.services.api.test_http import refused

DAY_S = 86400


async def listed(caller, query="", **how):
    answer = await caller.ask("GET", f"/messages{query}", **how)
    assert answer.status_code == 200, answer.text
    return answer.json()["messages"]


async def test_a_volume_without_a_place_is_told_of(stage, member):
    message = await stage.told()
    id, volume_id = message["id"], message["resource_uuid"]
    assert message == {
        "id": id,
        "event_id": "VOLUME_VOLUME_001_003",
        "user_message": "finding a backend for the volume:no backend can take it",
        "message_level": "ERROR",
        "created_at": message["created_at"],
        "guaranteed_until": message["guaranteed_until"],
        "request_id": f"req-{volume_id}",
        "resource_type": "VOLUME",
        "resource_uuid": volume_id,
        "links": [
            {"rel": "self", "href": f"http://lapilli:8776/v3/{PROJECT}/messages/{id}"},
            {"rel": "bookmark", "href": f"http://lapilli:8776/{PROJECT}/messages/{id}"},
        ],
    }
    assert message["created_at"].startswith("2026-01-02T12:00:")
    assert message["guaranteed_until"].startswith("2026-02-01T12:00:")
    assert (await member.ask("GET", f"/messages/{id}")).json() == {"message": message}
    assert await listed(member) == [message]


async def test_a_backend_that_could_not_make_it_is_told_of(stage):
    created = await stage.volume()
    id, run = UUID(created["id"]), stage.application.execute
    await run(PlaceVolume(id=id, pools=[a_pool()], at=stage.application.moment()))
    attempt = await run(StartProvisioning(id=id, worker="w", at=stage.application.moment()))
    at = stage.application.moment()
    await run(FinishProvisioning(id=id, attempt=attempt, failure="no shelf", at=at))
    (only,) = await listed(stage)
    assert (only["event_id"], only["resource_uuid"]) == ("VOLUME_VOLUME_008_012", str(id))


async def test_what_is_well_tells_nothing(stage):
    await stage.available()
    assert await listed(stage) == []


async def test_a_deleted_message_is_gone_and_the_failure_stays_in_the_log(stage, member):
    message, other = await stage.told(), await stage.told()
    path = f"/messages/{message['id']}"
    before = await stage.recorded()
    deleted = await member.ask("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert await stage.recorded() == before + 1
    refused(await stage.ask("GET", path), 404)
    refused(await stage.ask("DELETE", path), 404)
    assert await stage.recorded() == before + 1
    assert await listed(stage) == [other]
    log = await stage.application.store.log(0, 1_000)
    assert log[-1].event.type_name == "message.dismissed"
    failure = next(r for r in log if r.id == log[-1].event.failure)
    assert str(failure.aggregate_id) == message["resource_uuid"]


async def test_a_message_that_is_dismissed_while_lists_are_late_is_dismissed_once(stage):
    message = await stage.told()
    stage.application.late = True
    path = f"/messages/{message['id']}"
    assert (await stage.ask("DELETE", path)).status_code == 204
    before = await stage.recorded()
    refused(await stage.ask("DELETE", path), 404)
    assert await stage.recorded() == before


async def test_a_message_is_shown_for_thirty_days(stage):
    message = await stage.told()
    stage.application.wait(30 * DAY_S - 60)
    assert await listed(stage) == [message]
    stage.application.wait(60)
    assert await listed(stage) == []
    refused(await stage.ask("GET", f"/messages/{message['id']}"), 404)
    refused(await stage.ask("DELETE", f"/messages/{message['id']}"), 404)


async def test_messages_are_of_the_callers_project(stage, member):
    message = await stage.told()
    for path in ("/messages", "/messages?all_tenants=1"):
        elsewhere = await stage.ask("GET", f"/v3/{OTHER}{path}")
        assert elsewhere.json() == {"messages": []}
    one = f"/v3/{OTHER}/messages/{message['id']}"
    refused(await member.ask("GET", one), 404)
    refused(await member.ask("DELETE", one), 404)
    assert (await stage.ask("GET", one)).status_code == 200  # an administrator, by id


@pytest.mark.parametrize("id", ["x", "0" * 32, str(UUID(int=7)), "%00", "x" * 300])
async def test_a_message_that_there_is_not_is_404(stage, id):
    for method in ("GET", "DELETE"):
        refused(await stage.ask(method, f"/messages/{id}"), 404)


async def test_messages_came_with_3_3_and_their_pages_with_3_5(stage):
    first, second = await stage.told(), await stage.told()
    for method, path in (("GET", "/messages"), ("GET", f"/messages/{first['id']}"),
                         ("DELETE", f"/messages/{first['id']}")):  # fmt: skip
        refused(await stage.ask(method, path, mv="3.2"), 404)
    query = "?limit=1&sort=created_at:asc"
    assert await listed(stage, query, mv="3.4") == [second, first]
    assert await listed(stage, "?sort=nonsense&limit=x&marker=y", mv="3.3") == [second, first]
    page = (await stage.ask("GET", f"/messages{query}", mv="3.5")).json()
    assert page["messages"] == [first]
    (link,) = page["messages_links"]
    assert (link["rel"], f"marker={first['id']}" in link["href"]) == ("next", True)
    assert await listed(stage, f"{query}&marker={first['id']}", mv="3.5") == [second]
    assert await listed(stage, "?limit=0") == []
    assert await listed(stage, "?offset=1") == [first]


FILTERS = [
    ("resource_uuid={resource_uuid}", 1),
    ("resource_type=VOLUME", 2),
    ("resource_type=VOLUME_SNAPSHOT", 0),
    ("event_id=VOLUME_VOLUME_001_003", 2),
    ('event_id=["VOLUME_VOLUME_001_003", "x"]', 2),
    ("request_id={request_id}", 1),
    ("message_level=ERROR", 2),
    ("message_level=INFO&resource_uuid={resource_uuid}", 0),
]


@pytest.mark.parametrize(("query", "found"), FILTERS)
async def test_messages_can_be_filtered(stage, member, query, found):
    message, _ = await stage.told(), await stage.told()
    for caller in (stage, member):
        assert len(await listed(caller, f"?{query.format(**message)}")) == found


async def test_filters_that_are_not_for_everybody(stage, member):
    message = await stage.told()
    assert await listed(stage, f"?id={message['id']}") == [message]
    assert await listed(stage, "?colour=red") == []
    assert await listed(stage, "?request_id~=REQ-") == [message]
    assert await listed(stage, "?request_id~=nothing") == []
    assert await listed(member, "?colour=red", mv="3.30") == [message]
    for query in ("colour=red", "request_id~=req", f"id={message['id']}"):
        refused(await member.ask("GET", f"/messages?{query}"), 400)


@pytest.mark.parametrize(
    ("query", "code"),
    [("sort=failure", 400), ("sort_key=nonsense", 400), ("sort=id:up", 400), ("limit=-1", 400),
     ("limit=x", 400), ("offset=x", 400), ("marker=x", 404), (f"marker={UUID(int=1)}", 404)],
)  # fmt: skip
async def test_pages_that_make_no_sense_are_refused(stage, query, code):
    await stage.told()
    refused(await stage.ask("GET", f"/messages?{query}"), code)


@pytest.mark.parametrize("key", ["id", "event_id", "message_level", "request_id", "resource_type",
                                 "resource_uuid", "created_at", "guaranteed_until"])  # fmt: skip
async def test_messages_can_be_sorted(stage, key):
    first, second = await stage.told(), await stage.told()
    both = sorted((first, second), key=lambda each: (each[key], each["id"]))
    assert await listed(stage, f"?sort={key}:asc") == both
    assert await listed(stage, f"?sort={key}:desc") == both[::-1]


def test_numbers_are_cinders_and_used_once():
    for kind, count in ((Action, 16), (Detail, 30)):
        assert [each.number for each in kind] == [f"{n:03}" for n in range(1, count + 1)]
        assert len({each.text for each in kind}) == count


def test_whatever_is_told_has_words():
    for failure in TELLS.values():
        action, _, detail = text_of(failure.event_id).partition(":")
        assert (action, detail) == (failure.action.text, failure.detail.text)
