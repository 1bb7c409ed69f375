"""What must hold after anything whatsoever has happened."""

from http.client import HTTPException
from pathlib import Path

from tests.support.deployment import Deployment, until
from tests.support.load import Load

AT_REST = {"available", "error", "error_deleting"}


def check(deployment: Deployment, load: Load, *, files: Path, within_s: float = 180.0) -> None:
    """Everything comes to rest by itself; nothing is stuck, lost, leaked or orphaned."""
    until(lambda: _all_at_rest(deployment), within_s=within_s, what="every volume at rest")
    volumes = {volume["id"]: volume for volume in deployment.volumes()}
    _promises_are_kept(load, volumes)
    _quota_is_what_exists(deployment, volumes)
    available = {id for id, volume in volumes.items() if volume["status"] == "available"}
    on_disk = {path.name for path in files.rglob("volume-*")}
    assert {f"volume-{id}" for id in available} <= on_disk
    assert on_disk <= {f"volume-{id}" for id in volumes}, "orphaned files"
    assert not list(files.rglob("*.part*")), "half-made files"
    verified = deployment.cli("verify", "--at-rest", "--json")
    assert verified.returncode == 0, verified.stdout[-4000:] + verified.stderr[-2000:]


def _all_at_rest(deployment: Deployment) -> bool:
    try:
        return {volume["status"] for volume in deployment.volumes()} <= AT_REST
    except (OSError, HTTPException, ValueError, TypeError, KeyError):
        return False


def _promises_are_kept(load: Load, volumes: dict[str, dict[str, object]]) -> None:
    lost = load.created - load.doomed - set(volumes)
    assert not lost, f"accepted creates that are gone: {sorted(lost)[:5]}"
    stayed = {
        id for id in load.deleting & set(volumes) if volumes[id]["status"] != "error_deleting"
    }
    assert not stayed, f"accepted deletes that never happened: {sorted(stayed)[:5]}"


def _quota_is_what_exists(deployment: Deployment, volumes: dict[str, dict[str, object]]) -> None:
    project = "00000000000000000000000000000001"
    _, answer = deployment.request("GET", f"/os-quota-sets/{project}?usage=true")
    quota = answer["quota_set"]
    assert quota["volumes"]["in_use"] == len(volumes)
    assert quota["gigabytes"]["in_use"] == sum(int(str(v["size"])) for v in volumes.values())
    assert quota["volumes"]["reserved"] == quota["gigabytes"]["reserved"] == 0
