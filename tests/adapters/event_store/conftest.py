"""Empty databases with the event store's tables."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters import database
from tests.adapters.event_store.contract import Open
from tests.adapters.event_store.databases import create_tables, stores
from tests.support.postgres import PostgresServer

on_both = [
    pytest.param("sqlite_event_database", id="sqlite"),
    pytest.param("postgres_event_database", id="postgres", marks=pytest.mark.postgres),
]


@pytest.fixture
def sqlite_event_database(tmp_path: Path) -> str:
    url = database.sqlite_url(tmp_path / "lapilli.db")
    create_tables(url)
    return url


@pytest.fixture
def postgres_event_database(postgres: PostgresServer) -> Iterator[str]:
    template = postgres.template("event-store", create_tables)
    with postgres.database(template=template) as url:
        yield url


@pytest.fixture(params=on_both)
def event_database(request: pytest.FixtureRequest) -> str:
    """The URL, on SQLite and on PostgreSQL in turn."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def open_store(event_database: str) -> AsyncIterator[Open]:
    """Opens stores on the same database."""
    async with stores(event_database) as open_one:
        yield open_one
