"""Copies of volumes whose clients are at work, where the filesystem cannot share blocks."""

import os
import signal
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.drivers import reflink
from adapters.drivers.content import fingerprint
from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import FileDriver
from tests.adapters.drivers.connection_contract import NODE
from tests.adapters.drivers.copy_contract import a_snapshot
from tests.adapters.drivers.data_path.exports import Opened, clients
from tests.adapters.drivers.nbd_clients import exporting, session


def stopped(process: int) -> bool:
    """Whether all of its threads are, proc_pid_stat(5)."""
    stats = Path(f"/proc/{process}/task").glob("*/stat")
    return {stat.read_text().rpartition(")")[2].split()[0] for stat in stats} == {"T"}


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch, volume: Path) -> list[dict[int, bool]]:
    """Of each copy, whether the processes that export the volume stood still for it."""
    seen: list[dict[int, bool]] = []
    copy_data = reflink._copy_data

    def watched(source: int, destination: int, *, end: int) -> int:
        seen.append({process: stopped(process) for process in exporting(volume)})
        return copy_data(source, destination, end=end)

    monkeypatch.setattr(reflink, "clone", lambda *_: False)
    monkeypatch.setattr(reflink, "_copy_data", watched)
    return seen


@clients
async def test_clients_that_write_wait_for_a_copy_and_go_on_where_they_were(
    driver: FileDriver, spec: VolumeSpec, volume: Path, copying: list[dict[int, bool]]
):
    snapshot = a_snapshot(spec)
    writer = await driver.connect_volume(spec, uuid4(), NODE, "rw")
    [writing] = exporting(volume)
    await driver.connect_volume(spec, uuid4(), NODE, "ro")
    [reading] = {*exporting(volume)} - {writing}
    async with session(writer.data["uri"]) as client:
        await client.does("write -P 7 0 64k")
        before = await fingerprint(driver.read(spec))
        await driver.create_snapshot(snapshot)
        await client.does("write -P 8 0 64k")
    assert copying == [{writing: True, reading: False}]
    assert await fingerprint(driver.read(snapshot)) == before
    assert await fingerprint(driver.read(spec)) != before


@clients
async def test_a_process_that_dies_in_the_middle_of_a_copy_does_not_leave_clients_waiting(
    driver: FileDriver, opened: Opened, spec: VolumeSpec, attachment_id: UUID, volume: Path
):
    uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
    [process] = exporting(volume)
    async with session(uri) as client:
        os.kill(process, signal.SIGSTOP)  # as it would have left it
        await opened().check()
        await client.does("write -P 7 0 64k")
    assert exporting(volume) == [process]
