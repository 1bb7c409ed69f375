"""A deployment to audit, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.audit.deployment import Deployment


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deployment]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = Deployment(tmp_path / "data", database_url=url)
    await made.open()
    yield made
    await made.close()
