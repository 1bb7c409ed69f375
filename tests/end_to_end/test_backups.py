"""Backups by unmodified clients, on the real thing: content, increments, restores, records."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.test_openstack_client import openstack, silently
from tests.support.deployment import Serve, until

pytestmark = pytest.mark.clients
MIB = 2**20


def the_file(lapilli: Serve, volume_id: str) -> Path:
    """Where the driver keeps the volume."""
    return lapilli.directory / "data" / "files" / "files" / f"volume-{volume_id}"


def write(lapilli: Serve, volume_id: str, offset: int, content: bytes) -> None:
    """As whoever has it attached would."""
    with the_file(lapilli, volume_id).open("r+b") as file:
        file.seek(offset)
        file.write(content)


def read(lapilli: Serve, volume_id: str, *offsets: int) -> list[bytes]:
    """A few bytes from each place."""
    found = []
    with the_file(lapilli, volume_id).open("rb") as file:
        for offset in offsets:
            file.seek(offset)
            found.append(file.read(5))
    return found


def a_volume(cinder: Any, **fields: Any) -> Any:
    volume = cinder.volumes.create(1, **fields)
    until(lambda: cinder.volumes.get(volume.id).status == "available", what="volume")
    return volume


def made(lapilli: Serve, *words: str) -> str:
    """The id of a backup that is available."""
    backup = openstack(lapilli, "volume", "backup", "create", *words)
    id = str(backup["id"])
    until(
        lambda: openstack(lapilli, "volume", "backup", "show", id)["status"] == "available",
        what="backup",
    )
    return id


def test_a_backup_and_an_increment_are_made_restored_and_deleted(lapilli: Serve, cinder: Any):
    volume = a_volume(cinder)
    write(lapilli, volume.id, 0, b"first")
    write(lapilli, volume.id, 40 * MIB, b"stays")
    full = made(lapilli, "--name", "night", volume.id)
    write(lapilli, volume.id, 0, b"later")
    increment = made(lapilli, "--incremental", "--name", "day", volume.id)
    shown = openstack(lapilli, "volume", "backup", "show", increment)
    assert (shown["is_incremental"], shown["object_count"]) == (True, 1)
    assert openstack(lapilli, "volume", "backup", "show", full)["has_dependent_backups"]
    listed = openstack(lapilli, "volume", "backup", "list", "--volume", volume.id)
    assert {each["Name"] for each in listed} == {"night", "day"}

    new = cinder.restores.restore(full)
    until(lambda: cinder.volumes.get(new.volume_id).status == "available", what="new volume")
    assert read(lapilli, new.volume_id, 0, 40 * MIB) == [b"first", b"stays"]
    assert cinder.volumes.get(new.volume_id).metadata["src_backup_id"] == full
    cinder.restores.restore(increment, volume_id=new.volume_id)
    until(lambda: cinder.volumes.get(new.volume_id).status == "available", what="restored volume")
    assert read(lapilli, new.volume_id, 0, 40 * MIB) == [b"later", b"stays"]

    kept = lapilli.directory / "data" / "backups" / "volumebackups"
    assert {full, increment} <= {each.name for each in kept.iterdir()}
    for id in (increment, full):
        silently(lapilli, "volume", "backup", "delete", id)
        gone = kept / id
        until(lambda: not gone.exists(), what="deletion of the backup")  # noqa: B023
        until(
            lambda: id not in {each.id for each in cinder.backups.list()},  # noqa: B023
            what="end of the backup",
        )
    for id in (volume.id, new.volume_id):
        cinder.volumes.delete(id)


def test_a_record_of_a_backup_is_exported_and_not_imported_twice(lapilli: Serve, cinder: Any):
    volume = a_volume(cinder)
    id = made(lapilli, volume.id)
    record = cinder.backups.export_record(id)
    assert record["backup_service"] == "lapilli"
    with pytest.raises(Exception, match="already"):
        cinder.backups.import_record(record["backup_service"], record["backup_url"])
    done = json.loads(json.dumps([each.binary for each in cinder.services.list()]))
    assert "cinder-backup" in done
    cinder.backups.delete(id, force=True)
    cinder.volumes.delete(volume)
