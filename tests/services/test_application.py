"""What the API runs on: writes that their writer then sees, services, pools, zones and health."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.bus.memory import MemoryBus
from adapters.image_service.memory import MemoryImageService
from domain.aggregates.volume import Volume
from domain.aggregates.volume.connecting import Connected
from domain.errors import Conflict, NotAllowed, NotFound, Unavailable
from projections import volumes
from projections.listing import Query
from projections.runner import Runner
from projections.views import Views
from services.application import LAG_WARNING, Lapilli
from services.commands.attaching import CreateAttachment, DetachVolume
from services.commands.exporting import FinishConnection, StartConnection
from services.commands.volume_type import EnsureDefaultVolumeType
from services.errands import Errand
from services.reports import Report, Reports
from services.settings import Api, Placement, Settings
from services.unit_of_work import Commands
from tests.services.commands.world import LIMITS, World
from tests.services.processes.ring import Clock
from tests.services.test_reports import DOWN_AFTER_S, some_stats
from tests.support.around import Outage, around
from tests.support.builders import PROJECT, a_moment, an_id, limits_of
from tests.support.patience import PATIENCE_S
from tests.support.read_models import read_models


class Stage:
    """An application with everything real around it, in memory and one SQLite file."""

    def __init__(self, directory: Path, **api: Any) -> None:
        self.clock = Clock()
        self.world = World()
        self.store_outage = Outage("database")
        self.bus_outage = Outage("message bus")
        self.views_outage = Outage("projection")
        self.store = around(self.world.store, before=self.store_outage.before)
        self.bus = MemoryBus(self.clock.monotonic)
        self.bus_of_api = self.bus.another()
        self.reports = Reports(
            around(self.bus_of_api, before=self.bus_outage.before),
            clock=self.clock,
            down_after_s=DOWN_AFTER_S,
            refresh_s=0,
        )
        self.engine = read_models(directory)
        self.views = Views(self.engine)
        self.runner = Runner(self.engine, self.world.store, clock=self.clock)
        self.settings = Settings(
            api=Api(**{"read_your_writes_s": 0.02, **api}), placement=Placement(default_zone="nova")
        )
        self.application = Lapilli(
            settings=self.settings,
            store=self.store,
            views=around(self.views, before=self.views_outage.before),
            bus=self.bus_of_api,
            reports=self.reports,
            commands=Commands(self.store),
            images=MemoryImageService(),
            default_limits=LIMITS,
            clock=self.clock,
            new_id=uuid4,
        )

    async def open(self) -> None:
        await self.world.has_a_type()
        await self.project()

    async def close(self) -> None:
        await self.views.close()
        self.runner.close()
        self.engine.dispose()

    async def project(self) -> None:
        """The projector does its work."""
        self.views.progressed(await self.runner.catch_up())

    async def create(self, number: int = 1) -> UUID:
        volume: Volume = await self.application.execute(self.world.creation(number))
        return volume.id

    async def listed(self) -> int:
        return await self.views.read(volumes.count, query=Query(project_id=PROJECT))

    async def reported(self, host: str = "host1@gold", **changes: Any) -> None:
        wanted: dict[str, Any] = {
            "binary": "cinder-volume",
            "host": host,
            "zone": "attic",
            "at": self.clock(),
        }
        others = Reports(self.bus, clock=self.clock, down_after_s=DOWN_AFTER_S)
        await others.put(Report(**{**wanted, **changes}))

    async def parts(self) -> dict[str, tuple[bool, str]]:
        health = await self.application.health()
        return {name: (part.ok, part.detail) for name, part in health.parts.items()}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    await stage.open()
    yield stage
    await stage.close()


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Stage]:
    """One whose answers wait for the views as long as a test may take."""
    stage = Stage(tmp_path, read_your_writes_s=30.0)
    await stage.open()
    yield stage
    await stage.close()


# writes


async def test_an_answer_waits_until_lists_show_the_write(patient: Stage):
    writing = asyncio.create_task(patient.create())
    for _ in range(100):
        await asyncio.sleep(0)
    assert (await patient.world.volume()).exists and not writing.done()
    await patient.project()
    async with asyncio.timeout(PATIENCE_S):
        assert await writing == an_id(1)
    assert await patient.listed() == 1


async def test_it_waits_for_its_own_write_not_for_an_earlier_one(patient: Stage):
    writing = asyncio.create_task(patient.create())
    for _ in range(100):
        await asyncio.sleep(0)
    patient.views.progressed(await patient.world.store.last_position() - 1)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not writing.done()
    patient.views.progressed(await patient.world.store.last_position())
    async with asyncio.timeout(PATIENCE_S):
        await writing


async def test_an_answer_that_is_late_is_better_than_one_that_denies_what_is_done(stage: Stage):
    async with asyncio.timeout(PATIENCE_S):
        assert await stage.create() == an_id(1)
    assert await stage.listed() == 0
    assert (await stage.world.volume()).exists


async def test_views_that_are_away_do_not_deny_a_write(stage: Stage):
    stage.views_outage.away = True
    assert await stage.create() == an_id(1)
    assert stage.views_outage.refused == 1


async def test_what_writes_nothing_is_not_waited_for(patient: Stage):
    again = EnsureDefaultVolumeType(name="default", at=a_moment())
    async with asyncio.timeout(PATIENCE_S):
        assert await patient.application.execute(again) == patient.world.type_id


async def test_a_refusal_is_not_waited_for(patient: Stage):
    impossible = patient.world.creation(1, volume_type_id=an_id(99))
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(NotFound):
            await patient.application.execute(impossible)


@pytest.mark.parametrize(
    "error", [Conflict(kind="volume", id="1"), Unavailable(part="database", reason="away")]
)
async def test_refusals_reach_the_caller_as_they_are(stage: Stage, error: Exception):
    async def refuse(method: str) -> None:
        if method == "append":
            raise error

    stage.application._commands = Commands(around(stage.store, before=refuse))
    with pytest.raises(type(error)) as refused:
        await stage.create()
    assert refused.value is error


async def test_a_write_that_takes_too_long_is_refused_as_unavailable(tmp_path: Path):
    stage = Stage(tmp_path, write_timeout_s=0.01)
    await stage.open()

    async def hang(method: str) -> None:
        await asyncio.Event().wait()

    stage.application._commands = Commands(around(stage.store, before=hang))
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Unavailable) as refused:
            await stage.create()
    assert (refused.value.part, refused.value.reason) == (
        "database",
        "the write took too long",
    )
    await stage.close()


# quota


async def test_limits_are_the_projects_own_over_the_defaults(stage: Stage):
    assert await stage.application.limits(PROJECT) == LIMITS
    assert await stage.application.default_limits() == LIMITS
    await stage.world.store.append(limits_of(volumes=3).pending)
    assert await stage.application.limits(PROJECT) == {**LIMITS, "volumes": 3}
    assert await stage.application.limits("another") == LIMITS


async def test_usage_is_what_the_ledger_says(stage: Stage):
    await stage.create()
    usage = await stage.application.usage(PROJECT)
    assert (usage["volumes"].reserved, usage["gigabytes"].reserved) == (1, 2)
    assert await stage.application.usage("another") == {}


# what others carry out


def an_attachment() -> CreateAttachment:
    return CreateAttachment(
        id=an_id(1),
        project_id=PROJECT,
        attachment_id=an_id(0xA1),
        server_id=None,
        mode=None,
        connector={"host": "node-1"},
        at=a_moment(),
    )


async def the_backend_connects(world: World) -> None:
    claim: dict[str, Any] = {"id": an_id(1), "attachment_id": an_id(0xA1), "at": a_moment()}
    attempt = await world.run(StartConnection(**claim, worker="worker-1"))
    reached: dict[str, Any] = {"driver_volume_type": "fake", "reached_by": {}}
    await world.run(FinishConnection(**claim, **reached, attempt=attempt))


async def test_who_wants_something_of_a_backend_is_answered_when_it_is_done(patient: Stage):
    await patient.world.has_a_volume(in_state="available")
    asking = asyncio.create_task(patient.application.carry_out(an_attachment()))
    for _ in range(100):
        await asyncio.sleep(0)
    assert (await patient.world.volume()).status == "reserved" and not asking.done()
    await the_backend_connects(patient.world)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not asking.done()  # lists do not show it yet
    async with asyncio.timeout(30):
        while not asking.done():
            await patient.project()
            await asyncio.sleep(0.01)
    assert isinstance(await asking, Connected)


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Stage]:
    """One that waits for backends hardly at all."""
    stage = Stage(tmp_path, backend_timeout_s=0.01)
    await stage.open()
    yield stage
    await stage.close()


async def test_when_its_time_is_up_it_is_given_up_and_nothing_stays_reserved(impatient: Stage):
    await impatient.world.has_a_volume(in_state="available")
    with pytest.raises(Unavailable, match="did not answer"):
        await impatient.application.carry_out(an_attachment())
    volume = await impatient.world.volume()
    assert volume.status == "available"
    [attachment] = volume.attachments.values()
    assert (attachment.state, attachment.released) == ("removal_requested", True)
    with pytest.raises(NotAllowed):
        await the_backend_connects(impatient.world)


async def test_what_was_done_at_the_last_moment_counts(impatient: Stage):
    await impatient.world.has_a_volume(in_state="available")

    async def slowly(errand: Errand, *, timeout_s: float) -> None:
        await the_backend_connects(impatient.world)

    impatient.application._outcomes.of = slowly  # type: ignore[method-assign]
    made = await impatient.application.carry_out(an_attachment())
    assert isinstance(made, Connected)
    assert (await impatient.world.volume()).status == "attaching"


async def test_what_cannot_be_given_up_goes_on_and_who_asked_is_told(impatient: Stage):
    await impatient.world.has_a_volume(in_state="available")
    await impatient.world.run(an_attachment())
    await the_backend_connects(impatient.world)
    detach = DetachVolume(id=an_id(1), project_id=PROJECT, attachment_id=None, at=a_moment())
    with pytest.raises(Unavailable, match=r"host1@gold#pool1 is unavailable: no answer"):
        await impatient.application.carry_out(detach)
    assert (await impatient.world.volume()).status == "detaching"


async def test_what_is_done_at_once_is_answered_at_once(impatient: Stage):
    await impatient.world.has_a_volume(in_state="available")
    reserve = CreateAttachment(
        id=an_id(1),
        project_id=PROJECT,
        attachment_id=an_id(0xA1),
        server_id=None,
        mode=None,
        at=a_moment(),
    )
    assert await impatient.application.carry_out(reserve) is None
    assert (await impatient.world.volume()).status == "reserved"


# services, pools, zones


async def test_services_are_up_or_down_by_age_and_by_what_they_say(stage: Stage):
    await stage.reported("old@gold")
    stage.clock.now_s += DOWN_AFTER_S
    await stage.reported("new@gold")
    await stage.reported("ill@gold", problem="no mount")
    assert {s.host: s.up for s in await stage.application.services()} == {
        "old@gold": False,
        "new@gold": True,
        "ill@gold": False,
    }
    [new] = [s for s in await stage.application.services() if s.host == "new@gold"]
    assert (new.binary, new.zone) == ("cinder-volume", "attic")
    assert new.updated_at == stage.clock()


async def test_pools_of_dead_backends_vanish(stage: Stage):
    await stage.reported("h1@gold", stats=some_stats("p1", "p2"))
    await stage.reported("h2@lead", stats=some_stats("p1"), problem="no mount")
    await stage.reported("h3", binary="cinder-scheduler")
    assert [p.name for p in await stage.application.pools()] == ["h1@gold#p1", "h1@gold#p2"]
    stage.clock.now_s += DOWN_AFTER_S
    assert await stage.application.pools() == []


async def test_a_pool_shows_what_backend_and_pool_say_under_cinders_names(stage: Stage):
    stats = some_stats("p1")
    pool = msgspec.structs.replace(stats.pools[0], capabilities={"compression": True})
    await stage.reported(stats=msgspec.structs.replace(stats, pools=(pool,)))
    [shown] = await stage.application.pools()
    assert (shown.zone, shown.timestamp) == ("attic", stage.clock())
    assert shown.capabilities == {
        "volume_backend_name": "gold",
        "vendor_name": "Lapilli",
        "driver_version": "1",
        "storage_protocol": "memory",
        "data_path": "none",
        "data_path_problem": "",
        "pool_name": "p1",
        "total_capacity_gb": 100.0,
        "free_capacity_gb": 60.0,
        "allocated_capacity_gb": 40.0,
        "provisioned_capacity_gb": 50.0,
        "total_volumes": 3,
        "thin_provisioning_support": True,
        "thick_provisioning_support": False,
        "max_over_subscription_ratio": 3.0,
        "reserved_percentage": 10,
        "compression": True,
        "backend_state": "up",
    }


async def test_zones_are_the_default_one_and_those_of_backends(stage: Stage):
    assert stage.application.zones() == {"nova"}
    await stage.reported("h1@gold", stats=some_stats("p1"))
    await stage.reported("h2", zone="cellar")
    await stage.reports.all()
    assert stage.application.zones() == {"nova", "attic"}


async def test_watching_keeps_zones_fresh_through_outages(stage: Stage):
    stage.bus_outage.away = True
    await stage.reported(stats=some_stats("p1"))
    watching = asyncio.create_task(stage.application.watch(interval_s=0))
    async with asyncio.timeout(PATIENCE_S):
        while stage.bus_outage.refused < 3:  # noqa: ASYNC110 - only turns of the event loop
            await asyncio.sleep(0)
        stage.bus_outage.away = False
        while stage.application.zones() != {"nova", "attic"}:  # noqa: ASYNC110
            await asyncio.sleep(0)
    watching.cancel()


# health


async def test_with_everything_well_it_is_ready_and_every_part_says_how_it_is(stage: Stage):
    await stage.reported(stats=some_stats("p1"))
    await stage.reported("host1", binary="lapilli-relay", behind=3)
    health = await stage.application.health()
    assert health.ready and all(part.ok for part in health.parts.values())
    assert await stage.parts() == {
        "message bus": (True, ""),
        "database": (True, "log at 1"),
        "views": (True, "0 events behind"),
        "cinder-volume host1@gold": (True, "last seen 08:00:00"),
        "lapilli-relay host1": (True, "last seen 08:00:00, 3 events behind"),
    }


async def test_without_its_database_it_is_not_ready_and_says_so(stage: Stage):
    stage.store_outage.away = True
    assert not (await stage.application.health()).ready
    assert await stage.parts() == {"message bus": (True, ""), "database": (False, "away")}


async def test_without_its_views_it_is_not_ready_and_says_so(stage: Stage):
    stage.views_outage.away = True
    health = await stage.application.health()
    assert (health.ready, health.parts["database"].ok) == (False, True)
    assert (await stage.parts())["views"] == (False, "away")


async def test_views_far_behind_are_not_ready(stage: Stage):
    far = await stage.world.store.last_position() + LAG_WARNING

    async def last_position() -> int:
        return far

    stage.world.store.last_position = last_position  # type: ignore[method-assign]
    assert not (await stage.application.health()).ready
    assert (await stage.parts())["views"] == (False, f"{LAG_WARNING} events behind")
    far -= 1
    assert (await stage.application.health()).ready


async def test_without_the_bus_it_is_ready_but_says_so(stage: Stage):
    await stage.bus_of_api.close()
    stage.bus_outage.away = True
    health = await stage.application.health()
    assert health.ready
    assert not health.parts["message bus"].ok
    assert (await stage.parts())["services"] == (False, "away")


async def test_a_service_that_is_silent_ill_or_far_behind_is_named(stage: Stage):
    await stage.reported("silent@gold")
    stage.clock.now_s += DOWN_AFTER_S
    await stage.reported("ill@gold", problem="no mount")
    await stage.reported("host1", binary="lapilli-relay", behind=LAG_WARNING)
    parts = await stage.parts()
    assert parts["cinder-volume silent@gold"] == (False, "silent, last seen 08:00:00")
    assert parts["cinder-volume ill@gold"] == (False, "no mount")
    assert parts["lapilli-relay host1"] == (
        False,
        f"last seen 08:01:00, {LAG_WARNING} events behind",
    )
    assert (await stage.application.health()).ready  # requests can be answered all the same
