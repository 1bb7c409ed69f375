"""`lapilli serve` and the volumes that it exports: across stops, kills and starts."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.drivers import process_lock
from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import FileDriver
from tests.adapters.drivers.nbd_clients import Refused, exporting, io, needs, size_bytes
from tests.support.deployment import Serve, running, until

POOL = "files"


async def connected(directory: Path, volume_id: str) -> str:
    """Connects a volume as an attachment does, by a driver that goes again; its URI."""
    driver = FileDriver(directory, [POOL])
    spec = VolumeSpec(id=UUID(volume_id), size_gib=1, pool=POOL, project_id="a-project")
    try:
        return str((await driver.connect_volume(spec, uuid4(), {"host": "here"}, "rw")).data["uri"])
    finally:
        await driver.close()


def reached(uri: str) -> bool:
    try:
        asyncio.run(size_bytes(uri))
    except Refused:
        return False
    return True


def available(serve: Serve) -> str:
    status, answer = serve.request("POST", "/volumes", {"volume": {"size": 1}})
    assert status == 202, answer
    id: str = answer["volume"]["id"]
    until(
        lambda: serve.request("GET", f"/volumes/{id}")[1]["volume"]["status"] == "available",
        what="available volume",
    )
    return id


def driven(files: Path) -> bool:
    """Whether a backend looks after the exports in this directory."""
    return process_lock.runs(files / ".nbd" / "users")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Path]:
    """Where the default backend keeps its volumes; what still exports them in the end is killed."""
    directory = tmp_path / "data" / "files"
    yield directory
    for volume in (directory / POOL).glob("volume-*"):
        for pid in exporting(volume):
            os.kill(pid, signal.SIGKILL)


@needs("nbdkit", "qemu-io", "nbdinfo")
@pytest.mark.timeout(240)
def test_connections_are_there_again_after_a_start_and_outlive_kills_but_not_a_stop(
    tmp_path: Path, files: Path
) -> None:
    serve = Serve(tmp_path)
    with running(serve):
        id = available(serve)
        volume = files / POOL / f"volume-{id}"
        uri = asyncio.run(connected(files, id))
        assert exporting(volume) == []
        serve.stop()

        serve.start()
        until(lambda: reached(uri), what="connection that is brought back")
        asyncio.run(io(uri, "write -P 7 0 64k"))
        [serving] = exporting(volume)
        status, answer = serve.request("GET", "/scheduler-stats/get_pools?detail=true")
        assert status == 200
        assert answer["pools"][0]["capabilities"]["data_path"] == "nbd"

        serve.kill()
        asyncio.run(io(uri, "read -P 7 0 64k", "write -P 8 0 64k"))
        serve.start()
        until(lambda: driven(files), what="backend that adopts it")
        assert exporting(volume) == [serving]

        assert serve.stop() == 0
        assert exporting(volume) == []
        assert not reached(uri)
