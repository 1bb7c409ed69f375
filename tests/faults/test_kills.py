"""kill -9, of everything and of each role, in the middle of creates and deletes."""

import random
from pathlib import Path

import pytest

from tests.support import promises
from tests.support.apart import Apart
from tests.support.deployment import Serve, running, until
from tests.support.load import Load, under_load
from tests.support.postgres import PostgresServer

KILLS = 20

IMPATIENT = {
    # dead workers are noticed sooner than an operator would want it, so that the test is short
    "LAPILLI_PROCESSES_ACK_WAIT_S": "1",
    "LAPILLI_PROCESSES_BACKOFF_S": "0.1,0.5",
    "LAPILLI_RELAY_LEASE_S": "1",
    "LAPILLI_REPORT_INTERVAL_S": "1",
    "LAPILLI_NATS_TIMEOUT_S": "2",
    "LAPILLI_QUOTA_VOLUMES": "-1",
    "LAPILLI_QUOTA_GIGABYTES": "-1",
}


@pytest.mark.timeout(900)
def test_twenty_kills_of_the_whole_tree_leave_nothing_stuck_lost_or_leaked(tmp_path: Path) -> None:
    deployment = Serve(tmp_path, env=IMPATIENT)
    chance = random.Random(50)
    with running(deployment), under_load(deployment) as load:
        for _ in range(KILLS):
            _some_progress(load, chance)
            deployment.kill()
            deployment.start()
        load.stop()
        assert len(load.created) > KILLS
        promises.check(deployment, load, files=tmp_path / "data" / "files")


@pytest.mark.timeout(900)
def test_twenty_kills_of_single_roles_leave_nothing_stuck_lost_or_leaked(
    tmp_path: Path, durable_postgres: PostgresServer
) -> None:
    chance = random.Random(51)
    with durable_postgres.database() as url:
        deployment = Apart(tmp_path, database_url=url, each=1, env=IMPATIENT)
        with running(deployment), under_load(deployment) as load:
            victims = sorted(deployment.programs)
            for n in range(KILLS):
                _some_progress(load, chance)
                deployment.assert_running()
                victim = deployment.programs[victims[n % len(victims)]]
                victim.kill()
                victim.start()
            load.stop()
            assert len(load.created) > KILLS
            promises.check(deployment, load, files=tmp_path / "data" / "files")


def _some_progress(load: Load, chance: random.Random) -> None:
    """Lets the clients get through a few more requests, so that every kill hits other work."""
    goal = load.accepted + chance.randint(1, 25)
    until(lambda: load.accepted >= goal, what="progress of the clients")
