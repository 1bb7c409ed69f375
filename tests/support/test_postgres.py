"""The PostgreSQL that other tests rely on: isolation, speed choices, and death."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.support import postgres as postgres_support
from tests.support.patience import PATIENCE_S
from tests.support.postgres import PostgresServer, free_port, is_alive

pytestmark = pytest.mark.postgres


def run(url: str, *statements: str):
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
        return result.fetchall() if result.returns_rows else None


@pytest.mark.parametrize("attempt", [1, 2])
def test_every_test_has_an_empty_database(postgres_url, attempt):
    run(postgres_url, "CREATE TABLE volumes (id int)")
    assert run(postgres_url, "SELECT count(*) FROM volumes") == [(0,)]


@pytest.mark.parametrize("attempt", [1, 2])
def test_the_tests_of_a_file_can_share_one(module_postgres_url, attempt):
    run(module_postgres_url, "CREATE TABLE IF NOT EXISTS volumes (id int)")


def test_a_template_is_prepared_once_and_copied(postgres):
    prepared = []

    def prepare(url: str) -> None:
        prepared.append(url)
        run(url, "CREATE TABLE volumes (id int)", "INSERT INTO volumes VALUES (1)")

    for _ in range(2):
        name = postgres.template("with-volumes", prepare)
        with postgres.database(template=name) as url:
            assert run(url, "SELECT id FROM volumes") == [(1,)]
            run(url, "DELETE FROM volumes")
    assert len(prepared) == 1


def test_a_database_goes_even_while_someone_is_connected(postgres):
    with postgres.database() as url:
        engine = create_engine(url)
        engine.connect().execute(text("SELECT 1"))
    with pytest.raises(OperationalError):
        run(url, "SELECT 1")
    engine.dispose()


def test_the_shared_server_does_not_flush_and_a_durable_one_does(postgres, durable_postgres):
    assert postgres.execute("SHOW fsync") == [("off",)]
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert durable_postgres.execute(f"SHOW {setting}") == [("on",)]


def test_committed_rows_survive_kill_9_and_uncommitted_ones_do_not(durable_postgres):
    url = durable_postgres.create_database()
    run(url, "CREATE TABLE volumes (id int)", "INSERT INTO volumes VALUES (1), (2)")
    engine = create_engine(url)
    interrupted = engine.connect()
    interrupted.execute(text("INSERT INTO volumes VALUES (3)"))
    killed = durable_postgres.pid

    durable_postgres.kill()
    assert not psutil.pid_exists(killed)
    with pytest.raises(OperationalError):
        run(url, "SELECT 1")
    durable_postgres.start()

    assert durable_postgres.pid != killed
    assert run(url, "SELECT id FROM volumes ORDER BY id") == [(1,), (2,)]
    interrupted.invalidate()
    engine.dispose()


def test_a_stopped_server_starts_again_with_its_data(durable_postgres):
    url = durable_postgres.create_database()
    run(url, "CREATE TABLE volumes (id int)")
    durable_postgres.stop()
    with pytest.raises(RuntimeError):
        _ = durable_postgres.pid
    durable_postgres.start()
    assert run(url, "SELECT count(*) FROM volumes") == [(0,)]


def test_a_test_process_that_is_killed_leaves_no_server_and_no_files():
    program = """
        from tests.support.postgres import PostgresServer
        server = PostgresServer()
        server.start()
        print(server.pid, server.url().rpartition("=")[2], flush=True)
        input()
    """
    orphaner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert orphaner.stdout is not None
    pid, directory = orphaner.stdout.readline().split()
    postmaster = psutil.Process(int(pid))
    orphaner.kill()
    orphaner.communicate()

    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and Path(directory).exists():
        time.sleep(0.05)
    assert not Path(directory).exists()
    assert not is_alive(postmaster)


def test_root_can_run_it_from_a_checkout_that_only_root_can_read(monkeypatch):
    monkeypatch.setattr(postgres_support, "_open_to_others", lambda path: False)
    server = PostgresServer()
    try:
        server.start()
        assert server.execute("SELECT 1") == [(1,)]
    finally:
        server.remove()


def test_removing_twice_is_harmless():
    server = PostgresServer()
    server.remove()
    server.remove()


def test_free_ports_differ():
    assert len({free_port() for _ in range(5)}) > 1
