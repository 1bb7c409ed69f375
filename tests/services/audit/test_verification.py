"""`lapilli verify`: green on what the commands made, patient while the service works."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid5

from adapters.bus.port import Parked
from adapters.drivers.contract import Connected, DriverFailure
from adapters.event_store.port import Snapshot
from domain.aggregates.quota_reservation import QuotaReservation
from domain.errors import Unavailable
from domain.event import Moment
from services.audit.objects import Backend
from services.commands.default_type import ChooseDefaultType, UnsetDefaultType
from services.commands.qos_specs import AssociateQos, CreateQosSpecs, DeleteQosSpecs
from services.commands.volume import ChangeVolumeMetadata
from services.commands.volume_type import ChangeVolumeType, CreateVolumeType, DeleteVolumeType
from tests.services.audit.auditing import FIRST, MALLORY, NOON, audit, kinds
from tests.services.audit.deployment import HOST, PROJECT, Deployment, an_id


async def test_a_history_made_by_the_commands_is_green(deployment):
    await deployment.history()
    report = await audit(deployment, at_rest=True)
    assert (report.findings, report.notes, report.unchecked) == ([], [], [])
    assert report.exit_code == 0
    assert report.aggregates == {
        "quota_limits": 1,
        "quota_reservation": 5,
        "volume": 3,
        "volume_type": 1,
    }
    assert report.compared["objects"] == 1
    assert report.compared["rows of volumes"] == 2


async def test_an_empty_log_is_green(tmp_path):
    deployment = Deployment(tmp_path)
    await deployment.open()
    await deployment.projected()
    assert (await audit(deployment)).exit_code == 0
    await deployment.close()


async def test_quota_that_a_volume_holds_twice_is_named(deployment):
    await deployment.history()
    at = Moment(at=NOON, request_id="req-99", actor=MALLORY, cause=None)
    twice = QuotaReservation.reserve(
        uuid5(FIRST, "again"),
        project_id=PROJECT,
        subject=FIRST,
        amounts={"volumes": 1},
        largest_gib=1,
        at=at,
    )
    twice.commit(at)
    await deployment.store.append(twice.pending)
    await deployment.projected()
    [finding] = (await audit(deployment)).findings
    assert (finding.kind, finding.id) == ("quota.held", str(FIRST))
    assert "hold 2 volumes, not 1" in finding.detail


async def test_a_false_snapshot_is_named(deployment):
    await deployment.history()
    for number in range(100):
        change = {"id": FIRST, "project_id": PROJECT, "set": {"n": str(number)}}
        await deployment.run(ChangeVolumeMetadata, **change)
    await deployment.projected()
    assert (await audit(deployment)).exit_code == 0
    true = await deployment.store.snapshot(FIRST)
    forged = true.state.replace(b'"renamed"', b'"forged"')
    assert forged != true.state
    await deployment.store.save_snapshot(Snapshot(FIRST, true.version + 1, true.topic, forged))
    assert kinds(await audit(deployment)) == {"snapshot.differs"}


# what is under way


async def test_what_is_under_way_is_told_and_no_finding(deployment):
    await deployment.requested(1)
    half_made = await deployment.provisioning(2)
    deployment.file_of(half_made).touch()
    going = await deployment.available(3)
    await deployment.removing(going)
    deployment.file_of(going).unlink()
    await deployment.projected()
    report = await audit(deployment)
    assert report.exit_code == 0, report.findings
    told = {note.id for note in report.notes if note.kind == "rest"}
    assert {f"volume {an_id(n)}" for n in (1, 2, 3)} <= told
    [age] = [note.detail for note in report.notes if note.id == f"volume {half_made}"]
    assert age == f"is provisioning for {4 * 3600 - 5:.1f} s"


async def test_at_rest_what_is_under_way_is_a_finding(deployment):
    id = await deployment.provisioning(1)
    await deployment.projected()
    report = await audit(deployment, at_rest=True)
    assert report.exit_code == 1
    assert kinds(report) == {"rest.not"}
    assert f"volume {id}" in {finding.id for finding in report.findings}


async def test_a_read_model_that_lags_is_compared_where_it_is(deployment):
    await deployment.history()
    await deployment.renamed(FIRST, "again")
    report = await audit(deployment)
    assert report.exit_code == 0
    assert {note.kind for note in report.notes} == {"projection.behind"}


class Busy:
    """A driver under which the service works on: something happens while it lists."""

    def __init__(self, driver: Any, meanwhile: Callable[[], Any]) -> None:
        self._driver, self._meanwhile = driver, meanwhile

    async def objects(self, pool: str) -> set[str]:
        meanwhile, self._meanwhile = self._meanwhile, _nothing
        await meanwhile()
        listed: set[str] = await self._driver.objects(pool)
        return listed

    async def connections(self, pool: str) -> set[Connected]:
        there: set[Connected] = await self._driver.connections(pool)
        return there


async def _nothing() -> None:
    pass


async def test_volumes_that_come_and_go_while_it_looks_are_no_findings(deployment):
    await deployment.history()

    async def meanwhile() -> None:
        await deployment.deleted(FIRST, size_gib=2)
        await deployment.available(50)

    backend = Backend(
        host="host1@files",
        pools=["files"],
        driver=Busy(deployment.driver, meanwhile),  # type: ignore[arg-type]
    )
    report = await audit(deployment, backends=[backend])
    assert report.findings == []
    assert report.position == await deployment.store.last_position()


# what cannot be checked


async def test_a_backend_that_does_not_answer_could_not_be_checked(deployment):
    await deployment.history()

    async def fails() -> None:
        raise DriverFailure("the disk is gone", retryable_elsewhere=True)

    backend = Backend(
        host="host1@files",
        pools=["files"],
        driver=Busy(deployment.driver, fails),  # type: ignore[arg-type]
    )
    report = await audit(deployment, backends=[backend])
    assert report.exit_code == 2
    assert [note.detail for note in report.unchecked] == ["the disk is gone"]


async def test_a_memory_backend_is_not_checkable_from_here_and_that_is_all(deployment):
    await deployment.history()
    backend = Backend(host="host1@files", pools=["files"], driver=None, why_not="not from here")
    report = await audit(deployment, backends=[backend])
    assert report.exit_code == 0
    assert [(note.id, note.detail) for note in report.notes] == [(HOST, "not from here")]


async def test_volumes_on_a_backend_that_is_not_configured_are_told(deployment):
    await deployment.history()
    report = await audit(deployment, backends=[])
    assert report.exit_code == 0
    assert [note.id for note in report.notes] == [HOST]


async def test_read_models_that_were_never_filled_could_not_be_checked(tmp_path: Path):
    deployment = Deployment(tmp_path)
    await deployment.open()
    report = await audit(deployment)
    assert report.exit_code == 2
    assert [note.kind for note in report.unchecked] == ["projection"]
    await deployment.close()


async def test_parked_messages_are_told(deployment):
    await deployment.history()
    subject = f"lapilli.volume.placed.host1@files.{FIRST}"
    message = Parked(3, "provisioning", subject, b"{}", "ValueError: no\nmore", NOON, 8)

    async def parked() -> list[Parked]:
        return [message]

    report = await audit(deployment, parked=parked)
    assert report.exit_code == 0
    assert [(note.kind, note.id) for note in report.notes] == [("parked", "3")]
    assert report.notes[0].detail == f"provisioning gave up on {subject}: ValueError: no"


async def test_without_a_bus_the_rest_is_checked(deployment):
    await deployment.history()

    async def parked() -> list[Parked]:
        raise Unavailable(part="message bus", reason="it sleeps")

    report = await audit(deployment, parked=parked)
    assert report.exit_code == 0
    assert [note.kind for note in report.notes] == ["bus"]


async def test_a_catalogue_that_was_used_in_every_way_is_sound(deployment):
    gold, qos = an_id(70), an_id(71)
    of_gold = {"id": gold, "deployment_default": "__DEFAULT__"}
    run = deployment.run
    await run(
        CreateVolumeType, id=gold, name="gold", description=None, is_public=False, extra_specs={}
    )
    await run(CreateQosSpecs, id=qos, name="brisk", consumer="both", specs={"iops": "1"})
    await run(AssociateQos, id=qos, volume_type_id=gold)
    await run(ChooseDefaultType, project_id=PROJECT, volume_type_id=gold)
    await run(ChangeVolumeType, **of_gold, name="golden")
    await deployment.projected()
    report = await audit(deployment)
    assert (report.exit_code, report.compared["names"]) == (0, 3)
    await run(UnsetDefaultType, project_id=PROJECT)
    await run(DeleteVolumeType, **of_gold)
    await run(DeleteQosSpecs, id=qos)
    await deployment.projected()
    report = await audit(deployment, at_rest=True)
    assert (report.exit_code, report.findings, report.compared["names"]) == (0, [], 1)
