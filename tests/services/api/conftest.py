"""An API to ask, as an administrator or as a plain member of the same project."""

import pytest

from tests.services.api.stage import staged


@pytest.fixture
async def stage(tmp_path):
    """Everybody is an administrator, as in mode none by default."""
    async with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
async def member(tmp_path, stage):
    """The same data, asked for by a member who is no administrator."""
    async with staged(
        tmp_path, roles=("member", "reader"), application=stage.application
    ) as member:
        yield member
