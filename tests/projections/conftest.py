"""Both databases, for every test that asks for `url` or `engine`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters import database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "postgresql":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return database.sqlite_url(tmp_path / "views.db")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = database.engine(url, durable=False)
    yield made
    made.dispose()
