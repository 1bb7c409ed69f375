"""Encrypted volumes by unmodified clients, with their keys. Each test leaves nothing."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.test_openstack_client import openstack, run, silently
from tests.support.deployment import Serve, until

pytestmark = pytest.mark.clients

LUKS = {
    "provider": "luks",
    "cipher": "aes-xts-plain64",
    "key_size": 256,
    "control_location": "front-end",
}


@pytest.fixture
def secret(cinder: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An encrypted type, for as long as the test runs."""
    made = cinder.volume_types.create(f"secret of {request.node.name}")
    cinder.volume_encryption_types.create(made, LUKS)
    yield made
    cinder.volume_types.delete(made)


def keys_of(lapilli: Serve) -> list[Path]:
    """What the key manager keeps."""
    return sorted((lapilli.directory / "data" / "keys").glob("*.key"))


def in_status(cinder: Any, volume: Any, status: str) -> None:
    until(lambda: cinder.volumes.get(volume.id).status == status, what=f"volume in {status}")


def gone(lapilli: Serve, cinder: Any, volume: Any) -> None:
    """Deletes it, and waits until it and its key are nowhere."""
    cinder.volumes.delete(volume)
    until(lambda: volume.id not in {each.id for each in cinder.volumes.list()}, what="deletion")
    until(lambda: not keys_of(lapilli), what="destruction of the key")


def verified(lapilli: Serve) -> dict[str, Any]:
    done = lapilli.cli("verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)["report"]
    return report


def test_openstackclient_makes_encrypted_types(lapilli: Serve, cinder: Any) -> None:
    made = openstack(
        lapilli, "volume", "type", "create", "--encryption-provider", "luks",
        "--encryption-cipher", "aes-xts-plain64", "--encryption-key-size", "128",
        "--encryption-control-location", "front-end", "hush",
    )  # fmt: skip
    assert "luks" in str(made["encryption"])
    listed = openstack(lapilli, "volume", "type", "list", "--encryption-type")
    found = {each["Name"]: each["Encryption"] for each in listed}["hush"]
    assert (found["cipher"], found["key_size"]) == ("aes-xts-plain64", 128)
    cinder.volume_types.delete(made["id"])


def test_openstackclient_changes_and_stops_encryption(lapilli: Serve, secret: Any) -> None:
    silently(
        lapilli, "volume", "type", "set", "--encryption-key-size", "512",
        "--encryption-provider", "luks2", secret.id,
    )  # fmt: skip
    shown = openstack(lapilli, "volume", "type", "show", "--encryption-type", secret.id)
    assert shown["encryption"].items() >= {"provider": "luks2", "key_size": 512}.items()
    silently(lapilli, "volume", "type", "unset", "--encryption-type", secret.id)
    shown = openstack(lapilli, "volume", "type", "show", "--encryption-type", secret.id)
    assert "provider" not in shown["encryption"]


def test_openstacksdk_encrypts_a_type_and_stops_it(sdk: Any) -> None:
    made = sdk.create_type(name="hush")
    sdk.create_type_encryption(made, **LUKS)
    found = sdk.get_type_encryption(made)
    assert (found.provider, found.cipher, found.key_size) == ("luks", "aes-xts-plain64", 256)
    sdk.update_type_encryption(found, key_size=512)
    assert sdk.get_type_encryption(made).key_size == 512
    sdk.delete_type_encryption(sdk.get_type_encryption(made))
    assert sdk.get_type_encryption(made).provider is None
    sdk.delete_type(made)


def test_cinderclient_encrypts_a_type_and_stops_it(cinder: Any) -> None:
    made = cinder.volume_types.create("hush")
    encryption = cinder.volume_encryption_types.create(made, LUKS)
    assert (encryption.volume_type_id, encryption.provider) == (made.id, "luks")
    cinder.volume_encryption_types.update(made, {"cipher": None, "key_size": 512})
    encryption = cinder.volume_encryption_types.get(made)
    assert (encryption.cipher, encryption.key_size) == (None, 512)
    assert made.id in {each.volume_type_id for each in cinder.volume_encryption_types.list()}
    cinder.volume_encryption_types.delete(made)
    assert not cinder.volume_encryption_types.list()
    cinder.volume_types.delete(made)


def test_an_encrypted_volume_has_a_key_as_long_as_it_lives(
    lapilli: Serve, cinder: Any, secret: Any
) -> None:
    volume = cinder.volumes.create(1, name="hushed", volume_type=secret.id)
    assert volume.encrypted is True
    in_status(cinder, volume, "available")
    key_id = cinder.volumes.get(volume.id).encryption_key_id
    metadata = cinder.volumes.get_encryption_metadata(volume.id)
    assert metadata.items() >= {**LUKS, "encryption_key_id": key_id}.items()
    [key] = keys_of(lapilli)
    assert key.stem == key_id
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert json.loads(key.read_text())["bits"] == 256
    report = verified(lapilli)
    assert (report["compared"]["keys"], report["aggregates"]["encryption_key"] >= 1) == (1, True)
    told = lapilli.cli("history", volume.id).stdout
    assert "encryption_key.made" in told and "volume.key_made" in told
    gone(lapilli, cinder, volume)
    assert verified(lapilli)["compared"]["keys"] == 0


def test_a_backup_of_an_encrypted_volume_has_a_key_of_its_own(
    lapilli: Serve, cinder: Any, secret: Any
) -> None:
    volume = cinder.volumes.create(1, volume_type=secret.id)
    in_status(cinder, volume, "available")
    backup = cinder.backups.create(volume.id)
    until(lambda: cinder.backups.get(backup.id).status == "available", what="backup")
    of_backup = cinder.backups.get(backup.id).encryption_key_id
    assert of_backup != cinder.volumes.get(volume.id).encryption_key_id
    assert of_backup in {key.stem for key in keys_of(lapilli)} and len(keys_of(lapilli)) == 2
    restored = cinder.restores.restore(backup.id)
    until(
        lambda: cinder.volumes.get(restored.volume_id).status == "available", what="restored volume"
    )
    assert len({json.loads(key.read_text())["material"] for key in keys_of(lapilli)}) == 1
    assert (len(keys_of(lapilli)), verified(lapilli)["compared"]["keys"]) == (3, 3)
    cinder.backups.delete(backup.id)
    cinder.volumes.delete(restored.volume_id)
    gone(lapilli, cinder, volume)


def test_a_type_in_use_stays_encrypted(lapilli: Serve, cinder: Any, secret: Any) -> None:
    volume = cinder.volumes.create(1, volume_type=secret.id)
    in_status(cinder, volume, "available")
    for words in (
        ("set", "--encryption-key-size", "512", secret.id),
        ("unset", "--encryption-type", secret.id),
    ):
        refused = run(lapilli, "volume", "type", *words)
        assert refused.returncode != 0 and "in use" in refused.stderr
    assert cinder.volume_encryption_types.get(secret).key_size == 256
    gone(lapilli, cinder, volume)


def test_what_no_backend_encrypts_is_not_made_in_the_clear(
    lapilli: Serve, cinder: Any, secret: Any
) -> None:
    cinder.volume_encryption_types.update(secret, {"control_location": "back-end"})
    volume = cinder.volumes.create(1, volume_type=secret.id)
    in_status(cinder, volume, "error")
    why = lapilli.cli("why", volume.id).stdout
    assert "BackEndEncryptionFilter" in why
    gone(lapilli, cinder, volume)
