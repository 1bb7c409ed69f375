"""verify and why: snapshots on backends against the log, and what is told of one."""

from typing import Any

import pytest

from adapters.drivers.contract import SnapshotSpec
from adapters.drivers.memory import MemoryBackend, MemoryDriver
from services.audit import access
from services.audit.objects import Backend
from services.audit.report import Report
from services.audit.why import explain
from services.commands.snapshot import (
    CreateSnapshot,
    FinishSnapshotCreation,
    PlaceSnapshot,
    StartSnapshotCreation,
)
from tests.services.audit.auditing import FIRST, audit, kinds
from tests.services.audit.deployment import HOST, PROJECT, Deployment, an_id
from tests.support.builders import USER, a_pool

SNAPSHOT = an_id(0x51)
SPEC = SnapshotSpec(id=SNAPSHOT, volume_id=FIRST, size_gib=2, pool="files", project_id=PROJECT)


async def with_a_snapshot(deployment: Deployment, *, pools: list[Any]) -> None:
    await deployment.run(
        CreateSnapshot,
        id=SNAPSHOT,
        volume_id=FIRST,
        of_project=PROJECT,
        user_id=USER,
        name="kept",
        description=None,
        metadata={},
    )
    await deployment.run(PlaceSnapshot, id=SNAPSHOT, pools=pools)


async def made(deployment: Deployment) -> None:
    await with_a_snapshot(deployment, pools=[a_pool(HOST)])
    attempt = await deployment.run(StartSnapshotCreation, id=SNAPSHOT, worker="w")
    await deployment.run(FinishSnapshotCreation, id=SNAPSHOT, attempt=attempt)
    await deployment.projected()


@pytest.fixture
async def driver(deployment: Deployment) -> MemoryDriver:
    """A backend in memory that holds what the log says."""
    await deployment.history()
    driver = MemoryDriver(MemoryBackend({"files": 100}))
    await driver.create_volume(deployment.spec(FIRST, 2))
    return driver


async def found(deployment: Deployment, driver: MemoryDriver) -> Report:
    return await audit(
        deployment, backends=[Backend(host="host1@files", pools=["files"], driver=driver)]
    )


async def test_a_snapshot_that_is_there_is_as_it_should_be(deployment, driver):
    await made(deployment)
    await driver.create_snapshot(SPEC)
    assert kinds(await found(deployment, driver)) == set()


async def test_one_that_is_lost_and_one_that_is_nobody_s_are_named(deployment, driver):
    await made(deployment)
    stray = SnapshotSpec(
        id=an_id(0x99), volume_id=FIRST, size_gib=2, pool="files", project_id=PROJECT
    )
    await driver.create_snapshot(stray)
    report = await found(deployment, driver)
    told = {(each.kind, each.id): each.detail for each in report.findings}
    assert told.keys() == {
        ("object.missing", str(SNAPSHOT)),
        ("object.orphan", f"snapshot-{stray.id}"),
    }
    assert "no snapshot in the log has this id" in told["object.orphan", f"snapshot-{stray.id}"]


async def test_why_tells_whether_there_was_room_and_what_became_of_it(deployment):
    await deployment.history()
    await with_a_snapshot(deployment, pools=[])
    async with access.open_store(deployment.settings) as (_, log):
        told = await explain(log, SNAPSHOT)
    [only] = told.placements
    assert (told.kind, told.name, told.state) == ("snapshot", "kept", "error")
    assert (only.outcome, only.host, only.said) == ("no place", None, f"{HOST} does not report")


async def test_why_tells_of_one_that_was_made(deployment):
    await deployment.history()
    await made(deployment)
    async with access.open_store(deployment.settings) as (_, log):
        [only] = (await explain(log, SNAPSHOT)).placements
    assert (only.outcome, only.host) == ("made", HOST)
