"""Commands run in this process, on a deployment that has a history."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from services.cli import main
from tests.services.audit.deployment import Deployment

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    """Runs a command; `width` is that of the terminal. Logging is put back as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level

    def run(*args: str, width: int = 80) -> Result:
        monkeypatch.setenv("COLUMNS", str(width))
        return CliRunner().invoke(main, [str(arg) for arg in args])

    yield run
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """One that stands still, with some of everything in it."""
    made = Deployment(tmp_path / "data")

    async def fill() -> None:
        await made.open()
        await made.history()
        await made.close()

    asyncio.run(fill())
    return made
