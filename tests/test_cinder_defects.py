"""Cinder's known defects (lifecycles 15, by number) do not happen here."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

import pytest

from adapters.drivers.contract import DriverFailure, InvalidConnector
from adapters.drivers.memory import Fault, Work
from adapters.event_store.memory import MemoryEventStore
from domain import codec
from domain.aggregates import AGGREGATES
from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.aggregates.volume import Volume, attaching, connecting, properties, retyping
from domain.encryption import Encryption
from domain.errors import (
    Conflict,
    LapilliError,
    NotAllowed,
    OverQuota,
    Superseded,
    Unavailable,
)
from domain.event import Event, Recorded
from services.commands.attaching import AttachVolume, CompleteAttachment, HoldVolume
from services.commands.encryption_key import FinishKeyMaking
from services.commands.volume import DescribeVolume
from tests.services.commands.moving import (
    NOT_AFTER,
    a_world,
    by_an_administrator,
    by_force,
    declined,
    finish,
    place,
    retype,
    start,
    typed,
    without_a_pool,
)
from tests.services.commands.world import LIMITS, PATHS, STEPS, ReluctantStore, World
from tests.services.processes.deaths import die_everywhere
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
from tests.services.processes.lateness import late
from tests.services.processes.ring import ATTACHMENT, POOL, Ring, a_ring_with_a_volume
from tests.services.processes.test_extending import a_volume_to_extend, assert_settled
from tests.services.processes.waits import CASES
from tests.support.builders import HOST, PROJECT, a_moment, a_pool, an_id


class Crash(Exception):
    """The process is gone."""


class CrashingStore(MemoryEventStore):
    """Kills its process before or after the n-th append."""

    def __init__(self, *, at: int, before: bool) -> None:
        super().__init__(default_limits=LIMITS)
        self._left, self._before = at, before

    async def append(self, events: Sequence[Recorded[Event]], **more: Any) -> int:
        self._left -= 1
        if self._left == 0 and self._before:
            raise Crash
        position = await super().append(events, **more)
        if self._left == 0:
            raise Crash
        return position


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


async def test_defect_03_every_fact_is_a_plain_value_that_another_process_can_resume_from():
    world = await World().has_a_type()
    await world.has_a_volume(in_state="deleted")
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


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(failure=DriverFailure("offline", True), work=work) for work in Work),
        Fault(failure=InvalidConnector("no iqn")),
    ],
)
async def test_defect_20_an_attachment_whose_connector_fails_leaves_nothing_reserved(fault):
    ring = await a_ring_with_a_volume()
    ring.faults.plan("connect_volume", fault)
    await ring.attach(connector={"host": "node-1"})
    assert (await ring.volume()).status == "reserved"
    await ring.go_on()
    volume = await ring.volume()
    assert (volume.status, volume.attachments) == ("available", {})
    assert ring.connections == set()


async def test_defect_20_only_what_is_connected_can_be_completed():
    ring = await a_ring_with_a_volume()
    await ring.attach()
    complete = CompleteAttachment(
        id=an_id(1), project_id=PROJECT, attachment_id=ATTACHMENT, at=a_moment()
    )
    with pytest.raises(NotAllowed, match="reserved"):
        await ring.world.another_process().run(complete)
    assert (await ring.volume()).status == "reserved"


@pytest.mark.parametrize(("readonly", "mode"), [(None, "rw"), (False, "rw"), (True, "ro")])
async def test_defect_20_a_readonly_flag_that_says_no_is_not_taken_for_yes(readonly, mode):
    ring = await a_ring_with_a_volume()
    volume = await ring.volume()
    if readonly is not None:
        properties.set_readonly(volume, readonly, a_moment())
    attaching.reserve(volume, ATTACHMENT, server_id=None, mode=None, at=a_moment())
    connecting.connect(volume, ATTACHMENT, {"host": "node-1"}, at=a_moment())
    await ring.store.append(volume.pending)
    await ring.go_on()
    [attached] = ring.backend.pools[POOL].connected.values()
    assert attached == mode


@pytest.mark.parametrize("wish", ["attach", "detach"])
async def test_defect_21_a_volume_never_stays_attaching_or_detaching_after_a_crash(wish):
    async def given() -> Ring:
        ring = await a_ring_with_a_volume()
        await ring.attach(connector={"host": "node-1"})
        if wish == "detach":
            await ring.go_on()
            await ring.detach()
        return ring

    async def then(ring: Ring) -> None:
        volume = await ring.volume()
        assert volume.at_rest
        assert volume.status == ("attaching" if wish == "attach" else "available")
        assert len(ring.connections) == len(volume.attachments)

    assert len(await die_everywhere(given, then)) > 5


async def test_defect_21_what_only_its_user_holds_its_user_can_let_go():
    for wish, back in (("reserve", "unreserve"), ("begin detaching", "roll detaching")):
        world = await (await World().has_a_type()).has_a_volume(in_state="available")
        hold: dict[str, Any] = {"id": an_id(1), "project_id": PROJECT, "at": a_moment()}
        if wish == "begin detaching":
            attached: dict[str, Any] = {
                "server_id": "s",
                "node": None,
                "device": "/dev/vdb",
                "mode": "rw",
            }
            await world.run(AttachVolume(**hold, **attached, attachment_id=ATTACHMENT))
        before = (await world.volume()).status
        await world.run(HoldVolume(**hold, wish=wish))
        held = await world.volume()
        assert held.status in ("attaching", "detaching") and held.at_rest
        await world.run(HoldVolume(**hold, wish=back))
        assert (await world.volume()).status == before


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


async def test_defect_25_a_deletion_that_races_with_the_end_of_creation_is_not_overwritten():
    for patience in ([], [1] * 30, [2, 0] * 30, [0, 3] * 30):
        slowly: list[int] = []
        store = ReluctantStore(iter(lambda slowly=slowly: slowly.pop() if slowly else 0, -1))  # type: ignore[misc]
        world = await (await World(store).has_a_type()).has_a_volume(in_state="provisioning")
        made = await STEPS["made"](world, an_id(1))
        force = await STEPS["force"](world, an_id(1))
        slowly.extend(patience)
        await asyncio.gather(world.another_process().run(made), world.another_process().run(force))
        assert (await world.volume()).state == "deleting"
        with pytest.raises(Superseded):
            await world.run(made)
        await world.assert_sound()


async def test_defect_25_two_changes_at_once_both_happen():
    store = ReluctantStore(iter([1, 2] * 50))
    world = await (await World(store).has_a_type()).has_a_volume(in_state="available")

    def change(**words: Any) -> DescribeVolume:
        return DescribeVolume(id=an_id(1), project_id=PROJECT, at=a_moment(), **words)

    await asyncio.gather(
        world.another_process().run(change(name="new")),
        world.another_process().run(change(description="words")),
    )
    volume = await world.volume()
    assert (volume.name, volume.description) == ("new", "words")


async def test_defect_25_a_decision_on_what_has_changed_is_refused_not_written():
    world = await (await World().has_a_type()).has_a_volume(in_state="provisioning")
    stale = Volume.from_history(an_id(1), await world.store.events(an_id(1)))
    await world.run(await STEPS["force"](world, an_id(1)))
    stale.provisioned(stale.attempt, "p", a_moment())
    with pytest.raises(Conflict):
        await world.store.append(stale.pending)
    assert (await world.volume()).state == "cancelling"


async def test_defect_02_the_reservation_is_in_the_very_append_that_creates_its_volume():
    world = await World().has_a_type()
    appended: list[int] = []
    world.store.on_append(appended.append)
    await world.run(world.creation(1))
    reservation, volume = await world.store.log(1, 10)
    assert appended == [volume.position]
    assert reservation.aggregate_id == uuid5(an_id(1), "reservation")


@pytest.mark.parametrize("ends", [without_a_pool, declined, by_force, by_an_administrator])
async def test_defect_13_a_retype_that_fails_gives_back_the_quota_of_both_types_at_once(ends):
    world = await a_world()
    await world.run(retype())
    await ends(world)
    assert await typed(world) == NOT_AFTER
    reservations = [r for r in await world.verbs() if r.startswith("quota_reservation.")]
    assert reservations[-2:] == ["quota_reservation.held", "quota_reservation.rolled_back"]


async def test_defect_13_several_may_attach_it_only_once_it_has_been_retyped():
    world = await a_world(multiattach="<is> True")
    await world.run(retype())
    await world.run(await place(world, HOST, capabilities={"multiattach": True}))
    await world.run(await start(world))
    before = [r.event for r in await world.store.events(an_id(1))]
    assert not any(getattr(event, "multiattach", False) for event in before)
    assert (await world.volume()).volume_type_id == str(world.type_id)
    await world.run(await finish(world))
    [retyped] = [r.event for r in await world.store.events(an_id(1))][len(before) :]
    assert isinstance(retyped, retyping.Retyped)
    assert retyped.multiattach


async def test_defect_14_an_extension_that_a_driver_cannot_begin_gives_back_quota_and_room():
    ring = await a_volume_to_extend()
    ring.faults.fail("extend_volume", DriverFailure("the driver is not initialised", False))
    await ring.go_on()
    await assert_settled(ring, size_gib=SIZE_GIB)


async def an_encrypted_type(store: MemoryEventStore | None = None) -> World:
    world = await World(store).has_a_type()
    return await world.has_encryption(Encryption(provider="luks", key_size=256))


async def test_defect_19_a_volume_that_is_refused_has_no_key_made():
    world = await an_encrypted_type()
    with pytest.raises(OverQuota):
        await world.run(world.creation(1, size_gib=LIMITS["gigabytes"] + 1))
    asked = [r for r in await world.store.log(0, 1000) if r.event.kind == "encryption_key"]
    assert asked == []


@pytest.mark.parametrize("before", [True, False], ids=["before it is stored", "after"])
async def test_defect_19_a_crash_while_an_encrypted_volume_is_accepted_leaks_no_key(before):
    store = CrashingStore(at=3, before=before)  # after the type and its encryption
    world = await an_encrypted_type(store)
    with pytest.raises(Crash):
        await world.run(world.creation(1))
    kinds = {recorded.event.kind for recorded in await store.log(2, 1000)}
    assert kinds == (set() if before else {"quota_reservation", "volume", "encryption_key"})


async def test_defect_19_a_volume_that_cannot_be_deleted_stays_readable():
    world = await an_encrypted_type()
    await world.run(world.creation(1))
    id = key_of(an_id(1))
    await world.run(FinishKeyMaking(id=id, key_id="k", at=a_moment()))
    for go_on in PATHS["error_deleting"]:
        await world.run(await go_on(world, an_id(1)))
    key = EncryptionKey.from_history(id, await world.store.events(id))
    assert ((await world.volume()).state, key.state) == ("error_deleting", "available")
    assert (await world.volume()).encryption_key_id == key.key_id
    for step in ("force", "remove", "gone"):
        assert "encryption_key.destruction_requested" not in await world.verbs()
        await world.run(await STEPS[step](world, an_id(1)))
    assert (await world.verbs())[-1] == "encryption_key.destruction_requested"


@pytest.mark.parametrize("interim", CASES)
async def test_defect_21_an_interim_state_ends_though_everybody_was_dead_and_some_never_come_back(
    tmp_path, interim
):
    there = await late(tmp_path)
    await there.comes_to(interim)
    there.ring.clock.now_s += HOUR_S
    await there.until_rest(without=CASES[interim].absent)
    assert (await there.ring.volume()).state == CASES[interim].ends[0]
    await there.assert_sound()
    await there.close()
