"""Three backends in one `lapilli serve`: types and hints choose among them, failures move on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployment import Serve, running, until

SETTINGS = """
report_interval_s = 3600.0  # so that a backend that breaks is still placed on

[placement]
filters = [
    "AvailabilityZoneFilter", "CapacityFilter", "CapabilitiesFilter", "DriverFilter",
    "SameBackendFilter", "DifferentBackendFilter",
]
weighers = ["GoodnessWeigher"]

[backends.one]
goodness_function = "90"

[backends.two]
volume_backend_name = "steel"
goodness_function = "50"

[backends.three]
volume_backend_name = "steel"
goodness_function = "10"
filter_function = "volume.size < 5"
"""


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    config = tmp_path / "lapilli.toml"
    config.write_text(SETTINGS)
    return Serve(tmp_path, env={"LAPILLI_CONFIG": str(config)})


def created(serve: Serve, *, hints: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A volume once it has come to rest."""
    body: dict[str, Any] = {"volume": {"size": 1, **fields}}
    if hints is not None:
        body["OS-SCH-HNT:scheduler_hints"] = hints
    status, answer = serve.request("POST", "/volumes", body)
    assert status == 202, answer
    path = f"/volumes/{answer['volume']['id']}"

    def now() -> dict[str, Any]:
        found: dict[str, Any] = serve.request("GET", path)[1]["volume"]
        return found

    until(lambda: now()["status"] != "creating", what="volume at rest")
    return now()


def backend_of(volume: dict[str, Any]) -> str:
    return str(volume["os-vol-host-attr:host"]).partition("@")[2].partition("#")[0]


def all_report(serve: Serve) -> bool:
    return len(serve.request("GET", "/scheduler-stats/get_pools")[1]["pools"]) == 3


def test_goodness_hints_and_a_backend_that_breaks(serve: Serve) -> None:
    with running(serve):
        until(lambda: all_report(serve), what="reports of three backends")
        best = created(serve)
        assert backend_of(best) == "one"
        apart = created(serve, hints={"different_host": [best["id"]]})
        assert backend_of(apart) == "two"
        together = created(serve, **{"OS-SCH-HNT:scheduler_hints": {"same_host": apart["id"]}})
        assert backend_of(together) == "two"

        types = {"volume_type": {"name": "steel", "extra_specs": {"volume_backend_name": "steel"}}}
        assert serve.request("POST", "/types", types)[0] == 200
        assert backend_of(created(serve, volume_type="steel")) == "two"

        shutil.rmtree(Path(serve.env["LAPILLI_DATA_DIR"]) / "one" / "one")
        moved = created(serve, name="moved")
        assert (moved["status"], backend_of(moved)) == ("available", "two")
        told = json.loads(serve.cli("why", "moved", "--json").stdout)
        first, second = told["placements"]
        assert first["host"].endswith("@one#one") and "cannot create" in first["said"]
        assert (second["outcome"], second["number"]) == ("made", 2)
        assert "placement 2 of 3" in serve.cli("why", "moved").stdout
