"""The contract runs on a stage: memory, and a real nats-server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.bus.nats_server import NatsServer
from adapters.bus.port import Bus
from tests.adapters.bus.stage import Stage, a_stage


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server of one's own, to kill."""
    server = NatsServer(tmp_path / "nats")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.nats)])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(request.param, tmp_path / "nats") as stage:
        yield stage


@pytest.fixture
async def bus(stage: Stage) -> Bus:
    return await stage.connect()
