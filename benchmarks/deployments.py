"""The two ways of running Lapilli that are measured, with a backend that does no I/O."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from tests.support.apart import Apart
from tests.support.deployment import Deployment, Serve, by_itself, running
from tests.support.postgres import PostgresServer

ENV = {
    "LAPILLI_BACKENDS": '{"memory": {"driver": "memory"}}',
    "LAPILLI_QUOTA_VOLUMES": "-1",
    "LAPILLI_QUOTA_GIGABYTES": "-1",
    "LAPILLI_LOGGING_LEVEL": "warning",
}


@contextmanager
def all_in_one(backends: int = 1) -> Iterator[Deployment]:
    """`lapilli serve` on SQLite, with so many backends."""
    named = {f"memory{number}": {"driver": "memory"} for number in range(backends)}
    env = ENV if backends == 1 else {**ENV, "LAPILLI_BACKENDS": json.dumps(named)}
    with (
        tempfile.TemporaryDirectory() as directory,
        running(Serve(Path(directory), env=env, launch=by_itself)) as it,
    ):
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
                Apart(
                    Path(directory),
                    database_url=url,
                    each=1,
                    backends=["memory"],
                    env=ENV,
                    launch=by_itself,
                )
            ) as it,
        ):
            yield it
    finally:
        server.remove()


WAYS: Mapping[str, Callable[[], AbstractContextManager[Deployment]]] = {
    "all-in-one on SQLite": all_in_one,
    "the same with 20 backends": partial(all_in_one, backends=20),
    "roles apart on PostgreSQL": roles_apart,
}
