"""The same system as separate processes, two of each role, on PostgreSQL and an external NATS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_kills import IMPATIENT
from tests.support import promises
from tests.support.apart import Apart
from tests.support.deployment import running, until
from tests.support.load import under_load
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.nats, pytest.mark.timeout(600)]


@pytest.fixture
def apart(tmp_path: Path, postgres: PostgresServer) -> Iterator[Apart]:
    """Two of each role."""
    with postgres.database() as url:
        deployment = Apart(tmp_path, database_url=url, each=2, env=IMPATIENT)
        with running(deployment):
            yield deployment


def create_at(apart: Apart, port: int) -> str:
    """Asks the API at this port for a volume; its id."""
    apart.port = port
    status, answer = apart.request("POST", "/volumes", {"volume": {"size": 1}})
    assert status == 202, answer
    id: str = answer["volume"]["id"]
    return id


def status_at(apart: Apart, port: int, id: str) -> str:
    """What the API at this port says about a volume."""
    apart.port = port
    status, answer = apart.request("GET", f"/volumes/{id}")
    assert status == 200, answer
    shown: str = answer["volume"]["status"]
    return shown


def test_whoever_answers_a_create_is_seen_at_once_by_whoever_lists(apart: Apart) -> None:
    one, other = apart.ports
    for _ in range(10):
        id = create_at(apart, one)
        assert status_at(apart, other, id) in ("creating", "available")
    until(lambda: status_at(apart, other, id) == "available", what="available volume")


def test_two_of_each_share_the_work_and_do_nothing_twice(apart: Apart, tmp_path: Path) -> None:
    with under_load(apart) as load:
        until(lambda: load.accepted >= 150, what="progress of the clients")
    promises.check(apart, load, files=tmp_path / "data" / "files")


@pytest.mark.parametrize("survivor", [0, 1])
def test_one_of_each_is_enough_when_the_other_dies(
    apart: Apart, tmp_path: Path, survivor: int
) -> None:
    victims = [
        program
        for name, program in apart.programs.items()
        if not name.startswith("api") and not name.endswith(str(survivor))
    ]
    with under_load(apart) as load:
        until(lambda: load.accepted >= 20, what="progress of the clients")
        for victim in victims:
            victim.kill()
        goal = load.accepted + 20
        until(lambda: load.accepted >= goal, what="progress of the clients")
    promises.check(apart, load, files=tmp_path / "data" / "files")
