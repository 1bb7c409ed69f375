"""Every place of every request is given what nobody should send: it is refused, or harmless.

Generated from the routes, so that a new one is attacked without anybody thinking of it. A refusal
is the caller's (4xx), in the envelope that clients know, and records nothing.
"""

import json
import re

import pytest

from services.api.app import ROUTES
from services.api.routing import Route
from tests.services.api.hostile import SEGMENTS, TEXTS, mutants, sample
from tests.services.api.stage import OTHER, PROJECT
from tests.services.api.test_http import refused

NOWHERE = "00000000-0000-4000-0000-00000000abcd"
UNREFUSED = range(200, 301)
"""300 is how discovery answers."""


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


WITH_BODY = [route for route in ROUTES if route.body is not None]
WITH_PARTS = [route for route in ROUTES if "{" in route.path and route.versioned]
LISTS = [route for route in ROUTES if route.method == "GET" and route.versioned]


async def check_harmless(stage, method, path, what, **request):
    """Neither a server's error, nor a refusal that changes something."""
    before = await stage.recorded()
    answer = await stage.ask(method, path, **request)
    assert answer.status_code < 500, (what, answer.text)
    if answer.status_code not in UNREFUSED:
        refused(answer, answer.status_code)
        assert await stage.recorded() == before, (what, answer.text)
    return answer


async def parts_of(stage) -> dict[str, str]:
    """Things that there are, by the names that paths give them."""
    volume, offered = await stage.available(metadata={"k": "v"}), await stage.available()
    offer = {"transfer": {"volume_id": offered["id"]}}
    transfer = (await stage.ask("POST", "/volume-transfers", offer)).json()["transfer"]
    held = {"volume_uuid": (await stage.available())["id"], "instance_uuid": NOWHERE}
    attachment = (await stage.ask("POST", "/attachments", {"attachment": held})).json()
    (volume_type,) = (await stage.ask("GET", "/types")).json()["volume_types"]
    choice = {"default_type": {"volume_type": volume_type["id"]}}
    await stage.ask("PUT", f"/default-types/{OTHER}", choice)
    qos = await stage.ask("POST", "/qos-specs", {"qos_specs": {"name": "fast", "a": "b"}})
    return {
        "volume_id": volume["id"],
        "volume_uuid": volume["id"],
        "attachment_id": attachment["attachment"]["id"],
        "transfer_id": transfer["id"],
        "auth_key": transfer["auth_key"],
        "type_id": volume_type["id"],
        "qos_id": qos.json()["qos_specs"]["id"],
        "message_id": (await stage.told())["id"],
        "quota_project_id": OTHER,
        "default_project_id": OTHER,
        "quota_class": "default",
        "host": "host1@files",
        "binary": "cinder-volume",
    }


def filled(path: str, parts: dict[str, str], **other: str) -> str:
    """The path with its parts; those that nothing is known about are words."""
    return re.sub(r"\{(\w+)(\.\.\.)?\}", lambda m: other.get(m[1], parts.get(m[1], "k")), path)


@pytest.mark.parametrize("route", WITH_BODY, ids=named)
async def test_no_part_of_a_body_is_trusted(stage, route):
    parts = await parts_of(stage)
    path = filled(route.path, parts)
    for what, body in mutants(sample(route.body, **parts)):
        content = json.dumps(body).encode()
        await check_harmless(stage, route.method, path, what, content=content)


@pytest.mark.parametrize("route", [r for r in WITH_BODY if r.path.endswith("/action")], ids=named)
async def test_no_argument_of_an_action_is_trusted(stage, route):
    """One action at a time, as they are meant to come."""
    parts = await parts_of(stage)
    path = filled(route.path, parts)
    for name, arguments in sample(route.body, **parts).items():
        for what, body in mutants({name: arguments}):
            content = json.dumps(body).encode()
            await check_harmless(stage, route.method, path, what, content=content)


@pytest.mark.parametrize("route", WITH_PARTS, ids=named)
async def test_no_part_of_a_path_is_trusted(stage, route):
    parts = await parts_of(stage)
    body = None if route.body is None else sample(route.body, **parts)
    for part in re.findall(r"\{(\w+)", route.path):
        for segment in SEGMENTS:
            path = filled(route.path, parts, **{part: segment})
            await check_harmless(stage, route.method, path, (part, segment), body=body)


@pytest.mark.parametrize("route", LISTS, ids=named)
async def test_no_part_of_a_query_is_trusted(stage, member, route):
    parts = await parts_of(stage)
    names = {parameter.name for parameter in route.query}
    names |= {"glance_metadata", "name~", "id", "a" * 300} if names else {"limit"}
    for name in sorted(names | {"all_tenants", "%ff"}):
        for number, text in enumerate(TEXTS):
            path = f"{filled(route.path, parts)}?{name}={text}"
            await check_harmless(stage, "GET", path, (name, text))
            if route.query and number % 4 == 0:  # reads it by the same code
                await check_harmless(member, "GET", path, (name, text))


@pytest.mark.parametrize("route", [route for route in ROUTES if route.since], ids=named)
async def test_what_came_with_a_microversion_is_404_before_it(stage, route):
    path = filled(route.path, await parts_of(stage))
    before = await stage.recorded()
    for minor in (0, route.since - 1):
        body: dict[str, object] | None = None if route.body is None else {}
        refused(await stage.ask(route.method, path, body, mv=f"3.{minor}"), 404)
    assert await stage.recorded() == before
    answer = await stage.ask(route.method, path, {} if route.body else None)
    assert answer.status_code != 404


@pytest.mark.parametrize("header", ["OpenStack-API-Version", "X-Auth-Token", "X-Forwarded-Host",
                                    "X-Forwarded-Proto", "X-OpenStack-Request-ID", "If-Match",
                                    "Content-Type", "Accept", "X-Global-Request-ID"])  # fmt: skip
@pytest.mark.parametrize(
    "value",
    [b"", b"\xff\xfe", b"x" * 8000, "\U0001f30b".encode(), b"volume 3.\xd9\xa1", b",,,", b"%00"],
)
async def test_no_header_is_trusted(stage, header, value):
    volume = await stage.volume()
    before = await stage.recorded()
    for method, path in (
        ("GET", "/volumes/detail?limit=1"),
        ("PUT", f"/volumes/{volume['id']}/metadata"),
    ):
        url = f"/v3/{PROJECT}{path}"
        content = b'{"metadata": {}}' if method == "PUT" else None
        headers = [
            (b"content-type", b"application/json"),
            (b"openstack-api-version", b"volume 3.71"),
        ]
        headers = [(k, v) for k, v in headers if k != header.lower().encode()]
        answer = await stage.client.request(
            method, url, content=content, headers=[*headers, (header.lower().encode(), value)]
        )
        assert answer.status_code < 500, answer.text
    assert await stage.recorded() == before
