"""What holds for every request: discovery, microversions, paths, callers, headers, refusals."""

import json

import pytest

from adapters.bus import port
from domain.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Over,
    OverQuota,
    Unavailable,
)
from services.api import faults
from tests.services.api.stage import OTHER, PROJECT, USER

ENVELOPES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    406: "computeFault",
    409: "conflictingRequest",
    412: "computeFault",
    413: "overLimit",
    415: "badMediaType",
    500: "computeFault",
    503: "serviceUnavailable",
}


def refused(answer, code):
    """The message of a refusal, after checking everything else about it."""
    assert answer.status_code == code, answer.text
    ((name, inner),) = answer.json().items()
    assert name == ENVELOPES[code]
    assert inner["code"] == code
    assert inner["message"]
    if code == 413:
        assert inner["retryAfter"] == "0"
        assert answer.headers["retry-after"] == "0"
    check_headers(answer)
    return inner["message"]


def check_headers(answer):
    """What every answer carries."""
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert answer.headers["x-compute-request-id"] == answer.headers["x-openstack-request-id"]
    assert answer.headers["openstack-api-version"].startswith("volume 3.")
    assert answer.headers["vary"] == "OpenStack-API-Version"


@pytest.mark.parametrize(("path", "status"), [("!/", 300), ("!/v3", 200), ("!/v3/", 200)])
async def test_versions_are_told_without_a_token(stage, path, status):
    answer = await stage.ask("GET", path, mv=None)
    assert answer.status_code == status
    check_headers(answer)
    (version,) = answer.json()["versions"]
    assert (version["id"], version["status"]) == ("v3.0", "CURRENT")
    assert (version["min_version"], version["version"]) == ("3.0", "3.71")
    assert version["links"][1] == {"rel": "self", "href": "http://lapilli:8776/v3/"}
    assert version["media-types"][0]["base"] == "application/json"


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({}, "http://lapilli:8776"),
        (
            {"X-Forwarded-Host": "storage.example", "X-Forwarded-Proto": "https"},
            "https://storage.example",
        ),
    ],
)
async def test_links_begin_as_the_client_sees_us(stage, headers, base):
    answer = await stage.ask("GET", "!/v3/", headers=headers)
    assert answer.json()["versions"][0]["links"][1]["href"] == f"{base}/v3/"


@pytest.mark.parametrize(
    ("header", "status", "used"),
    [
        (None, 200, "3.0"),
        ("volume 3.0", 200, "3.0"),
        ("volume 3.42", 200, "3.42"),
        ("volume 3.71", 200, "3.71"),
        ("volume latest", 200, "3.71"),
        ("compute 2.90, volume 3.5", 200, "3.5"),
        ("VOLUME 3.5", 200, "3.5"),
        ("compute 2.90", 400, "3.0"),
        ("", 400, "3.0"),
        ("volume", 400, "3.0"),
        ("volume 3", 400, "3.0"),
        ("volume 3.x", 400, "3.0"),
        ("volume 3.1.2", 400, "3.0"),
        ("volume -3.1", 400, "3.0"),
        ("volume 3.72", 406, "3.0"),
        ("volume 2.1", 406, "3.0"),
        ("volume 4.0", 406, "3.0"),
        ("volume 3.999999999", 406, "3.0"),
        ("volume 3.9999999999999999999999", 400, "3.0"),
    ],
)
async def test_the_microversion_is_negotiated_and_told(stage, header, status, used):
    headers = {} if header is None else {"OpenStack-API-Version": header}
    answer = await stage.ask("GET", "/volumes", mv=None, headers=headers)
    assert answer.status_code == status
    assert answer.headers["openstack-api-version"] == f"volume {used}"
    if status != 200:
        message = refused(answer, status)
        assert status != 406 or ("3.0" in message and "3.71" in message)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "!/nothing"),
        ("GET", "!/v2/volumes"),
        ("GET", "!/v3/nothing"),
        ("GET", f"!/v3/{PROJECT}"),
        ("GET", f"!/v3/{PROJECT}/"),
        ("GET", "/groups"),
        ("GET", "/group_snapshots"),
        ("POST", "/groups"),
        ("GET", "/volumes/"),
        ("GET", "/volumes/x/y/z"),
        ("GET", "!/v3/NOT-HEX/volumes"),
        ("DELETE", "/volumes"),
        ("PATCH", "/volumes/00000000-0000-4000-0000-000000000000"),
        ("PATCH", "/types"),
        ("BREW", "/volumes"),
        ("GET", "/volumes/%00"),
        ("GET", "/volumes/%ff%fe"),
        ("GET", "/volumes/..%2f..%2fetc"),
        ("GET", "/types/%00"),
        ("GET", "/volumes/" + "x" * 5000),
    ],
)
async def test_what_is_not_there_is_404(stage, method, path):
    refused(await stage.ask(method, path), 404)


@pytest.mark.parametrize(
    ("path", "since"), [("/volumes/summary", "3.12"), ("/resource_filters", "3.33")]
)
async def test_a_method_is_absent_below_its_microversion(stage, path, since):
    before = f"3.{int(since[2:]) - 1}"
    refused(await stage.ask("GET", path, mv=before), 404)
    assert (await stage.ask("GET", path, mv=since)).status_code == 200


@pytest.mark.parametrize("path", ["/v3/volumes", f"/v3/{PROJECT}/volumes", "/v3/volumes.json"])
async def test_every_path_exists_with_and_without_the_project(stage, path):
    await stage.volume(name="a")
    answer = await stage.ask("GET", path)
    (volume,) = answer.json()["volumes"]
    project = f"/{PROJECT}" if PROJECT in path else ""
    assert [link["href"] for link in volume["links"]] == [
        f"http://lapilli:8776/v3{project}/volumes/{volume['id']}",
        f"http://lapilli:8776{project}/volumes/{volume['id']}",
    ]


@pytest.mark.parametrize(
    ("token", "path", "status", "who"),
    [
        (None, f"/v3/{OTHER}/volumes", 202, (USER, OTHER)),
        (None, "/v3/volumes", 202, (USER, PROJECT)),
        ("notused", f"/v3/{OTHER}/volumes", 202, (USER, OTHER)),
        ("notused", "/v3/volumes", 202, (USER, PROJECT)),
        (f"me:{OTHER}", "/v3/volumes", 202, ("me", OTHER)),
        (f"me:{OTHER}", f"/v3/{OTHER}/volumes", 202, ("me", OTHER)),
        ("alone", "/v3/volumes", 202, ("alone", "alone")),
        (f"me:{OTHER}", f"/v3/{PROJECT}/volumes", 400, None),
        ("alone", f"/v3/{PROJECT}/volumes", 400, None),
        ("x" * 300, "/v3/volumes", 401, None),
        ("a b:c", "/v3/volumes", 401, None),
    ],
)
async def test_the_caller_is_who_the_token_says(stage, token, path, status, who):
    headers = {} if token is None else {"X-Auth-Token": token}
    answer = await stage.ask("POST", path, {"volume": {"size": 1}}, headers=headers)
    if status != 202:
        refused(answer, status)
        return
    assert answer.status_code == 202
    shown = await stage.ask("GET", f"/volumes/{answer.json()['volume']['id']}")
    volume = shown.json()["volume"]
    assert (volume["user_id"], volume["os-vol-tenant-attr:tenant_id"]) == who


async def test_old_clients_are_handed_a_token(stage):
    headers = {"X-Auth-User": "me", "X-Auth-Project-Id": OTHER}
    answer = await stage.ask("GET", "/v3/volumes", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["x-auth-token"] == f"me:{OTHER}"
    assert answer.headers["x-server-management-url"] == "http://lapilli:8776/v3"
    assert answer.content == b""


async def test_request_ids_are_ours_whatever_the_client_sends(stage):
    sent = {"X-OpenStack-Request-ID": "req-theirs", "X-Compute-Request-Id": "req-theirs"}
    one = await stage.ask("GET", "/volumes", headers=sent)
    two = await stage.ask("GET", "/volumes", headers=sent)
    ids = {answer.headers["x-openstack-request-id"] for answer in (one, two)}
    assert len(ids) == 2
    assert "req-theirs" not in ids


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound(kind="volume", id="x"), 404),
        (InvalidRequest("no"), 400),
        (NotAllowed(kind="volume", id="x", state="creating", event="delete"), 400),
        (Forbidden(rule="volume:create"), 403),
        (
            OverQuota(
                "too much",
                project_id=PROJECT,
                overs=[Over(resource="volumes", requested=1, limit=1, consumed=1)],
            ),
            413,
        ),
        (Conflict(kind="volume", id="x"), 409),
        (Unavailable(part="database", reason="gone"), 503),
        (port.Unavailable("nats: timeout"), 503),
    ],
)
async def test_each_domain_error_has_its_code(stage, error, code):
    stage.application.unwell = error
    message = refused(await stage.ask("POST", "/volumes", {"volume": {"size": 1}}), code)
    assert message == str(error)


async def test_what_nobody_foresaw_is_500_and_says_nothing(stage):
    stage.application.unwell = RuntimeError("the password is swordfish")
    message = refused(await stage.ask("POST", "/volumes", {"volume": {"size": 1}}), 500)
    assert message == faults.UNEXPECTED


def test_every_error_of_the_domain_is_in_the_table():
    from domain import errors

    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.LapilliError)
    }
    assert kinds - {errors.LapilliError} <= set(faults.CODES)


def test_a_message_that_cannot_be_encoded_is_answered_all_the_same():
    rendered = faults.rendered(InvalidRequest("\ud800"), request_id="req-1")
    assert json.loads(rendered.body)["badRequest"]["message"] == "\\ud800"


@pytest.mark.parametrize(
    "query",
    [
        "?limit=%ff",
        "?name=%00",
        "?name=a%00b",
        "?limit=-1",
        "?limit=x",
        "?limit=1.5",
        "?limit=%D9%A1",
        "?offset=-1",
        "?offset=2147483648",
        "?offset=99999999999999999999999999",
        "?sort=size:sideways",
        "?sort=nonsense",
        "?sort_key=nonsense",
        "?sort=size&sort_key=size",
        "?sort_dir=up",
        "?all_tenants=perhaps",
        "?with_count=perhaps",
        "?bootable=perhaps",
        "?metadata=x",
        "?metadata={'a'",
        "?metadata=" + "[" * 3000,
        "?size=big",
        "?size=99999999999999999999",
        "?created_at=yesterday",
        "?created_at=gt:0001-01-01T00:00:00%2B14:00",
        "?name=" + "x" * 9000,
    ],
)
async def test_queries_that_mean_nothing_are_refused(stage, query):
    refused(await stage.ask("GET", f"/volumes{query}"), 400)


async def test_health_is_told_to_everybody(stage):
    assert (await stage.ask("GET", "!/healthcheck")).text == "OK"
    assert (await stage.ask("GET", "!/health/live")).json() == {"live": True}
    ready = await stage.ask("GET", "!/health/ready")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    stage.application.late = True
    ready = await stage.ask("GET", "!/health/ready")
    assert (ready.status_code, ready.json()["parts"]["views"]["ok"]) == (503, False)


async def test_requests_are_counted_by_route_not_by_path(stage):
    await stage.ask("GET", "/volumes/00000000-0000-4000-0000-000000000009")
    metrics = (await stage.ask("GET", "!/metrics")).text
    assert 'route="/volumes/{volume_id}",status="404"' in metrics
    assert "0000-000000000009" not in metrics


async def test_the_server_may_start_and_stop_the_app():
    from services.api.app import _lifespan

    told = []
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(asked)

    async def send(message):
        told.append(message["type"])

    await _lifespan(receive, send)
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
