"""One running `lapilli serve` for the tests that only talk to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deployment import Serve, running


@pytest.fixture(scope="session")
def lapilli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """As `make serve` starts it, with room for everybody's volumes."""
    directory: Path = tmp_path_factory.mktemp("serve")
    quota = {"LAPILLI_QUOTA_VOLUMES": "200"}
    with running(Serve(directory, env=quota)) as deployment:
        yield deployment
