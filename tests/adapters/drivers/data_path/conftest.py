"""Drivers of a directory of their own, and a volume in it."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import FileDriver
from tests.adapters.drivers.contract import POOLS, a_volume
from tests.adapters.drivers.data_path.exports import (
    Opened,
    exporting_below,
)
from tests.adapters.drivers.nbd_clients import (
    an_address,
    only,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A directory whose name is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="nbd-") as directory:
        yield Path(directory)


@pytest.fixture
async def opened(root: Path) -> AsyncIterator[Opened]:
    drivers: list[FileDriver] = []

    def give(directory: Path = root, **settings: str | int) -> FileDriver:
        drivers.append(FileDriver(directory, POOLS, **settings))  # type: ignore[arg-type]
        return drivers[-1]

    yield give
    for each in drivers:
        await each.close()
    assert exporting_below(root) == []


@pytest.fixture
async def driver(opened: Opened) -> FileDriver:
    driver = opened()
    await driver.check()
    return driver


@pytest.fixture
async def spec(driver: FileDriver) -> VolumeSpec:
    spec = a_volume(size_gib=1)
    await driver.create_volume(spec)
    return spec


@pytest.fixture
def volume(root: Path, spec: VolumeSpec) -> Path:
    return root / spec.pool / spec.object_name


@pytest.fixture
def attachment_id() -> UUID:
    return uuid4()


SERVERS = {
    "nbdkit on unix sockets": ("nbdkit", False),
    "nbdkit on ports": ("nbdkit", True),
    "qemu-nbd on unix sockets": ("qemu-nbd", False),
    "qemu-nbd on ports": ("qemu-nbd", True),
}


@pytest.fixture(params=SERVERS)
def served(
    request: pytest.FixtureRequest,
    opened: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Opened:
    """Like `opened`, with one program and one kind of address."""
    program, on_ports = SERVERS[request.param]
    settings = {"nbd_host": an_address()} if on_ports else {}
    only(monkeypatch, tmp_path / "bin", program)
    return lambda *arguments: opened(*arguments, **settings)
