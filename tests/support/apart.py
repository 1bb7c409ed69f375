"""Deployments whose roles are processes of their own."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.bus.nats_server import NatsServer
from tests.support.deployment import Deployment, Launch, NotReady, Program, forked, until
from tests.support.postgres import free_port


class Roles(Deployment):
    """The roles as processes of their own: `each` of all, and so many for every backend."""

    def __init__(
        self,
        directory: Path,
        *,
        database_url: str,
        each: int = 2,
        backends: Sequence[str] = ("files",),
        env: Mapping[str, str] = {},
        launch: Launch = forked,
    ) -> None:
        super().__init__(directory, env={"LAPILLI_DATABASE_URL": database_url, **env})
        for backend in backends:
            (directory / "data" / backend).mkdir(parents=True, exist_ok=True)
        roles: list[tuple[str, ...]] = [("api",), ("processes",), ("relay",), ("projector",)]
        roles += [("backend", backend) for backend in backends]
        self.ports = [self.port, *(free_port() for _ in range(each - 1))]
        names = {"-".join((*role, str(n))): role for role in roles for n in range(each)}
        self.programs = {
            name: Program(*role, log=directory / f"{name}.log", env=self.env, launch=launch)
            for name, role in names.items()
        }
        for n, port in enumerate(self.ports):
            self.programs[f"api-{n}"].env["LAPILLI_API_PORT"] = str(port)

    def start_on(self, nats_url: str) -> None:
        """Returns once every API answers. Raises NotReady."""
        self.env["LAPILLI_NATS_URL"] = nats_url
        for program in self.programs.values():
            program.env["LAPILLI_NATS_URL"] = nats_url
            program.start()
        for n, port in reversed([*enumerate(self.ports)]):
            self.host = self.programs[f"api-{n}"].env.get("LAPILLI_API_HOST", self.host)
            self.port = port
            try:
                until(self.answers, what=f"first answer at {port}")
            except NotReady as late:
                tails = "\n".join(p.log_tail(8) for p in self.programs.values())
                raise NotReady(f"{late}\n{tails}") from None

    def assert_running(self) -> None:
        """Nothing ended by itself; if something did, the end of its log says why."""
        ended = {name: program for name, program in self.programs.items() if not program.running}
        assert not ended, "\n".join(f"{name}: {p.log_tail()}" for name, p in ended.items())

    def stop(self) -> None:
        """As Ctrl-C in every terminal."""
        for program in self.programs.values():
            if program.running:
                program.stop()

    def kill(self) -> None:
        """kill -9 of everything."""
        for program in self.programs.values():
            program.kill()


class Apart(Roles):
    """On PostgreSQL and one nats-server."""

    def __init__(self, directory: Path, **roles: Any) -> None:
        super().__init__(directory, **roles)
        self.nats = NatsServer(directory / "nats")

    def start(self) -> None:
        """Returns once every API answers. Raises NotReady."""
        asyncio.run(self.nats.start())
        self.start_on(self.nats.url)

    def stop(self) -> None:
        """As Ctrl-C in every terminal, then the nats-server."""
        super().stop()
        asyncio.run(self.nats.stop())

    def kill(self) -> None:
        """kill -9 of everything."""
        super().kill()
        asyncio.run(self.nats.stop(timeout_s=0))
