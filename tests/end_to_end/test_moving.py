"""Unmodified clients retype and migrate volumes between pools and backends; nothing is lost."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cinderclient import client as cinder_client
from cinderclient import exceptions
from keystoneauth1 import noauth, session

from tests.end_to_end.test_openstack_client import silently
from tests.support.deployment import PROJECT, Serve, running, until

pytestmark = pytest.mark.clients

GIB = 2**30
SETTINGS = """
report_interval_s = 1.0

[placement]
weighers = ["GoodnessWeigher"]

[backends.near]
pools = ["p", "q"]
goodness_function = "90"

[backends.far]
volume_backend_name = "steel"

[backends.dream]
driver = "memory"
volume_backend_name = "dream"
"""


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    directory: Path = tmp_path_factory.mktemp("moving")
    config = directory / "lapilli.toml"
    config.write_text(SETTINGS)
    with running(Serve(directory, env={"LAPILLI_CONFIG": str(config)})) as deployment:
        until(lambda: len(pools(deployment)) == 4, what="reports of all pools")
        yield deployment


def pools(serve: Serve) -> list[Any]:
    found: list[Any] = serve.request("GET", "/scheduler-stats/get_pools")[1]["pools"]
    return found


@pytest.fixture(scope="module")
def cinder(serve: Serve) -> Any:
    endpoint = f"{serve.url}/v3/{PROJECT}"
    return cinder_client.Client(
        "3.70", session=session.Session(auth=noauth.NoAuth(endpoint=endpoint))
    )


@pytest.fixture(scope="module")
def steel(cinder: Any) -> Any:
    made = cinder.volume_types.create("steel")
    made.set_keys({"volume_backend_name": "steel"})
    return made


def file_of(serve: Serve, id: str, backend: str, pool: str) -> Path:
    return Path(serve.env["LAPILLI_DATA_DIR"]) / backend / pool / f"volume-{id}"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Held:
    """A volume with something in it, and where it is."""

    def __init__(self, serve: Serve, cinder: Any, name: str) -> None:
        self._serve, self._cinder = serve, cinder
        self.id: str = cinder.volumes.create(1, name=name).id
        until(lambda: self.now.status == "available", what="volume available")
        [path] = self.files
        with path.open("r+b") as file:
            for offset in (0, GIB // 2 + 4096, GIB - 70_000):
                file.seek(offset)
                file.write(os.urandom(70_000))
        self._digest = digest(path)

    @property
    def now(self) -> Any:
        return self._cinder.volumes.get(self.id)

    @property
    def host(self) -> str:
        host: str = getattr(self.now, "os-vol-host-attr:host")
        return host

    @property
    def files(self) -> list[Path]:
        """On every backend."""
        return list(Path(self._serve.env["LAPILLI_DATA_DIR"]).glob(f"*/*/volume-{self.id}"))

    def arrives(self, backend: str, pool: str) -> None:
        """There alone, and with what it held."""
        until(lambda: self.host == f"host1@{backend}#{pool}", what=f"volume at {backend}")
        until(lambda: self.now.status == "available", what="volume available")
        there = file_of(self._serve, self.id, backend, pool)
        until(lambda: self.files == [there], what="one file")
        assert digest(there) == self._digest
        assert there.stat().st_blocks * 512 < 10 * 2**20


def test_the_openstack_client_retypes_it_to_another_backend_and_migrates_it_back(
    serve: Serve, cinder: Any, steel: Any
) -> None:
    volume = Held(serve, cinder, "by-openstack")
    assert volume.host.startswith("host1@near#")
    silently(serve, "volume", "set", "--type", "steel", "--retype-policy", "on-demand", volume.id)
    volume.arrives("far", "far")
    assert volume.now.volume_type == "steel"
    assert volume.now.migration_status == "success"
    silently(serve, "volume", "migrate", "--host", "host1@near#q", volume.id)
    until(lambda: volume.now.migration_status == "error", what="a migration that fails")
    assert volume.host == "host1@far#far"  # near is no steel
    silently(serve, "volume", "set", "--type", "__DEFAULT__", volume.id)
    until(lambda: volume.now.volume_type == "__DEFAULT__", what="the type it had")
    silently(serve, "volume", "migrate", "--host", "host1@near#q", volume.id)
    volume.arrives("near", "q")


def test_cinderclient_migrates_it_between_pools_with_and_without_copying(
    serve: Serve, cinder: Any
) -> None:
    volume = Held(serve, cinder, "by-cinderclient")
    for backend, pool, copied, locked in (
        ("near", "q", False, False),
        ("near", "p", True, True),
        ("far", "far", False, True),
        ("near", "p", False, False),
    ):
        if volume.host == f"host1@{backend}#{pool}":
            continue
        cinder.volumes.migrate_volume(volume.id, f"host1@{backend}#{pool}", copied, locked)
        volume.arrives(backend, pool)
    cinder.volumes.delete(volume.id)
    until(lambda: volume.files == [], what="no file")


def test_cinderclient_retypes_it_where_it_is(serve: Serve, cinder: Any) -> None:
    volume = Held(serve, cinder, "in-place")
    host = volume.host
    bronze = cinder.volume_types.create("bronze")
    cinder.volumes.retype(volume.id, "bronze", "never")
    until(lambda: volume.now.volume_type == "bronze", what="bronze")
    assert (volume.host, volume.now.migration_status) == (host, None)
    with pytest.raises(exceptions.BadRequest, match="is of type bronze already"):
        cinder.volumes.retype(volume.id, bronze.id, "never")


def test_what_cannot_exchange_data_is_not_chosen_and_says_so(serve: Serve, cinder: Any) -> None:
    volume = Held(serve, cinder, "stays")
    host = volume.host
    cinder.volumes.migrate_volume(volume.id, "host1@dream#dream", False, False)
    until(lambda: volume.now.migration_status == "error", what="a migration that fails")
    assert (volume.host, volume.now.status) == (host, "available")
    told = json.loads(serve.cli("why", "stays", "--json").stdout)["placements"]
    assert "cannot exchange data with host1@near" in told[-1]["said"]
    assert "for a migration" in serve.cli("why", "stays").stdout
    with pytest.raises(exceptions.BadRequest, match="no backend 'host1@gone'"):
        cinder.volumes.migrate_volume(volume.id, "host1@gone#p", False, False)


def test_the_log_and_everything_agree(serve: Serve) -> None:
    verified = serve.cli("verify", "--at-rest", "--json")
    assert verified.returncode == 0, verified.stdout[-4000:] + verified.stderr[-2000:]
