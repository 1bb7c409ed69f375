"""Databases for read models, as quick to have as a copy of a file."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from adapters import database
from projections.generations import create_tables


def read_models(directory: Path) -> Engine:
    """A SQLite database in the directory with the tables of all read models, which are empty."""
    path = directory / "views.db"
    path.write_bytes(_empty())
    return database.engine(database.sqlite_url(path), durable=False)


@cache
def _empty() -> bytes:
    with TemporaryDirectory(prefix="lapilli-views-") as directory:
        path = Path(directory, "views.db")
        engine = database.engine(database.sqlite_url(path), durable=False)
        create_tables(engine)
        engine.dispose()  # the last to leave puts all into the one file
        return path.read_bytes()
