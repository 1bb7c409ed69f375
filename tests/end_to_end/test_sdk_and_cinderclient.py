"""Unmodified openstacksdk and python-cinderclient, without an identity service."""

from typing import Any

import pytest
from cinderclient import exceptions

from tests.support import forks
from tests.support.deployment import PROJECT, Serve, until

pytestmark = pytest.mark.clients


def test_the_sdk_creates_waits_updates_lists_and_deletes(sdk: Any) -> None:
    volume = sdk.create_volume(name="from-the-sdk", size=1, metadata={"k": "v"})
    sdk.wait_for_status(volume, status="available", interval=0.1, wait=30)
    sdk.set_volume_metadata(volume, more="words")
    assert sdk.get_volume(volume).metadata == {"k": "v", "more": "words"}
    sdk.update_volume(volume, description="said later")
    assert sdk.get_volume(volume).description == "said later"
    assert volume.id in [found.id for found in sdk.volumes(details=True, name="from-the-sdk")]
    sdk.delete_volume(volume)
    sdk.wait_for_delete(volume, interval=0.1, wait=30)


def test_the_sdk_pages_through_many(sdk: Any) -> None:
    made = {sdk.create_volume(name="page-me", size=1).id for _ in range(7)}
    seen = [volume.id for volume in sdk.volumes(details=False, limit=2) if volume.id in made]
    assert sorted(seen) == sorted(made)
    for id in made:
        sdk.delete_volume(id, force=True)


def test_the_sdk_reads_types_limits_quotas_and_pools(sdk: Any) -> None:
    assert "__DEFAULT__" in [found.name for found in sdk.types()]
    assert sdk.get_limits().absolute.max_total_volumes == 200
    assert sdk.get_quota_set(PROJECT, usage=True).volumes == 200
    assert [pool.name for pool in sdk.backend_pools()] == ["host1@files#files"]


def test_cinderclient_creates_finds_and_deletes(cinder: Any) -> None:
    volume = cinder.volumes.create(size=1, name="from-cinderclient", metadata={"a": "b"})
    until(lambda: cinder.volumes.get(volume.id).status == "available", what="available volume")
    cinder.volumes.set_metadata(volume, {"c": "d"})
    cinder.volumes.delete_metadata(volume, ["a"])
    assert cinder.volumes.get(volume.id).metadata == {"c": "d"}
    found = cinder.volumes.list(search_opts={"name": "from-cinderclient"})
    assert [v.id for v in found] == [volume.id]
    cinder.volumes.delete(volume)

    def gone() -> bool:
        with pytest.raises(exceptions.NotFound):
            cinder.volumes.get(volume.id)
        return True

    until(
        lambda: volume.id not in [v.id for v in cinder.volumes.list()] and gone(),
        what="end of the volume",
    )


def test_snapshots_by_the_sdk_and_by_cinderclient(sdk: Any, cinder: Any) -> None:
    volume = sdk.create_volume(name="twice-kept", size=1)
    sdk.wait_for_status(volume, status="available", interval=0.1, wait=30)
    first = sdk.create_snapshot(volume_id=volume.id, name="by-the-sdk")
    sdk.wait_for_status(first, status="available", interval=0.1, wait=30)
    sdk.set_snapshot_metadata(first, k="v")
    assert sdk.get_snapshot(first).metadata == {"k": "v"}
    assert first.id in [found.id for found in sdk.snapshots(details=True, volume_id=volume.id)]

    second = cinder.volume_snapshots.create(volume.id, name="by-cinderclient")
    until(
        lambda: cinder.volume_snapshots.get(second.id).status == "available",
        what="available snapshot",
    )
    cinder.volume_snapshots.update(second, name="renamed")
    cinder.volume_snapshots.reset_state(second, "error")
    found = cinder.volume_snapshots.list(search_opts={"volume_id": volume.id, "status": "error"})
    assert [each.name for each in found] == ["renamed"]
    with pytest.raises(exceptions.BadRequest, match="snapshot"):
        cinder.volumes.delete(volume.id)
    cinder.volume_snapshots.delete(second, force=True)
    sdk.delete_snapshot(first)
    sdk.wait_for_delete(first, interval=0.1, wait=30)
    until(lambda: not list(sdk.snapshots(volume_id=volume.id)), what="no snapshots")
    cinder.volumes.delete(volume.id)


def test_cinderclient_shows_services_and_zones(cinder: Any) -> None:
    services = {(service.binary, service.host): service for service in cinder.services.list()}
    assert services["cinder-volume", "host1@files"].state == "up"
    assert [zone.zoneName for zone in cinder.availability_zones.list()] == ["nova"]


def test_quotas_can_be_shown_set_and_reset(sdk: Any, cinder: Any) -> None:
    # not by `openstack quota`, which asks an identity service for the project first
    sdk.update_quota_set(PROJECT, gigabytes=777)
    assert cinder.quotas.get(PROJECT, usage=True).gigabytes["limit"] == 777
    cinder.quotas.delete(PROJECT)
    assert cinder.quotas.get(PROJECT).gigabytes == 1000
    with pytest.raises(exceptions.BadRequest, match="quota_set"):
        cinder.quotas.update(PROJECT, gigabytes=-2)


def test_the_cinder_command_works_without_project_in_the_path(lapilli: Serve) -> None:
    done = forks.run(
        "cinder",
        "--os-auth-type", "noauth", "--os-endpoint", f"{lapilli.url}/v3",
        "--os-project-id", PROJECT, "--os-user-id", PROJECT, "list",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Status" in done.stdout
