"""verify: who a backend lets reach its volumes, against who is attached by the log."""

from typing import Any
from uuid import UUID

import pytest

from adapters.drivers.memory import MemoryBackend, MemoryDriver
from services.audit.objects import Backend
from services.commands.attaching import CompleteAttachment, CreateAttachment, DetachVolume
from services.commands.exporting import FinishConnection, StartConnection
from tests.services.audit.auditing import FIRST, audit, kinds
from tests.services.audit.deployment import PROJECT, Deployment, an_id

ATTACHMENT = an_id(0xA1)
NODE = {"host": "node-1"}


async def attached(deployment: Deployment, driver: MemoryDriver) -> None:
    """The first volume is in use."""
    which: dict[str, Any] = {"id": FIRST, "attachment_id": ATTACHMENT}
    owned: dict[str, Any] = {**which, "project_id": PROJECT}
    await deployment.run(CreateAttachment, **owned, server_id=None, mode=None, connector=NODE)
    attempt = await deployment.run(StartConnection, **which, worker="worker-1")
    made = await driver.connect_volume(deployment.spec(FIRST, 2), ATTACHMENT, NODE, "rw")
    reached: dict[str, Any] = {
        "driver_volume_type": made.driver_volume_type,
        "reached_by": made.data,
    }
    await deployment.run(FinishConnection, **which, attempt=attempt, **reached)
    await deployment.run(CompleteAttachment, **owned)
    await deployment.projected()


@pytest.fixture
async def driver(deployment: Deployment) -> MemoryDriver:
    """A backend in memory that holds what the log says."""
    await deployment.history()
    driver = MemoryDriver(MemoryBackend({"files": 100}))
    await driver.create_volume(deployment.spec(FIRST, 2))
    return driver


async def found(deployment: Deployment, driver: MemoryDriver) -> set[str]:
    backend = Backend(host="host1@files", pools=["files"], driver=driver)
    report = await audit(deployment, backends=[backend])
    assert report.exit_code == bool(report.findings)
    return kinds(report)


async def test_who_is_attached_and_nobody_else_reaches_a_volume(deployment, driver):
    assert await found(deployment, driver) == set()
    await attached(deployment, driver)
    assert await found(deployment, driver) == set()


async def test_a_lost_and_an_extra_connection_are_named(deployment, driver):
    await attached(deployment, driver)
    spec = deployment.spec(FIRST, 2)
    await driver.disconnect_volume(spec, ATTACHMENT)
    assert await found(deployment, driver) == {"connection.missing"}
    await driver.connect_volume(spec, UUID(int=7), NODE, "rw")
    assert await found(deployment, driver) == {"connection.missing", "connection.extra"}


async def test_what_is_going_may_be_there_or_not(deployment, driver):
    await attached(deployment, driver)
    await deployment.run(DetachVolume, id=FIRST, project_id=PROJECT, attachment_id=None)
    await deployment.projected()
    assert await found(deployment, driver) == set()
    await driver.disconnect_volume(deployment.spec(FIRST, 2), ATTACHMENT)
    assert await found(deployment, driver) == set()
