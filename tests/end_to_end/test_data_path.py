"""`lapilli serve` and the volumes that it exports: across stops, kills and starts."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.drivers import process_lock
from tests.adapters.drivers.nbd_clients import Refused, exporting, io, needs, size_bytes
from tests.support.deployment import Serve, running, until

POOL = "files"


def attached(serve: Serve, volume_id: str) -> tuple[str, str]:
    """An attachment of the volume that is in use: its id, and the URI by which it is reached."""
    wish = {"volume_uuid": volume_id, "connector": {"host": "here"}}
    status, answer = serve.request("POST", "/attachments", {"attachment": wish})
    assert status == 200, answer
    id, info = answer["attachment"]["id"], answer["attachment"]["connection_info"]
    assert info["driver_volume_type"] == "nbd"
    status, _ = serve.request("POST", f"/attachments/{id}/action", {"os-complete": None})
    assert status == 204
    return id, info["uri"]


def detached(serve: Serve, attachment_id: str) -> None:
    status, answer = serve.request("DELETE", f"/attachments/{attachment_id}")
    assert (status, answer) == (200, {"attachments": []})


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
def test_what_is_written_is_there_when_the_volume_is_attached_again(
    tmp_path: Path, files: Path
) -> None:
    with running(Serve(tmp_path)) as serve:
        id = available(serve)
        volume = files / POOL / f"volume-{id}"
        attachment, uri = attached(serve, id)
        asyncio.run(io(uri, "write -P 5 1M 64k"))
        detached(serve, attachment)
        assert exporting(volume) == []
        assert not reached(uri)
        attachment, again = attached(serve, id)
        asyncio.run(io(again, "read -P 5 1M 64k"))
        status, answer = serve.request("DELETE", f"/volumes/{id}")
        assert (status, list(answer)) == (400, ["badRequest"])
        detached(serve, attachment)
        verified = serve.cli("verify", "--json")
        assert verified.returncode == 0, verified.stdout[-4000:]


def pools(serve: Serve) -> list[dict[str, Any]]:
    """As their backends have reported."""
    status, answer = serve.request("GET", "/scheduler-stats/get_pools?detail=true")
    assert status == 200
    found: list[dict[str, Any]] = answer["pools"]
    return found


@needs("nbdkit", "qemu-io", "nbdinfo")
@pytest.mark.timeout(240)
def test_connections_are_there_again_after_a_start_and_outlive_kills_but_not_a_stop(
    tmp_path: Path, files: Path
) -> None:
    serve = Serve(tmp_path)
    with running(serve):
        id = available(serve)
        volume = files / POOL / f"volume-{id}"
        _, uri = attached(serve, id)
        assert len(exporting(volume)) == 1
        serve.stop()
        assert exporting(volume) == []

        serve.start()
        until(lambda: reached(uri), what="connection that is brought back")
        asyncio.run(io(uri, "write -P 7 0 64k"))
        [serving] = exporting(volume)
        until(lambda: pools(serve) != [], what="report of the backend")
        assert pools(serve)[0]["capabilities"]["data_path"] == "nbd"

        serve.kill()
        asyncio.run(io(uri, "read -P 7 0 64k", "write -P 8 0 64k"))
        serve.start()
        until(lambda: driven(files), what="backend that adopts it")
        assert exporting(volume) == [serving]

        assert serve.stop() == 0
        assert exporting(volume) == []
        assert not reached(uri)
