"""Deadlines in real processes: a backend's worker never comes back, and its volume is not stuck."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_kills import IMPATIENT
from tests.support.apart import Apart
from tests.support.deployment import running, until
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.nats, pytest.mark.timeout(240)]

SOON = {
    "LAPILLI_PROCESSES_DRIVER_TIMEOUT_S": "1",
    "LAPILLI_DEADLINES_CREATION_S": "3",
    "LAPILLI_DEADLINES_INTERVAL_S": "0.2",
    "LAPILLI_DEADLINES_GRACE_S": "0",
    # it still counts as up, so that volumes are placed there
    "LAPILLI_SERVICE_DOWN_S": "600",
}


def pools(apart: Apart) -> list[Any]:
    """Those that reported."""
    _, answer = apart.request("GET", "/scheduler-stats/get_pools")
    found: list[Any] = answer["pools"]
    return found


def status(apart: Apart, id: str) -> str:
    _, answer = apart.request("GET", f"/volumes/{id}")
    shown: str = answer["volume"]["status"]
    return shown


def test_a_volume_on_a_backend_whose_worker_is_gone_is_in_error_and_says_why(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with postgres.database() as url:
        apart = Apart(tmp_path, database_url=url, each=1, env={**IMPATIENT, **SOON})
        with running(apart):
            until(lambda: bool(pools(apart)), what="a report of the backend")
            apart.programs["backend-files-0"].kill()
            code, answer = apart.request("POST", "/volumes", {"volume": {"size": 1}})
            assert code == 202, answer
            id = answer["volume"]["id"]
            until(lambda: status(apart, id) == "error", within_s=120, what="end of the wait")
            told = apart.cli("why", id).stdout
            assert "the backend did not begin to make it" in told, told
            _, answer = apart.request("GET", "/messages")
            assert [each["resource_uuid"] for each in answer["messages"]] == [id]
            assert apart.request("DELETE", f"/volumes/{id}")[0] == 202
            verified = apart.cli("verify", "--at-rest", "--json")
            assert verified.returncode == 0, verified.stdout[-4000:] + verified.stderr[-2000:]
