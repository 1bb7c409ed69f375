"""nats-server and PostgreSQL gone and back under load: delayed or refused, never lost."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.faults.test_kills import IMPATIENT
from tests.support import promises
from tests.support.apart import Apart
from tests.support.deployment import Serve, running, until
from tests.support.load import Load, under_load
from tests.support.postgres import PostgresServer

ROUNDS = 3


def _progress(load: Load, more: int = 10) -> None:
    goal = load.accepted + more
    until(lambda: load.accepted >= goal, what="progress of the clients")


def _some_refusal(load: Load) -> None:
    before = load.refused
    until(lambda: load.refused > before, what="refusal while the database is gone")


@pytest.mark.timeout(600)
def test_nats_server_killed_and_restarted_under_load_loses_nothing(
    tmp_path: Path, durable_postgres: PostgresServer
) -> None:
    with durable_postgres.database() as url:
        deployment = Apart(tmp_path, database_url=url, each=1, env=IMPATIENT)
        with running(deployment), under_load(deployment) as load:
            for _ in range(ROUNDS):
                _progress(load)
                pid = deployment.nats.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                until(lambda: deployment.nats.pid is None, what="death of nats-server")
                _progress(load, 3)  # requests are still accepted: the log does not need the bus
                asyncio.run(deployment.nats.start())
            _progress(load)
            load.stop()
            promises.check(deployment, load, files=tmp_path / "data" / "files")


@pytest.mark.timeout(600)
def test_the_embedded_nats_server_is_started_again_when_it_dies(tmp_path: Path) -> None:
    deployment = Serve(tmp_path, env=IMPATIENT)
    with running(deployment), under_load(deployment) as load:
        for _ in range(ROUNDS):
            _progress(load)
            tree = psutil.Process(deployment.program.pid).children(recursive=True)
            [nats] = [process for process in tree if process.name() == "nats-server"]
            nats.kill()
        _progress(load)
        load.stop()
        promises.check(deployment, load, files=tmp_path / "data" / "files")


@pytest.mark.timeout(600)
def test_postgresql_restarted_under_load_loses_nothing(
    tmp_path: Path, durable_postgres: PostgresServer
) -> None:
    with durable_postgres.database() as url:
        deployment = Apart(tmp_path, database_url=url, each=1, env=IMPATIENT)
        with running(deployment), under_load(deployment) as load:
            for stop in (durable_postgres.stop, durable_postgres.kill, durable_postgres.stop):
                _progress(load)
                stop()
                _some_refusal(load)
                durable_postgres.start()
            _progress(load)
            load.stop()
            promises.check(deployment, load, files=tmp_path / "data" / "files")
