"""An unmodified python-openstackclient, without an identity service."""

import json
import subprocess
from typing import Any

import pytest

from tests.support import forks
from tests.support.deployment import PROJECT, Serve, until

pytestmark = pytest.mark.clients


def run(lapilli: Serve, *words: str) -> subprocess.CompletedProcess[str]:
    """`openstack …` as a user would type it."""
    return forks.run(
        "openstack",
        *words,
        env={"OS_AUTH_TYPE": "none", "OS_ENDPOINT": f"{lapilli.url}/v3/{PROJECT}"},
    )


def openstack(lapilli: Serve, *words: str) -> Any:
    """What a command that shows something answers."""
    done = run(lapilli, *words, "-f", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def silently(lapilli: Serve, *words: str) -> None:
    """A command that answers nothing."""
    done = run(lapilli, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_a_volume_lives_from_create_to_delete(lapilli: Serve) -> None:
    made = openstack(
        lapilli, "volume", "create", "--size", "1", "--description", "mine",
        "--property", "tier=gold", "from-the-cli",
    )  # fmt: skip
    assert (made["name"], made["size"], made["status"]) == ("from-the-cli", 1, "creating")
    until(
        lambda: openstack(lapilli, "volume", "show", made["id"])["status"] == "available",
        what="available volume",
    )
    file = lapilli.directory / "data" / "files" / "files" / f"volume-{made['id']}"
    assert file.stat().st_size == 1 << 30
    listed = openstack(lapilli, "volume", "list", "--name", "from-the-cli")
    assert [volume["ID"] for volume in listed] == [made["id"]]

    silently(
        lapilli, "volume", "set", "--name", "renamed", "--property", "a=b", made["id"]
    )  # fmt: skip
    silently(lapilli, "volume", "unset", "--property", "tier", made["id"])
    shown = openstack(lapilli, "volume", "show", "renamed")
    assert shown["properties"] == {"a": "b"}
    assert shown["type"] == "__DEFAULT__"

    silently(lapilli, "volume", "delete", "renamed")
    until(lambda: not file.exists(), what="deletion of the file")
    until(
        lambda: openstack(lapilli, "volume", "list", "--name", "renamed") == [],
        what="empty list",
    )


def test_a_snapshot_lives_from_create_to_delete(lapilli: Serve) -> None:
    volume = openstack(lapilli, "volume", "create", "--size", "1", "to-be-kept")["id"]

    def status(what: str, id: str) -> str:
        return str(openstack(lapilli, *what.split(), "show", id)["status"])

    until(lambda: status("volume", volume) == "available", what="available volume")
    made = openstack(
        lapilli, "volume", "snapshot", "create", "--volume", volume, "--description", "mine",
        "--property", "tier=gold", "kept",
    )  # fmt: skip
    assert (made["name"], made["size"], made["volume_id"]) == ("kept", 1, volume)
    until(lambda: status("volume snapshot", "kept") == "available", what="available snapshot")
    pool = lapilli.directory / "data" / "files" / "files"
    file = pool / f"snapshot-{made['id']}"
    assert file.stat().st_size == 1 << 30
    silently(
        lapilli, "volume", "snapshot", "set", "--name", "renamed", "--property", "a=b", "kept"
    )  # fmt: skip
    silently(lapilli, "volume", "snapshot", "unset", "--property", "tier", "renamed")
    [listed] = openstack(lapilli, "volume", "snapshot", "list", "--volume", volume)
    assert (listed["ID"], listed["Name"], listed["Size"]) == (made["id"], "renamed", 1)
    assert openstack(lapilli, "volume", "snapshot", "show", "renamed")["properties"] == {"a": "b"}

    refused = run(lapilli, "volume", "delete", volume)
    assert "is in use by its snapshot" in refused.stderr
    silently(lapilli, "volume", "delete", "--purge", volume)
    until(lambda: not file.exists(), what="deletion of the snapshot's file")
    until(lambda: not (pool / f"volume-{volume}").exists(), what="deletion of the volume after it")


def test_a_volume_grows(lapilli: Serve) -> None:
    made = openstack(lapilli, "volume", "create", "--size", "1", "grows")

    def now() -> tuple[str, int]:
        shown = openstack(lapilli, "volume", "show", made["id"])
        return shown["status"], shown["size"]

    until(lambda: now() == ("available", 1), what="available volume")
    silently(lapilli, "volume", "set", "--size", "3", made["id"])
    until(lambda: now() == ("available", 3), what="larger volume")
    file = lapilli.directory / "data" / "files" / "files" / f"volume-{made['id']}"
    assert file.stat().st_size == 3 << 30
    too_much = run(lapilli, "volume", "set", "--size", "5000", made["id"])
    assert "gigabytes quota" in too_much.stderr
    silently(lapilli, "volume", "delete", made["id"])


def test_force_delete_and_delete_of_what_is_not_there(lapilli: Serve) -> None:
    made = openstack(lapilli, "volume", "create", "--size", "1", "to-force")
    silently(lapilli, "volume", "delete", "--force", made["id"])
    until(
        lambda: openstack(lapilli, "volume", "list", "--name", "to-force") == [],
        what="empty list",
    )
    refused = run(lapilli, "volume", "delete", made["id"])
    assert refused.returncode != 0
    assert f"No Volume found for {made['id']}" in refused.stderr


def test_over_quota_says_which_quota_and_by_how_much(lapilli: Serve) -> None:
    refused = run(lapilli, "volume", "create", "--size", "100000", "too-large")
    assert refused.returncode != 0
    assert "gigabytes" in refused.stderr and "100000" in refused.stderr
    assert "413" in refused.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("volume", "type", "list"), "__DEFAULT__"),
        (("volume", "type", "show", "__DEFAULT__"), "__DEFAULT__"),
        (("volume", "service", "list"), "host1@files"),
        (("availability", "zone", "list", "--volume"), "nova"),
        (("limits", "show", "--absolute"), "max_total_volumes"),
        (("volume", "backend", "pool", "list"), "host1@files#files"),
        (("volume", "summary"), "Total Count"),
    ],
)
def test_operators_see(lapilli: Serve, words: tuple[str, ...], expected: str) -> None:
    assert expected in json.dumps(openstack(lapilli, *words))
