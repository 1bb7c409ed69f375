"""The deployment that chaos befalls: every role twice, a PostgreSQL, a cluster of nats-servers."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psutil

from tests.faults.test_kills import IMPATIENT
from tests.support.apart import Roles
from tests.support.cluster import Cluster
from tests.support.deployment import by_itself
from tests.support.machines import Machine, in_namespaces, on_loopback
from tests.support.postgres import PostgresServer

DATABASE = "database"
BROKERS = ("broker-0", "broker-1", "broker-2")
SITES = ("site-0", "site-1")
"""Of each role there is one at either."""
MACHINES = (DATABASE, *BROKERS, *SITES)
BACKENDS = {"shelf1": "steel", "shelf2": "stone"}
"""What volume types call them."""
EXPORTERS = ("nbdkit", "qemu-nbd")

SETTINGS = {
    **IMPATIENT,
    "LAPILLI_PROCESSES_ACK_WAIT_S": "3",
    "LAPILLI_NATS_REPLICAS": "3",
    "LAPILLI_QUOTA_SNAPSHOTS": "-1",
    "LAPILLI_QUOTA_BACKUPS": "-1",
    "LAPILLI_QUOTA_BACKUP_GIGABYTES": "-1",
    "LAPILLI_API_BACKEND_TIMEOUT_S": "10",
    "LAPILLI_API_WRITE_TIMEOUT_S": "10",
}

_BACKENDS = """
[backends.shelf1]
volume_backend_name = "steel"
image_cache = true
image_cache_max_count = 2

[backends.shelf2]
volume_backend_name = "stone"
"""


class Stricken(Roles):
    """Everything that can be killed, by name."""

    def __init__(
        self,
        directory: Path,
        *,
        postgres: PostgresServer,
        url: str,
        machines: Mapping[str, Machine],
    ) -> None:
        config = directory / "lapilli.toml"
        config.write_text(_BACKENDS)
        env = {**SETTINGS, "LAPILLI_CONFIG": str(config)}
        super().__init__(directory, database_url=url, backends=tuple(BACKENDS), env=env)
        self.machines = machines
        self.postgres = postgres
        self.cluster = Cluster([machines[name] for name in BROKERS], directory / "nats")
        self.images = directory / "data" / "images"
        for name, program in self.programs.items():
            site = machines[f"site-{name[-1]}"]
            program.env["LAPILLI_API_HOST"] = site.address
            if site.namespace:
                program.launch = partial(by_itself, inside=site.running([]))

    @property
    def urls(self) -> list[str]:
        """Of every API."""
        sites = [self.machines[name].address for name in SITES]
        return [f"http://{site}:{port}" for site, port in zip(sites, self.ports, strict=True)]

    def start(self) -> None:
        """Returns once every API answers. Raises NotReady."""
        asyncio.run(self.cluster.start())
        self.start_on(self.cluster.url)

    def kill(self) -> None:
        """kill -9 of everything."""
        super().kill()
        asyncio.run(self.cluster.stop())
        self._end_exports()

    def _end_exports(self) -> None:
        """They outlive the backends, which cannot end them any more."""
        for process in psutil.process_iter(["name", "cmdline"]):
            command = " ".join(process.info["cmdline"] or [])
            if process.info["name"] in EXPORTERS and str(self.directory) in command:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


@contextmanager
def standing(directory: Path, *, networked: bool) -> Iterator[Stricken]:
    """All of it, until the block ends. Raises NoNamespaces, NotReady."""
    with ExitStack() as stack:
        machines: Mapping[str, Machine] = on_loopback(MACHINES)
        if networked:
            machines = stack.enter_context(in_namespaces(MACHINES))
        home = machines[DATABASE]
        address = home.address if networked else ""
        postgres = PostgresServer(durable=True, namespace=home.namespace, address=address)
        stack.callback(postgres.remove)
        postgres.start()
        url = postgres.create_database()
        deployment = Stricken(directory, postgres=postgres, url=url, machines=machines)
        stack.callback(deployment.kill)
        deployment.start()
        yield deployment
