"""The example of the docs hears what `lapilli serve` does, and what it did before."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.deployment import Serve, running, until

EXAMPLE = Path(__file__).parents[2] / "docs/examples/notifications.py"

CREATED = ["volume.create.start", "volume.create.end"]
UPDATED = ["volume.update.start", "volume.update.end"]
DELETED = ["volume.delete.start", "volume.delete.end"]


class Heard:
    """What the example printed so far."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, id: str) -> list[dict[str, Any]]:
        """The notifications about one thing, in order."""
        lines = self._path.read_text().splitlines(keepends=True)
        told = [json.loads(line) for line in lines if line.endswith("\n")]
        return [notice for notice in told if notice["subject"] == id]

    def types(self, id: str) -> list[str]:
        return [notice["type"] for notice in self.of(id)]


def example(serve: Serve, *options: str) -> list[str]:
    """The example's command line."""
    server = (Path(serve.env["LAPILLI_DATA_DIR"]) / "nats.url").read_text().strip()
    return [sys.executable, str(EXAMPLE), "--server", server, *options]


@contextmanager
def listening(serve: Serve, path: Path, *options: str) -> Iterator[Heard]:
    """The example as a user runs it."""
    with path.open("wb") as out:
        program = subprocess.Popen(example(serve, "--json", *options), stdout=out)
        try:
            yield Heard(path)
        finally:
            program.kill()
            program.wait()


def lived(serve: Serve, **fields: Any) -> str:
    """A volume that was made, renamed and deleted; its id."""
    status, answer = serve.request("POST", "/volumes", {"volume": {"size": 1, **fields}})
    assert status == 202, answer
    path = f"/volumes/{answer['volume']['id']}"
    until(
        lambda: serve.request("GET", path)[1]["volume"]["status"] == "available",
        what="available volume",
    )
    assert serve.request("PUT", path, {"volume": {"name": "renamed"}})[0] == 200
    assert serve.request("DELETE", path)[0] == 202
    until(lambda: serve.request("GET", path)[0] == 404, what="deleted volume")
    return str(answer["volume"]["id"])


def test_the_example_hears_what_happens_and_what_happened_before(
    lapilli: Serve, tmp_path: Path
) -> None:
    before = lived(lapilli, name="before")
    whole = CREATED + UPDATED + DELETED
    with (
        listening(lapilli, tmp_path / "all", "--since", "1h") as everything,
        listening(lapilli, tmp_path / "made", "--since", "1h", "--type", "volume.create") as made,
    ):
        until(lambda: everything.types(before) == whole, what="the past")
        later = lived(lapilli, name="later", metadata={"tier": "gold"})
        until(lambda: everything.types(later) == whole, what="what happens now")
        until(lambda: made.types(later) == CREATED, what="creations")
        assert made.types(before) == CREATED
        _, end, _, renamed, _, gone = (n["data"]["payload"] for n in everything.of(later))
    assert (end["status"], end["display_name"]) == ("available", "later")
    assert end["host"] == "host1@files#files"
    assert end["metadata"] == [{"key": "tier", "value": "gold"}]
    assert renamed["display_name"] == "renamed"
    assert gone["status"] == "deleted"


def test_a_subscriber_goes_on_where_it_stopped(lapilli: Serve, tmp_path: Path) -> None:
    with listening(lapilli, tmp_path / "1", "--since", "1h", "--name", "billing") as heard:
        first = lived(lapilli)
        until(lambda: heard.types(first)[-1:] == DELETED[-1:], what="the first volume")
    second = lived(lapilli)
    with listening(lapilli, tmp_path / "2", "--since", "1h", "--name", "billing") as heard:
        until(lambda: heard.types(second)[-1:] == DELETED[-1:], what="the second volume")
        assert len(heard.of(first)) <= 1  # the last one, if its ack was cut off


def test_a_volume_that_no_backend_can_hold_is_told_as_an_error(
    lapilli: Serve, tmp_path: Path
) -> None:
    wants = {"name": "granite", "extra_specs": {"volume_backend_name": "quarry"}}
    status, answer = lapilli.request("POST", "/types", {"volume_type": wants})
    assert status == 200, answer
    volume = {"size": 1, "volume_type": "granite"}
    status, answer = lapilli.request("POST", "/volumes", {"volume": volume})
    assert status == 202, answer
    id = answer["volume"]["id"]
    with listening(lapilli, tmp_path / "out", "--since", "1h") as heard:
        until(lambda: len(heard.of(id)) == 3, what="the error")
        start, scheduler, error = heard.of(id)
    assert start["type"] == "volume.create.start"
    assert scheduler["type"] == "scheduler.create_volume"
    assert scheduler["data"]["priority"] == "ERROR"
    spec = scheduler["data"]["payload"]["request_spec"]
    assert (spec["size_gib"], spec["extra_specs"]) == (1, wants["extra_specs"])
    assert error["type"] == "volume.create.error"
    assert error["data"]["payload"]["reason"] == scheduler["data"]["payload"]["reason"]


def test_they_can_be_switched_off(tmp_path: Path) -> None:
    serve = Serve(tmp_path, env={"LAPILLI_NOTIFICATIONS_ENABLED": "false"})
    with running(serve):
        lived(serve)
        services = serve.request("GET", "/os-services")[1]["services"]
        assert "lapilli-notifications" not in {service["binary"] for service in services}
        said = subprocess.run(
            example(serve),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert said.returncode != 0
        assert "LAPILLI_NOTIFICATIONS" in said.stderr
