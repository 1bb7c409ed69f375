"""Attaching by unmodified clients: over the attachments API, and over the volume's actions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cinderclient import client as cinder_client
from cinderclient import exceptions
from keystoneauth1 import noauth, session

from tests.end_to_end.test_openstack_client import openstack, silently
from tests.support import forks
from tests.support.deployment import PROJECT, Serve, running, until

pytestmark = pytest.mark.clients

SERVER = "a81d4fae-7dec-41d0-a765-00a0c91e6bf6"
NODE = {"host": "node-1", "ip": "192.0.2.1", "mountpoint": "/dev/vdb"}


@pytest.fixture(scope="module")
def lapilli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """On a backend with a data path wherever it runs: that of the driver in memory."""
    directory: Path = tmp_path_factory.mktemp("attaching")
    backend = {"LAPILLI_BACKENDS": '{"fast": {"driver": "memory"}}'}
    with running(Serve(directory, env=backend)) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def cinder(lapilli: Serve) -> Any:
    endpoint = f"{lapilli.url}/v3/{PROJECT}"
    return cinder_client.Client(
        "3.70", session=session.Session(auth=noauth.NoAuth(endpoint=endpoint))
    )


@pytest.fixture
def volume(cinder: Any) -> Iterator[Any]:
    made = cinder.volumes.create(size=1, name="to-attach")
    until(lambda: status(cinder, made) == "available", what="available volume")
    yield made
    cinder.volumes.delete(made)
    until(lambda: made.id not in [v.id for v in cinder.volumes.list()], what="its end")


def status(cinder: Any, volume: Any) -> str:
    found: str = cinder.volumes.get(volume.id).status
    return found


def test_cinderclient_reserves_connects_completes_and_deletes(cinder: Any, volume: Any) -> None:
    made = cinder.attachments.create(volume.id, None, SERVER, "rw")
    assert made["connection_info"] == {}
    assert status(cinder, volume) == "reserved"
    made = cinder.attachments.update(made["id"], NODE)
    assert made.connection_info["driver_volume_type"] == "fake"
    cinder.attachments.complete(made)
    shown = cinder.volumes.get(volume.id)
    assert shown.status == "in-use"
    assert [each["server_id"] for each in shown.attachments] == [SERVER]
    with pytest.raises(exceptions.BadRequest, match="in-use"):
        cinder.volumes.delete(volume)
    assert [each.id for each in cinder.attachments.list()] == [made.id]
    cinder.attachments.delete(made.id)
    assert status(cinder, volume) == "available"


def test_cinderclient_attaches_by_the_actions(cinder: Any, volume: Any) -> None:
    cinder.volumes.reserve(volume)
    reached = cinder.volumes.initialize_connection(volume, NODE)
    assert (reached["driver_volume_type"], reached["data"]["access_mode"]) == ("fake", "rw")
    cinder.volumes.attach(volume, SERVER, "/dev/vdb")
    assert status(cinder, volume) == "in-use"
    cinder.volumes.begin_detaching(volume)
    assert status(cinder, volume) == "detaching"
    cinder.volumes.terminate_connection(volume, NODE)
    cinder.volumes.detach(volume)
    assert status(cinder, volume) == "available"


def run_cinder(lapilli: Serve, *words: str) -> str:
    done = forks.run(
        "cinder",
        "--os-auth-type", "none", "--os-endpoint", f"{lapilli.url}/v3/{PROJECT}",
        "--os-project-id", PROJECT, "--os-volume-api-version", "3.70", *words,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_cinder_command_creates_shows_and_deletes(
    lapilli: Serve, cinder: Any, volume: Any
) -> None:
    connected = run_cinder(
        lapilli, "attachment-create", "--connect", "True", "--host", "node-1", "--ip", "192.0.2.1",
        "--initiator", "iqn.2030-01.example:1", "--mountpoint", "/dev/vdb", "--mode", "ro",
        volume.id, SERVER,
    )  # fmt: skip
    assert "fake" in connected
    [made] = cinder.attachments.list(search_opts={"volume_id": volume.id})
    assert made.status == "attaching"
    assert SERVER in run_cinder(lapilli, "attachment-show", made.id)
    assert made.id in run_cinder(lapilli, "attachment-list")
    run_cinder(lapilli, "attachment-complete", made.id)
    assert status(cinder, volume) == "in-use"
    run_cinder(lapilli, "attachment-delete", made.id)
    assert status(cinder, volume) == "available"


def test_the_openstack_command_creates_sets_completes_lists_and_deletes(
    lapilli: Serve, cinder: Any, volume: Any
) -> None:
    version = ("--os-volume-api-version", "3.70")
    # it asks the compute service for the server, which there is none of here
    made = cinder.attachments.create(volume.id, None, SERVER)
    id = made["id"]
    openstack(lapilli, *version, "volume", "attachment", "set", "--host", "node-1",
              "--ip", "192.0.2.1", "--initiator", "iqn.2030-01.example:1", id)  # fmt: skip
    silently(lapilli, *version, "volume", "attachment", "complete", id)
    shown = openstack(lapilli, *version, "volume", "attachment", "show", id)
    assert (shown["Status"], shown["Instance ID"]) == ("attached", SERVER)
    listed = openstack(lapilli, *version, "volume", "attachment", "list")
    assert [each["ID"] for each in listed] == [id]
    silently(lapilli, *version, "volume", "attachment", "delete", id)
    assert status(cinder, volume) == "available"


def test_the_sdk_creates_and_deletes(lapilli: Serve, cinder: Any, volume: Any) -> None:
    import openstack as sdk

    endpoint = f"{lapilli.url}/v3/{PROJECT}"
    storage: Any = sdk.connect(
        auth_type="none",
        auth={"endpoint": endpoint},
        block_storage_endpoint_override=endpoint,
        block_storage_default_microversion="3.70",
        load_yaml_config=False,
        load_envvars=False,
    ).block_storage
    made = storage.create_attachment(volume.id, connector=NODE, instance=SERVER)
    assert made.connection_info["volume_id"] == volume.id
    storage.complete_attachment(made)
    assert storage.get_attachment(made).status == "attached"
    assert [each.id for each in storage.attachments()] == [made.id]
    storage.delete_attachment(made)
    assert status(cinder, volume) == "available"


def test_all_of_it_agrees_with_the_log(lapilli: Serve) -> None:
    verified = lapilli.cli("verify", "--json")
    assert verified.returncode == 0, verified.stdout[-4000:]
