"""Cinder's known defects (lifecycles 15, by number) do not happen here."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import product
from typing import Any
from uuid import UUID, uuid5

import pytest

from adapters.event_store.memory import MemoryEventStore
from domain import codec
from domain.aggregates import AGGREGATES
from domain.aggregates.volume import Volume
from domain.errors import (
    LapilliError,
    NotAllowed,
    Superseded,
    Unavailable,
)
from domain.event import Event, Recorded
from services.commands.creation import CreateVolume, create_volume
from services.unit_of_work import UnitOfWork
from tests.defects.crashing import Crash, CrashingStore
from tests.services.commands.rivals import SITUATIONS
from tests.services.commands.world import LIMITS, PATHS, STEPS, World
from tests.services.processes.holding import (
    HOUR_S,
    LARGER_GIB,
    SIZE_GIB,
    STARTED,
    committed,
    extending,
    settle,
    succeeded,
)
from tests.support.builders import PROJECT, USER, a_pool, a_reservation, an_id

WHOLE_LIVES = {
    "used and deleted": "deleted",
    "deleted before it was placed": "deleted, on no backend",
    "failed": "error",
    "unplaceable": "error, on no backend",
    "cancelled": "removing, never made",
}


async def lived(world: World, path: str) -> None:
    await world.has_a_type()
    await world.has_a_volume(in_state=path)


async def finished(world: World) -> None:
    """What the processes do after a restart: whatever the volume's state asks for."""
    onward = {
        "requested": "place",
        "placed": "start",
        "provisioning": "made",
        "cancelling": "start",
        "deleting": "remove",
        "removing": "gone",
    }
    while (state := (await world.volume()).state) in onward:
        await world.run(await STEPS[onward[state]](world, an_id(1)))


async def create_in_two_steps(cmd: CreateVolume, work: UnitOfWork) -> None:
    """Cinder's way: quota first, then the row."""
    assert cmd.size_gib is not None and cmd.volume_type_id is not None
    volume = Volume.request(
        cmd.id, project_id=PROJECT, user_id=USER, size_gib=cmd.size_gib, name=None,
        description=None, metadata={}, volume_type_id=cmd.volume_type_id, availability_zone=None,
        reservation_id=an_id(9), at=cmd.at,
    )  # fmt: skip
    await work.commit(a_reservation(9))
    await work.commit(volume)


@pytest.mark.parametrize(("create", "leaks"), [(create_volume, False), (create_in_two_steps, True)])
async def test_defect_02_what_is_reserved_has_a_volume_wherever_its_creation_ends(create, leaks):
    found = 0
    for appends, before in product((2, 3), (True, False)):
        world = World(CrashingStore(at=appends, before=before))
        await world.has_a_type()
        with suppress(Crash):
            await world.commands.run(create, world.creation(1))
        reserved = (await world.usage()).get("volumes", (0, 0))[1]
        found += bool(reserved) and not (await world.volume()).exists
    assert bool(found) is leaks


@pytest.mark.parametrize("before", [True, False], ids=["before it is stored", "after"])
@pytest.mark.parametrize("path", WHOLE_LIVES.values(), ids=list(WHOLE_LIVES))
async def test_defect_02_a_crash_between_reserve_and_commit_leaks_nothing(path, before):
    appends = 0
    while True:
        appends += 1
        store = CrashingStore(at=appends, before=before)
        try:
            await lived(World(store), path)
        except Crash:
            pass
        else:
            break
        restarted = World(store)
        await restarted.assert_sound()
        await finished(restarted)
        await restarted.assert_sound()
        assert not [used for used in (await store.usage(PROJECT)).values() if used.reserved]
    assert appends > len(PATHS[path])


async def test_defect_02_quota_given_back_twice_is_given_back_once():
    world = await (await World().has_a_type()).has_a_volume(in_state="removing")
    gone = await STEPS["gone"](world, an_id(1))
    answers = await asyncio.gather(
        *(world.another_process().run(gone) for _ in range(5)), return_exceptions=True
    )
    assert [isinstance(answer, NotAllowed) for answer in answers].count(False) == 1
    assert await world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}


async def test_defect_02_a_commit_later_than_the_expiry_counts():
    ring, work = await extending(*STARTED)
    ring.clock.now_s += HOUR_S
    await settle(ring)
    await work.decide(succeeded, committed)
    await settle(ring)
    assert (await ring.world.usage())["gigabytes"] == (LARGER_GIB, 0)


async def test_defect_02_what_was_reserved_for_nothing_does_not_stay_for_a_day():
    ring, _ = await extending()
    ring.clock.now_s += HOUR_S
    await settle(ring)
    assert (await ring.world.usage())["gigabytes"] == (SIZE_GIB, 0)


@pytest.mark.parametrize("situation", ["deleted", "sending", "restoring-backup"])
async def test_defect_03_every_fact_is_a_plain_value_that_another_process_can_resume_from(
    situation,
):
    world = await SITUATIONS[situation]()
    restored: dict[UUID, object] = {}
    for recorded in await world.store.log(0, 1000):
        state = codec.encode(recorded)
        assert isinstance(json.loads(state)["data"], dict)
        read = codec.decode(
            aggregate_id=recorded.aggregate_id,
            version=recorded.version,
            topic=recorded.event.topic,
            state=state,
            position=recorded.position,
        )
        assert read == recorded
        kind = AGGREGATES[read.event.kind]
        aggregate = restored.setdefault(read.aggregate_id, kind(id=read.aggregate_id))
        aggregate.replay(read)  # type: ignore[attr-defined]
    assert restored[an_id(1)] == await world.volume()


@pytest.mark.parametrize("state", ["requested", "placed", "provisioning"])
@pytest.mark.parametrize("outcome", ["made", "not made"])
async def test_defect_04_a_volume_deleted_while_it_is_created_never_vanishes_or_comes_back(
    state, outcome
):
    world = await (await World().has_a_type()).has_a_volume(in_state=state)
    late = await STEPS[outcome](world, an_id(1))
    await world.run(await STEPS["force"](world, an_id(1)))
    for step in ("place", "start"):
        if state != "provisioning":
            with pytest.raises(LapilliError):
                await world.run(await STEPS[step](world, an_id(1)))
    if state == "provisioning":
        await world.run(late)
    else:
        with pytest.raises(Superseded):
            await world.run(late)
    assert (await world.volume()).state in ("deleting", "deleted")
    await finished(world)
    assert (await world.volume()).state == "deleted"
    assert await world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}


class LosingStore(MemoryEventStore):
    """Loses the answer to the first appends: before they are stored, or after."""

    def __init__(self, *, times: int, stored: bool) -> None:
        super().__init__(default_limits=LIMITS)
        self._times, self._stored, self.armed = times, stored, False

    async def append(self, events: Sequence[Recorded[Event]], **more: Any) -> int:
        if not self.armed or not self._times:
            return await super().append(events, **more)
        self._times -= 1
        if self._stored:
            await super().append(events, **more)
        raise Unavailable(part="database", reason="connection lost")


@pytest.mark.parametrize("stored", [True, False])
async def test_defect_05_a_success_is_told_again_until_it_is_recorded_and_counts_once(stored):
    store = LosingStore(times=3, stored=stored)
    world = await (await World(store).has_a_type()).has_a_volume(in_state="provisioning")
    done, store.armed = await STEPS["made"](world, an_id(1)), True
    for _ in range(4):
        try:
            await world.run(done)
            break
        except Unavailable:
            continue
        except Superseded:
            break  # it was recorded, only the answer was lost
    assert (await world.volume()).state == "available"
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    await world.assert_sound()


async def test_defect_09_a_creation_that_is_refused_leaves_no_row_and_no_quota():
    world = await World().has_a_type()
    for number in range(LIMITS["volumes"]):
        await world.run(world.creation(number))
    usage = await world.usage()
    with pytest.raises(LapilliError):
        await world.run(world.creation(99))
    assert not (await world.volume(99)).exists
    assert await world.usage() == usage
    await world.assert_sound()


@pytest.mark.parametrize("path", ["error", "error, on no backend"])
async def test_defect_22_a_volume_in_error_holds_quota_until_it_is_deleted_and_shows_why(path):
    world = await (await World().has_a_type()).has_a_volume(in_state=path)
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    reasons = [
        getattr(recorded.event, "reason", None)
        for recorded in await world.store.events(an_id(1))
        if recorded.event.verb in ("placement_failed", "provisioning_failed")
    ]
    assert len(reasons) == 1 and reasons[0]
    await world.run(await STEPS["delete"](world, an_id(1)))
    await finished(world)
    assert await world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}


async def test_defect_22_an_unplaceable_volume_shows_every_backend_and_its_reason():
    world = await World().has_a_type()
    await world.run(world.creation(1, size_gib=20))
    command = await STEPS["place"](world, an_id(1))
    pools = [a_pool("a", total_gib=10), a_pool("b", total_gib=0)]
    await world.run(type(command)(id=command.id, pools=pools, at=command.at))
    event = (await world.store.events(an_id(1)))[-1].event
    assert [v.refused_by for v in event.decision.candidates] == [  # type: ignore[attr-defined]
        "CapacityFilter",
        "CapacityFilter",
    ]


async def test_defect_02_the_reservation_is_in_the_very_append_that_creates_its_volume():
    world = await World().has_a_type()
    appended: list[int] = []
    world.store.on_append(appended.append)
    await world.run(world.creation(1))
    reservation, volume = await world.store.log(1, 10)
    assert appended == [volume.position]
    assert reservation.aggregate_id == uuid5(an_id(1), "reservation")
