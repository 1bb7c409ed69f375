"""Cinder's defects in what is done to a volume: retypes, extensions, encryption."""

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.event_store.memory import MemoryEventStore
from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.aggregates.volume import retyping
from domain.encryption import Encryption
from domain.errors import (
    OverQuota,
)
from services.commands.encryption_key import FinishKeyMaking
from tests.defects.crashing import Crash, CrashingStore
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
from tests.services.commands.world import LIMITS, PATHS, STEPS, World
from tests.services.processes.holding import (
    SIZE_GIB,
)
from tests.services.processes.test_extending import a_volume_to_extend, assert_settled
from tests.support.builders import HOST, a_moment, an_id


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
