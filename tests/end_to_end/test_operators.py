"""What administrators do with backends, and what users are told, by unmodified clients."""

from collections.abc import Iterator
from typing import Any

import pytest
from cinderclient import client as cinder_client
from cinderclient import exceptions
from keystoneauth1 import noauth, session

from tests.end_to_end.test_openstack_client import openstack, run, silently
from tests.support.deployment import PROJECT, Serve, until

pytestmark = pytest.mark.clients

BACKEND = "host1@files"

SAID = ("--os-volume-api-version", "3.5", "volume", "message")
"""Without a version the client asks in 3.0, which knows no messages."""


@pytest.fixture
def cinder(lapilli: Serve) -> Any:
    """python-cinderclient at the newest version it shares with us."""
    endpoint = f"{lapilli.url}/v3/{PROJECT}"
    return cinder_client.Client(
        "3.70", session=session.Session(auth=noauth.NoAuth(endpoint=endpoint))
    )


@pytest.fixture
def backend(lapilli: Serve) -> Iterator[str]:
    """The only backend there is: open again afterwards, whatever happens."""
    path = f"/os-services?host={BACKEND}"
    until(lambda: lapilli.request("GET", path)[1]["services"] != [], what="report of the backend")
    yield BACKEND
    body = {"host": BACKEND, "binary": "cinder-volume"}
    assert lapilli.request("PUT", "/os-services/enable", body)[0] == 200
    lapilli.request("PUT", "/os-services/thaw", {"host": BACKEND})  # refused if it is not frozen


def shown(lapilli: Serve) -> dict[str, Any]:
    """The backend as the service list of the command line shows it."""
    listed: list[dict[str, Any]] = openstack(lapilli, "volume", "service", "list", "--long")
    [found] = [each for each in listed if each["Host"] == BACKEND]
    return found


def at_rest(lapilli: Serve, name: str) -> dict[str, Any]:
    """A volume once it is made, or not."""
    status, answer = lapilli.request("POST", "/volumes", {"volume": {"size": 1, "name": name}})
    assert status == 202, answer
    path = f"/volumes/{answer['volume']['id']}"

    def now() -> dict[str, Any]:
        found: dict[str, Any] = lapilli.request("GET", path)[1]["volume"]
        return found

    until(lambda: now()["status"] != "creating", what="volume at rest")
    return now()


def deleted(lapilli: Serve, *volumes: dict[str, Any]) -> None:
    for each in volumes:
        assert lapilli.request("DELETE", f"/volumes/{each['id']}")[0] == 202


def test_a_disabled_backend_takes_nothing_and_why_says_so(lapilli: Serve, backend: str) -> None:
    silently(
        lapilli, "volume", "service", "set", "--disable", "--disable-reason", "new disks",
        backend, "cinder-volume",
    )  # fmt: skip
    found = shown(lapilli)
    assert (found["Status"], found["Disabled Reason"]) == ("disabled", "new disks")
    assert openstack(lapilli, "volume", "backend", "pool", "list") == []
    volume = at_rest(lapilli, "nowhere-to-go")
    assert volume["status"] == "error"
    assert "ServiceFilter: disabled: new disks" in lapilli.cli("why", "nowhere-to-go").stdout

    silently(lapilli, "volume", "service", "set", "--enable", backend, "cinder-volume")
    found = shown(lapilli)
    assert found["Status"] == "enabled" and not found["Disabled Reason"]
    made = at_rest(lapilli, "has-a-place")
    assert made["status"] == "available"
    deleted(lapilli, volume, made)


def test_a_service_that_there_is_not_cannot_be_disabled(lapilli: Serve) -> None:
    refused = run(lapilli, "volume", "service", "set", "--disable", "h9@x", "cinder-volume")
    assert refused.returncode != 0 and "No Service found" in refused.stderr


def test_users_read_and_delete_messages(lapilli: Serve, backend: str) -> None:
    lapilli.request("PUT", "/os-services/freeze", {"host": backend})
    volume = at_rest(lapilli, "told-of-on-the-command-line")

    def messages() -> list[dict[str, Any]]:
        listed = openstack(lapilli, *SAID, "list", "--limit", "100")
        return [each for each in listed if each["Resource UUID"] == volume["id"]]

    [message] = messages()
    assert (message["Event ID"], message["Resource Type"]) == ("VOLUME_VOLUME_001_003", "VOLUME")
    assert message["User Message"] == "finding a backend for the volume:no backend can take it"
    silently(lapilli, *SAID, "delete", message["ID"])
    assert messages() == []
    assert run(lapilli, *SAID, "delete", message["ID"]).returncode != 0
    deleted(lapilli, volume)


def test_cinderclient_freezes_thaws_and_disables(lapilli: Serve, backend: str, cinder: Any) -> None:
    made = at_rest(lapilli, "on-ice")
    cinder.services.freeze_host(backend)
    [found] = cinder.services.list(host=backend, binary="cinder-volume")
    assert found.frozen is True and found.status == "enabled"
    with pytest.raises(exceptions.BadRequest, match="frozen"):
        cinder.volumes.delete(made["id"])
    with pytest.raises(exceptions.BadRequest, match="already"):
        cinder.services.freeze_host(backend)
    cinder.services.thaw_host(backend)
    cinder.volumes.delete(made["id"])

    changed = cinder.services.disable_log_reason(backend, "cinder-volume", "new disks")
    assert (changed.status, changed.disabled_reason) == ("disabled", "new disks")
    assert cinder.services.disable(backend, "cinder-volume").status == "disabled"
    assert cinder.services.enable(backend, "cinder-volume").status == "enabled"
    with pytest.raises(exceptions.NotFound):
        cinder.services.enable("h9@x", "cinder-volume")


def test_cinderclient_reads_and_deletes_messages(lapilli: Serve, backend: str, cinder: Any) -> None:
    cinder.services.disable(backend, "cinder-volume")
    volume = at_rest(lapilli, "told-of")
    options = {"resource_uuid": volume["id"]}
    [message] = cinder.messages.list(search_opts=options, sort="created_at:desc", limit=5)
    assert message.event_id == "VOLUME_VOLUME_001_003"
    one = cinder.messages.get(message.id)
    assert (one.resource_uuid, one.user_message) == (volume["id"], message.user_message)
    cinder.messages.delete(message)
    assert cinder.messages.list(search_opts=options) == []
    cinder.volumes.delete(volume["id"])


def test_all_agrees_with_the_log(lapilli: Serve) -> None:
    verified = lapilli.cli("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
