"""The contract runs on a stage: memory, and a real nats-server that the session shares."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from adapters.bus.nats_server import NatsServer
from adapters.bus.port import Bus
from tests.adapters.bus.stage import MemoryStage, NatsStage, Stage


@pytest.fixture(scope="session")
def shared_nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server of one's own, to kill."""
    server = NatsServer(tmp_path / "nats")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.nats)])
def build_stage(request: pytest.FixtureRequest) -> Callable[[], Stage]:
    if request.param == "memory":
        return MemoryStage
    server: NatsServer = request.getfixturevalue("shared_nats_server")
    return lambda: NatsStage(server)


@pytest.fixture
async def stage(build_stage: Callable[[], Stage]) -> AsyncIterator[Stage]:
    stage = build_stage()
    yield stage
    await stage.close()


@pytest.fixture
async def bus(stage: Stage) -> Bus:
    return await stage.connect()
