"""Quota on a running server: by unmodified clients, and by 200 of them at once."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import openstack as sdk
import pytest

from tests.end_to_end.test_openstack_client import openstack, run, silently
from tests.support import forks
from tests.support.deployment import PROJECT, Serve, running, until

ROOM, CLIENTS = 50, 200


@pytest.fixture(scope="module")
def lapilli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One whose limits these tests may change; nobody is too slow for it."""
    env = {"LAPILLI_API_WRITE_TIMEOUT_S": "300", "LAPILLI_API_READ_YOUR_WRITES_S": "0"}
    with running(Serve(tmp_path_factory.mktemp("quota"), env=env)) as deployment:
        yield deployment


def cinder(lapilli: Serve, *words: str) -> dict[str, str]:
    """The table that `cinder …` shows."""
    done = forks.run(
        "cinder",
        "--os-auth-type", "noauth", "--os-endpoint", f"{lapilli.url}/v3",
        "--os-project-id", PROJECT, "--os-user-id", PROJECT, *words,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    return {row[1].strip(): row[2].strip() for row in rows[1:]}


def shown_by_openstack(lapilli: Serve, *words: str) -> dict[str, int]:
    """What `openstack quota show` tells of volumes."""
    table = openstack(lapilli, "quota", "show", "--volume", *words, PROJECT)
    return {row["Resource"]: row["Limit"] for row in table}


@pytest.mark.clients
def test_cinder_shows_and_updates_quota_classes(lapilli: Serve) -> None:
    assert cinder(lapilli, "quota-class-show", "default")["gigabytes"] == "1000"
    updated = cinder(lapilli, "quota-class-update", "--gigabytes", "2000", "default")
    assert updated["gigabytes"] == "2000"
    of_type = ("--volume-type", "__DEFAULT__")
    cinder(lapilli, "quota-class-update", "--snapshots", "9", *of_type, "default")
    shown = cinder(lapilli, "quota-class-show", "default")
    assert (shown["gigabytes"], shown["snapshots___DEFAULT__"]) == ("2000", "9")
    assert cinder(lapilli, "quota-defaults", PROJECT)["gigabytes"] == "2000"
    assert cinder(lapilli, "quota-show", PROJECT)["snapshots___DEFAULT__"] == "9"


@pytest.mark.clients
def test_cinder_updates_and_resets_the_quota_of_a_project(lapilli: Serve) -> None:
    assert cinder(lapilli, "quota-update", "--groups", "3", PROJECT)["groups"] == "3"
    checked = ("--skip-validation", "False")
    assert cinder(lapilli, "quota-update", "--groups", "4", *checked, PROJECT)["groups"] == "4"
    assert set(cinder(lapilli, "quota-usage", PROJECT)) >= {"volumes", "groups"}
    cinder(lapilli, "quota-delete", PROJECT)
    assert cinder(lapilli, "quota-show", PROJECT)["groups"] == "10"


@pytest.mark.clients
def test_openstack_sets_and_shows_classes_and_projects(lapilli: Serve) -> None:
    done = run(lapilli, "quota", "set", "--class", "--backups", "7", "default")
    assert done.returncode == 0, done.stderr  # which says that classes are deprecated elsewhere
    assert shown_by_openstack(lapilli, "--default")["backups"] == 7
    assert shown_by_openstack(lapilli)["backups"] == 7
    silently(lapilli, "quota", "set", "--backups", "8", PROJECT)
    assert shown_by_openstack(lapilli)["backups"] == 8
    silently(lapilli, "quota", "delete", "--volume", PROJECT)
    assert shown_by_openstack(lapilli)["backups"] == 7


@pytest.mark.clients
def test_the_sdk_gets_and_updates_quota_classes(lapilli: Serve) -> None:
    endpoint = f"{lapilli.url}/v3/{PROJECT}"
    storage: Any = sdk.connect(
        auth_type="none",
        auth={"endpoint": endpoint},
        block_storage_endpoint_override=endpoint,
        load_yaml_config=False,
        load_envvars=False,
    ).block_storage
    storage.update_quota_class_set("default", per_volume_gigabytes=300)
    assert storage.get_quota_class_set("default").per_volume_gigabytes == 300
    assert storage.get_quota_set_defaults(PROJECT).per_volume_gigabytes == 300


def test_of_200_clients_at_once_with_room_for_50_exactly_50_are_admitted(lapilli: Serve) -> None:
    limits = {"quota_class_set": {"volumes": ROOM}}
    status, _ = lapilli.request("PUT", "/os-quota-class-sets/default", limits)
    assert status == 200
    together = Barrier(CLIENTS)

    def create(number: int) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", lapilli.port, timeout=300)
        connection.connect()
        together.wait(300)
        body = json.dumps({"volume": {"size": 1, "name": f"client {number}"}})
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/v3/{PROJECT}/volumes", body, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        if answer.status == 413:
            assert "'volumes'" in told["overLimit"]["message"]
        return answer.status, answer.headers["Retry-After"]

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = Counter(clients.map(create, range(CLIENTS)))
    assert answers == {(202, None): ROOM, (413, "0"): CLIENTS - ROOM}

    def used() -> dict[str, int]:
        _, answer = lapilli.request("GET", f"/os-quota-sets/{PROJECT}?usage=true")
        found: dict[str, int] = answer["quota_set"]["volumes"]
        return found

    settled = {"limit": ROOM, "in_use": ROOM, "reserved": 0}
    until(lambda: used() == settled, within_s=300, what="every volume made")
    verified = lapilli.cli("verify", "--at-rest")
    assert verified.returncode == 0, verified.stdout + verified.stderr
