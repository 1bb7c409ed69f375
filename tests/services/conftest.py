"""The buses that services run on: memory, and a real nats-server that the tests of a file share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from adapters.bus.nats_server import NatsServer
from adapters.bus.port import Bus
from tests.adapters.bus.stage import MemoryStage, NatsStage, Stage


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.nats)])
def build_stage(request: pytest.FixtureRequest) -> Callable[[], Stage]:
    if request.param == "memory":
        return MemoryStage
    server: NatsServer = request.getfixturevalue("server")
    return lambda: NatsStage(server)


@pytest.fixture
async def stage(build_stage: Callable[[], Stage]) -> AsyncIterator[Stage]:
    stage = build_stage()
    yield stage
    await stage.close()


@pytest.fixture
async def bus(stage: Stage) -> Bus:
    return await stage.connect()
