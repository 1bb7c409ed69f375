"""Snapshots and records of backups by the unmodified `cinder` command."""

from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.test_attachments import run_cinder
from tests.support.deployment import Serve, running, until

pytestmark = pytest.mark.clients


def table(text: str) -> dict[str, str]:
    """The first two columns of what it shows."""
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    return {row[1].strip(): row[2].strip() for row in rows[1:]}


def available(found: Any, id: str) -> None:
    until(lambda: found.get(id).status == "available", what=f"{id} available")


def test_it_makes_changes_and_deletes_snapshots(lapilli: Serve, cinder: Any) -> None:
    volume = cinder.volumes.create(1, name="taken")
    available(cinder.volumes, volume.id)
    told = run_cinder(
        lapilli, "snapshot-create", "--name", "kept", "--metadata", "tier=gold", "--", volume.id
    )
    id = table(told)["id"]
    available(cinder.volume_snapshots, id)
    assert id in table(run_cinder(lapilli, "snapshot-list", "--volume-id", volume.id))
    run_cinder(lapilli, "snapshot-rename", id, "renamed", "--description", "mine")
    run_cinder(lapilli, "snapshot-metadata", id, "set", "a=b")
    shown = table(run_cinder(lapilli, "snapshot-show", "renamed"))
    assert (shown["name"], shown["description"], shown["status"]) == (
        "renamed",
        "mine",
        "available",
    )
    assert cinder.volume_snapshots.get(id).metadata == {"tier": "gold", "a": "b"}
    run_cinder(lapilli, "snapshot-reset-state", "--state", "error", id)
    assert cinder.volume_snapshots.get(id).status == "error"
    run_cinder(lapilli, "snapshot-delete", id)
    until(lambda: not cinder.volume_snapshots.list(), what="end of the snapshot")
    cinder.volumes.delete(volume)


def test_it_takes_a_backup_to_another_installation(
    lapilli: Serve, cinder: Any, tmp_path: Path
) -> None:
    volume = cinder.volumes.create(1)
    available(cinder.volumes, volume.id)
    backup = cinder.backups.create(volume.id, name="night")
    available(cinder.backups, backup.id)
    record = table(run_cinder(lapilli, "backup-export", backup.id))
    assert record["backup_service"] == "lapilli"
    config = tmp_path / "lapilli.toml"
    config.write_text(f'[backups]\ndirectory = "{lapilli.directory}/data/backups"\n')
    with running(Serve(tmp_path, env={"LAPILLI_CONFIG": str(config)})) as other:
        told = run_cinder(other, "backup-import", "lapilli", record["backup_url"])
        assert table(told)["id"] == backup.id

        def there() -> Any:
            return other.request("GET", f"/backups/{backup.id}")[1]["backup"]

        until(lambda: there()["status"] == "available", what="imported backup")
        assert (there()["name"], there()["volume_id"]) == ("night", volume.id)
    cinder.backups.delete(backup.id)
    cinder.volumes.delete(volume)
