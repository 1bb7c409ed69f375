"""What administrators do with services, as the API takes it and then shows it."""

import pytest

from tests.services.api.stage import HOST, PROJECT
from tests.services.api.test_http import refused

BACKEND = HOST.partition("#")[0]
ONE = {"host": BACKEND, "binary": "cinder-volume"}
BOTH = ("disable", "enable")
ACTIONS = (*BOTH, "disable-log-reason", "freeze", "thaw")


def body(action, **changes):
    """What an action needs."""
    wanted = {"host": BACKEND, **changes}
    if action not in ("freeze", "thaw"):
        wanted.setdefault("binary", "cinder-volume")
    if action == "disable-log-reason":
        wanted.setdefault("disabled_reason", "new disks")
    return wanted


async def done(stage, action, **changes):
    """The answer to an action that is carried out."""
    answer = await stage.ask("PUT", f"/os-services/{action}", body(action, **changes))
    assert answer.status_code == 200, answer.text
    return answer


async def shown(stage, host=BACKEND, binary="cinder-volume"):
    services = (await stage.ask("GET", f"/os-services?host={host}&binary={binary}")).json()
    (found,) = services["services"]
    return found["status"], found["disabled_reason"], found.get("frozen")


async def test_a_disabled_service_stays_disabled_until_it_is_enabled(stage):
    """Cinder's main forgets to store it (api.md 8)."""
    answer = await done(stage, "disable")
    assert answer.json() == {**ONE, "service": "", "status": "disabled", "disabled": True}
    assert await shown(stage) == ("disabled", None, False)
    answer = await done(stage, "disable-log-reason", disabled_reason=" new disks ")
    assert answer.json()["disabled_reason"] == "new disks"
    assert await shown(stage) == ("disabled", "new disks", False)
    answer = await done(stage, "enable")
    assert answer.json() == {**ONE, "service": "", "status": "enabled", "disabled": False}
    assert await shown(stage) == ("enabled", None, False)


async def test_a_frozen_backend_stays_frozen_until_it_is_thawed(stage):
    frozen = await done(stage, "freeze")
    assert frozen.content == b""
    assert await shown(stage) == ("enabled", None, True)
    await done(stage, "disable")
    assert await shown(stage) == ("disabled", None, True)
    await done(stage, "thaw")
    assert await shown(stage) == ("disabled", None, False)


async def test_a_service_may_be_named_by_its_older_key(stage):
    only = {"host": BACKEND, "service": "cinder-volume"}
    answer = await stage.ask("PUT", "/os-services/disable", only)
    assert answer.json() == {**only, "binary": "", "status": "disabled", "disabled": True}
    assert await shown(stage) == ("disabled", None, False)


async def test_other_services_than_those_that_keep_volumes_are_only_marked(stage):
    await done(stage, "disable", host="host1", binary="cinder-scheduler")
    assert await shown(stage, "host1", "cinder-scheduler") == ("disabled", None, None)
    assert await shown(stage) == ("enabled", None, False)
    await stage.available()


async def test_services_that_are_down_can_be_disabled(stage):
    await done(stage, "disable", host="host2@far")
    assert await shown(stage, "host2@far") == ("disabled", None, False)


UNKNOWN = [
    ("disable", {"host": "host9@files"}),
    ("disable", {"host": "host1"}),
    ("disable", {"host": HOST}),
    ("disable", {"binary": "cinder-scheduler"}),
    ("enable", {"binary": "cinder-backup"}),
    ("enable", {"host": "h\0"}),
    ("disable-log-reason", {"host": "host9@files"}),
    ("disable", {"cluster": "c"}),
    ("freeze", {"cluster": "c"}),
    ("freeze", {"host": "host1"}),
    ("thaw", {"host": "host9@files"}),
]


@pytest.mark.parametrize(("action", "changes"), UNKNOWN)
async def test_an_unknown_service_is_404_and_changes_nothing(stage, action, changes):
    before = await stage.recorded()
    refused(await stage.ask("PUT", f"/os-services/{action}", body(action, **changes)), 404)
    assert await stage.recorded() == before


BAD = [
    *((action, {}) for action in ACTIONS),
    *((action, {"host": ""}) for action in ACTIONS),
    *((action, {"host": None}) for action in ACTIONS),
    *((action, {"host": 1}) for action in ACTIONS),
    *((action, {**body(action), "host": "h" * 256}) for action in ACTIONS),
    *((action, {**body(action), "surprise": 1}) for action in ACTIONS),
    *((action, {"host": BACKEND}) for action in BOTH),
    *((action, {"host": BACKEND, "binary": ""}) for action in BOTH),
    *((action, {"host": BACKEND, "binary": None}) for action in BOTH),
    ("freeze", {**body("freeze"), "binary": "cinder-volume"}),
    ("disable-log-reason", ONE),
    ("disable-log-reason", {**ONE, "disabled_reason": ""}),
    ("disable-log-reason", {**ONE, "disabled_reason": "  "}),
    ("disable-log-reason", {**ONE, "disabled_reason": "x" * 256}),
    ("disable-log-reason", {**ONE, "disabled_reason": "a\0b"}),
    ("disable-log-reason", {**ONE, "disabled_reason": None}),
    ("disable", {**ONE, "disabled_reason": "only with a log"}),
]


@pytest.mark.parametrize(("action", "bad"), BAD)
async def test_a_bad_body_is_400_and_changes_nothing(stage, action, bad):
    before = await stage.recorded()
    refused(await stage.ask("PUT", f"/os-services/{action}", bad), 400)
    assert await stage.recorded() == before


@pytest.mark.parametrize("path", ["/os-services/blow-up", "/os-services"])
async def test_an_unknown_action_is_404(stage, path):
    refused(await stage.ask("PUT", path, ONE), 404)


@pytest.mark.parametrize(("actions", "word"), [
    (["freeze", "freeze"], "already"), (["thaw"], "not frozen"),
    (["freeze", "thaw", "thaw"], "not frozen"),
])  # fmt: skip
async def test_freezing_twice_and_thawing_what_is_not_frozen_are_400(stage, actions, word):
    for action in actions[:-1]:
        await done(stage, action)
    before = await stage.recorded()
    last = actions[-1]
    assert word in refused(await stage.ask("PUT", f"/os-services/{last}", body(last)), 400)
    assert await stage.recorded() == before


@pytest.mark.parametrize("action", ACTIONS)
async def test_only_administrators_may(stage, member, action):
    before = await stage.recorded()
    refused(await member.ask("PUT", f"/os-services/{action}", body(action)), 403)
    assert await stage.recorded() == before


async def test_a_volume_on_a_frozen_backend_cannot_be_deleted(stage, member):
    created = await stage.available()
    await done(stage, "freeze")
    for caller, path in ((member, ""), (stage, "?force=true")):
        message = refused(await caller.ask("DELETE", f"/volumes/{created['id']}{path}"), 400)
        assert f"{BACKEND} is frozen" in message
    await done(stage, "thaw")
    assert (await member.ask("DELETE", f"/volumes/{created['id']}")).status_code == 202


@pytest.mark.parametrize("action", ["disable", "freeze"])
async def test_closed_pools_are_not_among_those_that_can_be_chosen(stage, action):
    await done(stage, action)
    assert (await stage.ask("GET", "/scheduler-stats/get_pools")).json() == {"pools": []}
    await done(stage, {"disable": "enable", "freeze": "thaw"}[action])
    pools = (await stage.ask("GET", "/scheduler-stats/get_pools")).json()["pools"]
    assert pools == [{"name": HOST}]


async def test_a_zone_is_available_while_any_of_its_backends_is_enabled(stage):
    await done(stage, "disable")
    zones = (await stage.ask("GET", f"/v3/{PROJECT}/os-availability-zone")).json()
    assert zones["availabilityZoneInfo"] == [
        {"zoneName": "attic", "zoneState": {"available": True}},
        {"zoneName": "nova", "zoneState": {"available": False}},
    ]
