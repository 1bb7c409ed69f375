"""Fixtures for all tests."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer

LONG = ("tests/chaos", "tests/faults", "tests/simulation", "tests/end_to_end")
"""What takes seconds each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first: at the end there is something small for every process."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 << 30


def pytest_configure() -> None:
    """Settings and credentials of the developer's shell stay out of the tests. Files lie in memory
    where there is enough of it: no test cuts the power, so waiting for disks would show nothing."""
    for variable in list(os.environ):
        if variable.startswith(("LAPILLI_", "OS_", "PG")):
            del os.environ[variable]
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and _free_bytes(MEMORY) >= ENOUGH_BYTES:
        os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY), None


def _free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL that the tests of this process share. Quick: commits are not flushed."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database for one test."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="module")
def module_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database that the tests of one file share."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def durable_postgres() -> Iterator[PostgresServer]:
    """A server of one's own to stop, kill and start: commits are flushed, as in production."""
    server = PostgresServer(durable=True)
    server.start()
    yield server
    server.remove()
