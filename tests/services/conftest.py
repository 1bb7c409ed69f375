"""The buses that services run on: memory, and a real nats-server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.bus.port import Bus
from tests.adapters.bus.stage import Stage, a_stage


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.nats)])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(request.param, tmp_path / "nats") as stage:
        yield stage


@pytest.fixture
async def bus(stage: Stage) -> Bus:
    return await stage.connect()
