"""Verifying and explaining volumes that move, with real files on both sides."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import FileDriver
from domain.aggregates.move import Move
from domain.aggregates.remnant import remnant_id
from services.audit import access
from services.audit.history import history
from services.audit.objects import Backend
from services.audit.why import explain
from services.commands.migration import MigrateVolume
from services.commands.move import FinishMove, PlaceMove, RecordCopied, StartMove
from services.commands.remnant import FinishRemnantRemoval
from services.commands.retype import RetypeVolume
from services.commands.volume import DeleteVolume
from services.commands.volume_type import CreateVolumeType
from tests.services.audit.auditing import audit
from tests.services.audit.deployment import PROJECT, Deployment, an_id
from tests.support.builders import a_pool

HERE, THERE = "host1@files#files", "host1@files#more"
ID = an_id(1)


class Moving:
    """One volume on its way, step by step."""

    def __init__(self, deployment: Deployment, driver: FileDriver) -> None:
        self._deployment, self.driver = deployment, driver
        self._run = deployment.run
        self.move = UUID(int=0)

    async def asked(self, kind: type = MigrateVolume, **fields: Any) -> None:
        if kind is MigrateVolume:
            fields = {"project_id": None, "to": THERE, "up": frozenset({"host1@files"})}
        await self._run(kind, id=ID, **fields)
        log = await self._deployment.store.log(0, 1_000)
        self.move = [r.aggregate_id for r in log if r.event.kind == "move"][-1]

    async def placed(self, *pools: str) -> None:
        found = [a_pool(pool) for pool in pools or (THERE,)]
        await self._run(PlaceMove, id=self.move, pools=found)

    async def started(self, host: str = THERE) -> None:
        await self._run(StartMove, id=self.move, host=host, worker="w")

    async def copied(self) -> None:
        await self.driver.write_volume(spec("more"), self.driver.read(spec("files")))
        await self._run(RecordCopied, id=self.move, attempt=await self.attempt())

    async def finished(self, failure: str | None = None) -> None:
        attempt = await self.attempt()
        await self._run(FinishMove, id=self.move, attempt=attempt, failure=failure)

    async def removed(self, pool: str = "files", *, number: int = 1) -> None:
        await self.driver.delete_volume(spec(pool))
        await self._run(FinishRemnantRemoval, id=remnant_id(ID, number))

    async def attempt(self) -> int:
        events = await self._deployment.store.events(self.move)
        return Move.from_history(self.move, events).attempt

    async def findings(self, *, at_rest: bool = False) -> list[tuple[str, str]]:
        await self._deployment.projected()
        backend = Backend(host="host1@files", pools=["files", "more"], driver=self.driver)
        report = await audit(self._deployment, backends=[backend], at_rest=at_rest)
        return [(finding.kind, finding.id) for finding in report.findings]


def spec(pool: str) -> VolumeSpec:
    return VolumeSpec(id=ID, size_gib=1, pool=pool, project_id=PROJECT)


@pytest.fixture
async def moving(deployment: Deployment) -> AsyncIterator[Moving]:
    await deployment.available(1)
    driver = FileDriver(deployment.settings.backend_path("files"), ["files", "more"])
    await driver.check()
    yield Moving(deployment, driver)
    await driver.close()


async def test_both_sides_are_known_at_every_step_of_a_move(moving):
    """Findings would be orphans, missing objects, wrong promises or wrong quota."""
    steps = [moving.asked, moving.placed, moving.started, moving.copied, moving.finished]
    for step in [*steps, moving.removed]:
        await step()
        assert await moving.findings() == [], step
    assert await moving.findings(at_rest=True) == []


async def test_what_a_move_that_failed_left_is_known_until_it_is_removed(moving):
    for step in (moving.asked, moving.placed, moving.started, moving.copied):
        await step()
    await moving.finished("the shelf is full")
    assert await moving.findings() == []
    await moving.removed("more", number=2)
    assert await moving.findings(at_rest=True) == []


async def test_during_the_move_the_source_must_be_there(moving):
    for step in (moving.asked, moving.placed, moving.started, moving.copied):
        await step()
    await moving.driver.delete_volume(spec("files"))
    assert await moving.findings() == [("object.missing", str(ID))]


async def test_afterwards_the_target_must_be_there_and_nothing_else(moving):
    for step in (moving.asked, moving.placed, moving.started, moving.copied, moving.finished):
        await step()
    await moving.removed()
    await moving.driver.create_volume(spec("files"))
    await moving.driver.delete_volume(spec("more"))
    assert await moving.findings() == [
        ("object.orphan", f"volume-{ID}"),
        ("object.missing", str(ID)),
    ]


async def test_a_move_that_goes_on_is_not_at_rest(moving):
    await moving.asked()
    assert [kind for kind, _ in await moving.findings(at_rest=True)] == ["rest.not"] * 2


async def test_a_deleted_volume_leaves_no_move_behind(moving, deployment):
    for step in (moving.asked, moving.placed, moving.started):
        await step()
    await deployment.run(DeleteVolume, id=ID, project_id=PROJECT, force=True)
    assert await moving.findings() == []


# why


async def test_why_it_went_there_is_told_beside_why_it_began_where_it_did(moving, deployment):
    silver = an_id(7)
    specs = {"volume_backend_name": "silver"}
    await deployment.run(
        CreateVolumeType,
        id=silver,
        name="silver",
        description=None,
        is_public=True,
        extra_specs=specs,
    )
    for step in (moving.asked, moving.placed, moving.started, moving.copied, moving.finished):
        await step()
    await moving.removed()
    await moving.asked(RetypeVolume, project_id=PROJECT, volume_type_id=silver, policy="on-demand")
    await moving.placed(HERE)
    async with access.open_store(deployment.settings) as (_, log):
        told = (await explain(log, ID)).placements
    assert [(p.number, p.of, p.host, p.outcome) for p in told] == [
        (1, "creation", HERE, "made"),
        (2, "migration", THERE, "moved"),
        (3, "retype", None, "no place"),
    ]
    assert told[1].decision.request is not None
    assert told[1].decision.request.origin is not None
    assert told[1].decision.request.origin.pool == HERE
    assert "wanted 'silver'" in (told[2].said or "")


async def test_a_change_in_its_own_pool_is_told_and_that_a_backend_declined_it(moving, deployment):
    bronze = an_id(8)
    await deployment.run(
        CreateVolumeType,
        id=bronze,
        name="bronze",
        description=None,
        is_public=True,
        extra_specs={},
    )
    for policy, failure in (("on-demand", "it stays thin"), ("never", None)):
        await moving.asked(RetypeVolume, project_id=PROJECT, volume_type_id=bronze, policy=policy)
        await moving.placed(HERE)
        await moving.started(HERE)
        await moving.finished(failure)
        if failure:
            await moving.placed(HERE)
    async with access.open_store(deployment.settings) as (_, log):
        told = (await explain(log, ID)).placements[1:]
    assert [(p.of, p.outcome) for p in told] == [
        ("retype", "declined, another pool is looked for"),
        ("retype", "no place"),
        ("retype", "changed where it is"),
    ]
    assert told[0].said == "it stays thin"
    assert "cannot change it where it is: it stays thin" in (told[1].said or "")


async def test_its_history_has_its_moves_what_they_left_and_what_paid_for_them(moving, deployment):
    for step in (moving.asked, moving.placed, moving.started, moving.copied, moving.finished):
        await step()
    await moving.removed()
    async with access.open_store(deployment.settings) as (_, log):
        lines = (await history(log, ID)).lines
    told = [line.entry.topic.rpartition(".v")[0] for line in lines]
    assert (
        told[-9:]
        == [
            "volume.migration_requested",
            "move.requested",
            "move.placed",
            "move.started",
            "move.copied",
            "move.finished",
            "volume.moved",
            "volume.migrated",
            "remnant.left",
            "remnant.removed",
        ][-9:]
    )
