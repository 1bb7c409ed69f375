"""Closing backends: what is placed and deleted then, also when both happen at once."""

import asyncio
import itertools
from typing import Any

import pytest

from domain.aggregates import volume
from domain.aggregates.closures import CLOSURES_ID
from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from domain.errors import InvalidRequest, NotAllowed
from domain.event import Event, Recorded
from services.commands import HANDLERS
from services.commands.extension import ExtendVolume, PlaceExtension
from services.commands.service import DisableService, EnableService, FreezeBackend, ThawBackend
from services.commands.volume import PlaceVolume
from services.unit_of_work import Commands
from tests.services.commands.world import ReluctantStore, World, delete, force
from tests.support.builders import HOST, a_moment, a_pool, an_id

NOW = a_moment(60)
POOLS = [a_pool("h@a#p"), a_pool("h@b#p", total_gib=50)]
GOOD, LESSER = "h@a", "h@b"
BACKEND = HOST.partition("#")[0]


def disabling(host: str, reason: str | None = None) -> DisableService:
    return DisableService(name=ServiceName(VOLUME_SERVICE, host), reason=reason, at=NOW)


def enabling(host: str) -> EnableService:
    return EnableService(name=ServiceName(VOLUME_SERVICE, host), at=NOW)


def freezing(host: str) -> FreezeBackend:
    return FreezeBackend(host=host, at=NOW)


def thawing(host: str) -> ThawBackend:
    return ThawBackend(host=host, at=NOW)


def placing(number: int = 1) -> PlaceVolume:
    return PlaceVolume(id=an_id(number), pools=POOLS, at=NOW)


async def a_world() -> World:
    """One in which a volume waits to be placed."""
    return await (await World().has_a_type()).has_a_volume(in_state="requested")


async def placed(world: World, number: int = 1) -> volume.Placed | volume.PlacementFailed:
    """What became of a placement."""
    await world.run(placing(number))
    event = (await world.store.events(an_id(number)))[-1].event
    assert isinstance(event, volume.Placed | volume.PlacementFailed)
    return event


CLOSED = [
    ([disabling(GOOD, "new disks")], "disabled: new disks"),
    ([disabling(GOOD)], "disabled"),
    ([freezing(GOOD)], "frozen"),
    ([freezing(GOOD), disabling(GOOD, "x"), enabling(GOOD)], "frozen"),
]


@pytest.mark.parametrize(("commands", "why"), CLOSED)
async def test_nothing_new_goes_to_a_closed_backend_and_the_decision_says_why(commands, why):
    world = await a_world()
    for command in commands:
        await world.run(command)
    event = await placed(world)
    assert isinstance(event, volume.Placed) and event.host == "h@b#p"
    refused = {v.pool: (v.refused_by, v.reason) for v in event.decision.candidates if v.reason}
    assert refused == {"h@a#p": ("ServiceFilter", why)}


@pytest.mark.parametrize(
    "commands",
    [
        [],
        [enabling(GOOD)],
        [disabling(GOOD), enabling(GOOD)],
        [freezing(GOOD), thawing(GOOD)],
        [disabling("h")],
        [DisableService(name=ServiceName("cinder-scheduler", GOOD), at=NOW)],
    ],
)
async def test_what_is_open_again_or_was_never_spoken_of_is_placed_on(commands):
    world = await a_world()
    for command in commands:
        await world.run(command)
    event = await placed(world)
    assert isinstance(event, volume.Placed) and event.host == "h@a#p"
    assert all(verdict.refused_by is None for verdict in event.decision.candidates)


async def test_where_everything_is_closed_the_volume_is_in_error_with_every_reason():
    world = await a_world()
    await world.run(disabling(GOOD, "new disks"))
    await world.run(freezing(LESSER))
    event = await placed(world)
    assert isinstance(event, volume.PlacementFailed)
    assert "h@a#p disabled: new disks (ServiceFilter)" in event.reason
    assert "h@b#p frozen (ServiceFilter)" in event.reason
    await world.assert_sound()


async def test_a_service_and_the_list_of_closed_backends_speak_in_one_append():
    world = World()
    assert await world.news(disabling(GOOD)) == ["service.disabled", "closures.changed"]
    assert await world.news(freezing(GOOD)) == ["service.frozen", "closures.changed"]
    assert await world.news(disabling(GOOD)) == []
    assert await world.news(enabling(GOOD)) == ["service.enabled", "closures.changed"]
    assert await world.news(thawing(GOOD)) == ["service.thawed", "closures.lifted"]
    other = DisableService(name=ServiceName("cinder-backup", "h"), at=NOW)
    assert await world.news(other) == ["service.disabled"]


async def test_the_list_is_lifted_by_a_process_that_heard_of_the_service_and_not_of_the_list():
    world = World()
    await world.run(disabling(LESSER))
    await world.run(enabling(LESSER))  # so that this process knows the list
    await world.another_process().run(freezing(GOOD))
    frozen = [r for r in await world.store.log(0, 100) if r.event.type_name == "service.frozen"]
    world.commands.aggregates.learn(frozen[-1])
    assert await world.news(thawing(GOOD)) == ["service.thawed", "closures.lifted"]


async def test_a_placement_decided_on_what_was_open_is_decided_anew():
    """This process knows nothing of what another one does between its decision and its append."""
    world = await a_world()
    await world.has_a_volume(in_state="requested", number=2)
    assert (await placed(world, 2)).host == "h@a#p"  # type: ignore[union-attr]
    await world.another_process().run(disabling(GOOD))
    event = await placed(world)
    assert isinstance(event, volume.Placed) and event.host == "h@b#p"


async def test_a_refusal_decided_on_what_was_closed_is_decided_anew():
    world = await a_world()
    await world.run(disabling(GOOD))
    await world.run(disabling(LESSER))
    await world.another_process().run(enabling(LESSER))
    event = await placed(world)
    assert isinstance(event, volume.Placed) and event.host == "h@b#p"


@pytest.mark.parametrize("seed", range(12))
async def test_however_they_race_nothing_is_placed_on_a_backend_once_it_is_closed(seed):
    """Several schedulers, and an administrator who closes and opens what they choose from."""
    store = ReluctantStore((seed * 7 + n * 5) % 4 for n in itertools.count())
    world = await World(store).has_a_type()
    for number in range(1, 9):
        await world.run(world.creation(number))
    schedulers = [Commands(store) for _ in range(3)]

    async def administer() -> None:
        commands = Commands(store)
        for command in (disabling(GOOD), freezing(LESSER), enabling(GOOD), disabling(GOOD, "x")):
            await commands.run(HANDLERS[type(command)], command)
            await asyncio.sleep(0)

    async def place(number: int) -> None:
        await schedulers[number % 3].run(HANDLERS[PlaceVolume], placing(number))

    await asyncio.gather(administer(), *(place(number) for number in range(1, 9)))
    closed: dict[str, Any] = {}
    for recorded in await store.log(0, 1_000):
        closed = _closed_after(recorded, closed)
        if isinstance(recorded.event, volume.Placed):
            assert recorded.event.backend not in closed, recorded
    assert closed.keys() == {GOOD, LESSER}


def _closed_after(recorded: Recorded[Event], closed: dict[str, Any]) -> dict[str, Any]:
    if recorded.event.kind != "closures":
        return closed
    return dict(getattr(recorded.event, "closed", {}))


# frozen


@pytest.mark.parametrize("state", ["placed", "available", "error", "error_deleting"])
async def test_nothing_on_a_frozen_backend_is_deleted(state):
    world = await (await World().has_a_type()).has_a_volume(in_state=state)
    await world.run(freezing(BACKEND))
    before = await world.verbs()
    with pytest.raises(InvalidRequest, match="frozen"):
        await world.run(await force(world, an_id(1)))
    with pytest.raises((InvalidRequest, NotAllowed)):
        await world.run(await delete(world, an_id(1)))
    assert await world.verbs() == before
    await world.run(thawing(BACKEND))
    await world.run(await force(world, an_id(1)))
    assert (await world.volume()).state == "deleting"


@pytest.mark.parametrize("state", ["requested", "error, on no backend"])
async def test_what_is_on_no_backend_can_be_deleted_whatever_is_frozen(state):
    world = await (await World().has_a_type()).has_a_volume(in_state=state)
    await world.run(freezing(BACKEND))
    await world.run(await delete(world, an_id(1)))
    assert (await world.volume()).state == "deleted"


async def test_a_deletion_decided_before_the_freeze_is_refused_if_it_is_stored_after():
    world = await (await World().has_a_type()).has_a_volume(in_state="available")
    await world.has_a_volume(in_state="available", number=2)
    await world.run(await delete(world, an_id(2)))  # knows from now on that nothing is frozen
    await world.another_process().run(freezing(BACKEND))
    with pytest.raises(InvalidRequest, match="frozen"):
        await world.run(await delete(world, an_id(1)))
    assert (await world.volume()).state == "available"


async def test_what_is_disabled_is_still_deleted_from():
    world = await (await World().has_a_type()).has_a_volume(in_state="available")
    await world.run(disabling(BACKEND))
    await world.run(await delete(world, an_id(1)))
    assert (await world.volume()).state == "deleting"


@pytest.mark.parametrize("closing", [disabling(BACKEND, "new disks"), freezing(BACKEND)])
@pytest.mark.parametrize("elsewhere", [False, True])
async def test_nothing_grows_on_a_closed_backend(closing, elsewhere):
    world = await (await World().has_a_type()).has_a_volume(in_state="available")
    await world.has_a_volume(in_state="available", number=2)  # nothing is closed, as far as known
    await world.run(ExtendVolume(id=an_id(1), project_id=None, new_size_gib=5, at=NOW))
    await (world.another_process() if elsewhere else world).run(closing)
    growing = PlaceExtension(id=an_id(1), pools=[a_pool()], at=NOW)
    assert await world.news(growing) == [
        "volume.extension_refused",
        "quota_reservation.rolled_back",
    ]
    refused = (await world.store.events(an_id(1)))[-1].event
    assert getattr(refused, "reason", "") in ("disabled: new disks", "frozen")
    assert (await world.volume()).size_gib == 2


async def test_of_two_that_freeze_at_once_one_is_told_that_it_is_frozen():
    world = World(ReluctantStore(iter([2, 1, 2, 1, 2, 1])))
    outcomes = await asyncio.gather(
        world.run(freezing(GOOD)), world.another_process().run(freezing(GOOD)),
        return_exceptions=True,
    )  # fmt: skip
    assert [type(each) for each in outcomes if each is not None] == [InvalidRequest]


async def test_a_volume_in_a_state_that_cannot_be_deleted_says_so_first():
    world = await (await World().has_a_type()).has_a_volume(in_state="provisioning")
    await world.run(freezing(BACKEND))
    with pytest.raises(NotAllowed):
        await world.run(await delete(world, an_id(1)))


async def test_that_nothing_was_ever_closed_is_asked_of_the_store_once():
    """Each placement and deletion depends on it: it must cost them no read of the log."""
    world = await a_world()
    for number in range(2, 6):
        await world.has_a_volume(in_state="requested", number=number)
    await placed(world)
    reads: list[Any] = []
    events = world.store.events

    async def observed(aggregate_id: Any, **more: Any) -> Any:
        reads.append(aggregate_id)
        return await events(aggregate_id, **more)

    world.store.events = observed  # type: ignore[method-assign]
    for number in range(2, 6):
        await world.run(placing(number))
    assert CLOSURES_ID not in reads
