"""The two ways of running Lapilli that are measured, with a backend that does no I/O."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.deployment import Apart, Deployment, Serve, running
from tests.support.postgres import PostgresServer

ENV = {
    "LAPILLI_BACKENDS": '{"memory": {"driver": "memory"}}',
    "LAPILLI_QUOTA_VOLUMES": "-1",
    "LAPILLI_QUOTA_GIGABYTES": "-1",
    "LAPILLI_LOGGING_LEVEL": "warning",
}


@contextmanager
def all_in_one() -> Iterator[Deployment]:
    """`lapilli serve` on SQLite."""
    with tempfile.TemporaryDirectory() as directory, running(Serve(Path(directory), env=ENV)) as it:
        yield it


@contextmanager
def roles_apart() -> Iterator[Deployment]:
    """One process of each role, on a PostgreSQL that flushes its commits."""
    server = PostgresServer(durable=True)
    server.start()
    try:
        with (
            tempfile.TemporaryDirectory() as directory,
            server.database() as url,
            running(
                Apart(Path(directory), database_url=url, each=1, backend="memory", env=ENV)
            ) as it,
        ):
            yield it
    finally:
        server.remove()


WAYS = {"all-in-one on SQLite": all_in_one, "roles apart on PostgreSQL": roles_apart}
