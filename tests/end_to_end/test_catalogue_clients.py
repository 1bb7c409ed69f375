"""Volume types, QoS specs and default types by unmodified clients. Each test leaves nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.test_openstack_client import openstack, run, silently
from tests.support.deployment import PROJECT, Serve

pytestmark = pytest.mark.clients

OTHER = "fedcba9876543210fedcba9876543210"


@pytest.fixture
def gold(lapilli: Serve) -> Iterator[dict[str, Any]]:
    """A type, for as long as the test runs."""
    made = openstack(
        lapilli, "volume", "type", "create", "--description", "fast",
        "--property", "tier=1", "--property", "provisioning:max_vol_size=2", "gold",
    )  # fmt: skip
    yield made
    silently(lapilli, "volume", "type", "delete", made["id"])


def test_a_type_lives_from_create_to_delete(lapilli: Serve) -> None:
    made = openstack(
        lapilli, "volume", "type", "create", "--public", "--description", "fast",
        "--property", "tier=1", "--property", "a=b", "platinum",
    )  # fmt: skip
    assert (made["name"], made["is_public"], made["description"]) == ("platinum", True, "fast")
    assert made["properties"] == {"tier": "1", "a": "b"}
    silently(
        lapilli, "volume", "type", "set", "--name", "palladium", "--description", "faster",
        "--property", "tier=2", "platinum",
    )  # fmt: skip
    silently(lapilli, "volume", "type", "unset", "--property", "a", "palladium")
    shown = openstack(lapilli, "volume", "type", "show", "palladium")
    assert (shown["id"], shown["description"]) == (made["id"], "faster")
    assert shown["properties"] == {"tier": "2"}
    listed = openstack(lapilli, "volume", "type", "list", "--long")
    assert {each["Name"] for each in listed} == {"__DEFAULT__", "palladium"}
    refused = run(lapilli, "volume", "type", "create", "palladium")
    assert refused.returncode != 0 and "409" in refused.stderr
    silently(lapilli, "volume", "type", "delete", "palladium")
    assert run(lapilli, "volume", "type", "show", "palladium").returncode != 0


def test_a_private_type_is_given_to_projects(lapilli: Serve) -> None:
    made = openstack(
        lapilli, "volume", "type", "create", "--private", "--project", PROJECT, "secret"
    )
    assert made["is_public"] is False
    silently(lapilli, "volume", "type", "set", "--project", OTHER, "secret")
    shown = openstack(lapilli, "volume", "type", "show", "secret")
    assert sorted(shown["access_project_ids"]) == sorted([PROJECT, OTHER])
    silently(lapilli, "volume", "type", "unset", "--project", OTHER, "secret")
    shown = openstack(lapilli, "volume", "type", "show", "secret")
    assert shown["access_project_ids"] == [PROJECT]
    private = openstack(lapilli, "volume", "type", "list", "--private")
    assert [each["Name"] for each in private] == ["secret"]
    silently(lapilli, "volume", "type", "set", "--public", "secret")
    assert openstack(lapilli, "volume", "type", "show", "secret")["is_public"] is True
    silently(lapilli, "volume", "type", "delete", "secret")


def test_qos_specs_live_from_create_to_delete(lapilli: Serve, gold: dict[str, Any]) -> None:
    made = openstack(
        lapilli, "volume", "qos", "create", "--consumer", "both", "--property", "iops=500", "brisk"
    )
    assert (made["name"], made["consumer"], made["properties"]) == (
        "brisk", "both", {"iops": "500"},
    )  # fmt: skip
    silently(lapilli, "volume", "qos", "set", "--property", "bytes=9", "brisk")
    silently(lapilli, "volume", "qos", "unset", "--property", "iops", "brisk")
    silently(lapilli, "volume", "qos", "associate", "brisk", "gold")
    shown = openstack(lapilli, "volume", "qos", "show", "brisk")
    assert (shown["properties"], shown["associations"]) == ({"bytes": "9"}, ["gold"])
    (listed,) = openstack(lapilli, "volume", "qos", "list")
    assert (listed["Name"], listed["Associations"]) == ("brisk", ["gold"])
    refused = run(lapilli, "volume", "qos", "delete", "brisk")
    assert refused.returncode != 0
    silently(lapilli, "volume", "qos", "disassociate", "--volume-type", "gold", "brisk")
    silently(lapilli, "volume", "qos", "associate", made["id"], gold["id"])
    silently(lapilli, "volume", "qos", "disassociate", "--all", "brisk")
    silently(lapilli, "volume", "qos", "delete", "brisk")
    assert openstack(lapilli, "volume", "qos", "list") == []


def test_the_type_bounds_what_may_be_created(lapilli: Serve, gold: dict[str, Any]) -> None:
    refused = run(lapilli, "volume", "create", "--type", "gold", "--size", "3", "too-large")
    assert refused.returncode != 0
    assert "maximum" in refused.stderr and "400" in refused.stderr


def test_cinderclient_chooses_default_types(cinder: Any, gold: dict[str, Any]) -> None:
    chosen = cinder.default_types.create("gold", OTHER)
    assert (chosen.project_id, chosen.volume_type_id) == (OTHER, gold["id"])
    assert cinder.default_types.list(project_id=OTHER).volume_type_id == gold["id"]
    assert [each.project_id for each in cinder.default_types.list()] == [OTHER]
    cinder.default_types.delete(OTHER)
    assert cinder.default_types.list() == []


def test_cinderclient_knows_types_and_access(cinder: Any) -> None:
    made = cinder.volume_types.create("argentum", is_public=False)
    cinder.volume_type_access.add_project_access(made, OTHER)
    assert [each.project_id for each in cinder.volume_type_access.list(made)] == [OTHER]
    cinder.volume_type_access.remove_project_access(made, OTHER)
    made.set_keys({"a": "b"})
    assert made.get_keys() == {"a": "b"}
    made.unset_keys(["a"])
    cinder.volume_types.update(made, name="silver", description="said later", is_public=True)
    assert cinder.volume_types.get(made.id).name == "silver"
    cinder.volume_types.delete(made)


def test_all_agrees_with_the_log(lapilli: Serve, gold: dict[str, Any]) -> None:
    verified = lapilli.cli("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
