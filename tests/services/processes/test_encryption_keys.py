"""Keys of encrypted volumes: none is missing, none stays behind, whatever dies or fails."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import count

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Hold, Work
from adapters.key_manager.memory import MemoryKeyManager
from adapters.key_manager.port import KeyManager, KeyRefused
from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.aggregates.volume.encryption import KeyFailed
from domain.encryption import Encryption
from domain.errors import Unavailable
from services.processes.sweep import keep_swept, sweep_keys
from services.unit_of_work import Commands
from tests.services.processes.deaths import Given, Then, die_everywhere, die_everywhere_twice
from tests.services.processes.ring import (
    ACK_WAIT_S,
    PATIENCE_S,
    Process,
    Ring,
    a_ring,
)
from tests.services.processes.schedules import Chance, Chooser, every_schedule
from tests.services.processes.story import Story
from tests.support.around import Crash, Hook, Life, Outage, around
from tests.support.builders import an_id

LUKS = Encryption(provider="luks", cipher="aes-xts-plain64", key_size=256)
STUCK = DriverFailure("the target does not let go", False)
FULL = Fault(failure=DriverFailure("the shelf is full", False), work=Work.HALF)
FOR_EVER = 100
NAME = str(key_of(an_id(1)))


async def an_encrypted_ring() -> Ring:
    """Whose volumes are encrypted."""
    ring = await a_ring()
    await ring.world.has_encryption(LUKS)
    return ring


async def a_request() -> Ring:
    """For an encrypted volume."""
    ring = await an_encrypted_ring()
    await ring.create()
    return ring


async def an_encrypted_volume() -> Ring:
    """One that is available."""
    ring = await a_request()
    await ring.go_on()
    await assert_encrypted_and_available(ring)
    return ring


async def the_key(ring: Ring) -> EncryptionKey:
    id = key_of(an_id(1))
    return EncryptionKey.from_history(id, await ring.store.events(id))


async def assert_encrypted_and_available(ring: Ring) -> None:
    """With the one key there is."""
    await ring.assert_one_available()
    key, now = await the_key(ring), await ring.volume()
    assert (key.state, now.encryption) == ("available", LUKS)
    assert now.encryption_key_id == key.key_id
    assert await ring.keys.keys() == {key.key_id: NAME}


async def assert_nothing_left(ring: Ring) -> None:
    """No object, no quota, no key."""
    await ring.assert_nothing_left()
    assert (await the_key(ring)).state == "destroyed"
    assert await ring.keys.keys() == {}


async def assert_in_error(ring: Ring, *, state: str = "destroyed") -> None:
    await ring.assert_in_error()
    assert (await the_key(ring)).state == state
    assert len(await ring.keys.keys()) == (state == "available")


async def assert_deletable(ring: Ring) -> None:
    """In error, with or without a key; and when it is deleted, nothing is left."""
    await ring.assert_in_error()
    key = await the_key(ring)
    assert set(await ring.keys.keys()) == ({key.key_id} if key.state == "available" else set())
    await ring.delete()
    await ring.go_on()
    await assert_nothing_left(ring)


async def the_reason(ring: Ring) -> str:
    found = (await ring.store.events(an_id(1)))[-1].event
    assert isinstance(found, KeyFailed)
    return found.reason


# whole lives


async def test_an_encrypted_volume_has_its_key_before_any_backend_hears_of_it():
    ring = await an_encrypted_volume()
    verbs = [r.event.verb for r in await ring.store.events(an_id(1))]
    assert verbs == [
        "requested",
        "encryption_fixed",
        "key_made",
        "placed",
        "provisioning_started",
        "provisioned",
    ]


async def test_the_key_is_gone_with_its_volume():
    ring = await an_encrypted_volume()
    await ring.delete()
    await ring.go_on()
    await assert_nothing_left(ring)


async def test_a_volume_that_is_not_encrypted_asks_no_key_manager():
    away = Outage("key manager")
    away.away = True
    ring = await a_ring()
    await ring.create()
    await ring.go_on(Process(ring, "worker", keys=around(ring.keys, before=away.before)))
    await ring.assert_one_available()
    assert away.refused == 0


async def test_the_key_outlives_a_deletion_that_fails():
    ring = await an_encrypted_volume()
    await ring.delete()
    ring.faults.fail("delete_volume", STUCK)
    await ring.go_on()
    assert (await ring.volume()).state == "error_deleting"
    key_id = (await ring.volume()).encryption_key_id
    assert await ring.keys.keys() == {key_id: NAME}
    assert (await ring.keys.get(str(key_id))).bits == 256
    await ring.delete(force=True)
    await ring.go_on()
    await assert_nothing_left(ring)


async def test_a_volume_that_no_backend_could_make_keeps_its_key_until_it_is_deleted():
    ring = await a_request()
    ring.faults.plan("create_volume", FULL)
    await ring.go_on()
    await assert_in_error(ring, state="available")
    await assert_deletable(ring)


async def test_a_volume_deleted_before_anything_happened_leaves_no_key():
    ring = await a_request()
    await ring.delete()
    await ring.go_on()
    await assert_nothing_left(ring)


# a key manager that is away, refuses, or hangs


async def test_creation_waits_for_a_key_manager_that_is_away():
    ring, away = await a_request(), Outage("key manager")
    process = Process(ring, "worker", keys=around(ring.keys, before=away.before))
    away.away = True
    while ring.clock.now_s < PATIENCE_S - 10:
        await ring.work(process)
        ring.clock.now_s += 5
    assert away.refused > 3
    assert (await ring.volume()).state == "requested"
    away.away = False
    await ring.go_on(process)
    await assert_encrypted_and_available(ring)


async def test_what_waits_too_long_for_its_key_is_in_error_and_says_why():
    ring, away = await a_request(), Outage("key manager", "create_key")
    away.away = True
    await ring.go_on(Process(ring, "worker", keys=around(ring.keys, before=away.before)))
    assert await the_reason(ring) == "key manager is unavailable: away"
    await assert_in_error(ring)
    await assert_deletable(ring)


async def test_a_key_whose_answer_was_lost_is_found_by_its_name():
    ring, lost = await a_request(), Outage("key manager", "create_key")
    lost.away = True
    await ring.go_on(Process(ring, "worker", keys=around(ring.keys, after=lost.after)))
    assert lost.refused == 1
    await assert_encrypted_and_available(ring)


async def test_a_key_that_was_made_unheard_is_destroyed_after_it_was_given_up():
    ring, lost, away = await a_request(), Outage("key manager", "create_key"), Outage("key manager")
    lost.away = True
    unheard = Process(ring, "worker-1", keys=around(ring.keys, after=lost.after))
    await ring.work(unheard)
    assert list((await ring.keys.keys()).values()) == [NAME]
    away.away = True
    process = Process(ring, "worker-2", keys=around(ring.keys, before=away.before))
    while ring.clock.now_s <= PATIENCE_S:
        ring.clock.now_s += ACK_WAIT_S
        await ring.work(process)
    assert await the_reason(ring) == "key manager is unavailable: away"
    assert (await the_key(ring)).state == "destroying"
    assert list((await ring.keys.keys()).values()) == [NAME]
    away.away = False
    await ring.go_on(process)
    await assert_in_error(ring)


async def test_a_key_manager_that_hangs_is_given_up_on_and_that_is_recorded():
    ring, held = await a_request(), Hold()

    async def hangs(method: str) -> None:
        await held.passed()

    keys = around(ring.keys, before=hangs)
    await ring.work(Process(ring, "worker-1", keys=keys, timeout_s=0.01))
    assert (await ring.volume()).state == "requested"
    ring.clock.now_s += PATIENCE_S + 1
    await ring.work(Process(ring, "worker-2", keys=keys, timeout_s=0.01))
    assert await the_reason(ring) == "key manager is unavailable: no answer within 0.01 s"
    await ring.go_on()
    await assert_in_error(ring)


async def test_a_key_is_destroyed_whenever_the_key_manager_is_back():
    ring, away = await an_encrypted_volume(), Outage("key manager")
    process = Process(ring, "worker", keys=around(ring.keys, before=away.before))
    away.away = True
    await ring.delete()
    for _ in range(20):
        await ring.work(process)
        ring.clock.now_s += ACK_WAIT_S
    await ring.assert_nothing_left()
    assert ((await the_key(ring)).state, len(await ring.keys.keys())) == ("destroying", 1)
    away.away = False
    await ring.go_on(process)
    await assert_nothing_left(ring)


async def test_a_key_that_may_not_be_destroyed_is_parked_and_goes_when_it_is_retried():
    ring = await an_encrypted_volume()
    await ring.delete()

    async def forbids(method: str) -> None:
        if method == "delete":
            raise KeyRefused("not by you")

    await ring.go_on(Process(ring, "worker", keys=around(ring.keys, before=forbids)))
    [parked] = await ring.bus.parked()
    assert "not by you" in parked.error
    assert ((await the_key(ring)).state, len(await ring.keys.keys())) == ("destroying", 1)
    await ring.bus.retry_parked(parked.id)
    await ring.go_on()
    await assert_nothing_left(ring)


async def test_a_key_that_is_refused_is_not_asked_for_again():
    ring = await a_request()
    refusing = Refusing(ring.keys)
    await ring.go_on(Process(ring, "worker", keys=refusing))
    assert refusing.asked == 1
    assert await the_reason(ring) == "The key manager refuses: no rot13 here"
    await assert_in_error(ring)
    await assert_deletable(ring)


class Refusing(MemoryKeyManager):
    """Makes no key."""

    def __init__(self, real: KeyManager) -> None:
        super().__init__()
        self.asked = 0

    async def create_key(self, name: str, *, algorithm: str, bits: int) -> str:
        self.asked += 1
        raise KeyRefused("no rot13 here")


# several attempts


async def test_old_messages_in_any_order_change_nothing():
    ring = await an_encrypted_volume()
    before = await ring.world.verbs()
    for order in (1, -1):
        ring.bus.lose_log()  # the stream is fed again from the log
        again = (await ring.deliveries())[::order]
        assert [kind for kind, _ in again].count("encryption-keys") == 1
        for kind, delivery in again:
            await ring.process("worker-2").handle(kind, delivery)
    await ring.go_on()
    assert await ring.world.verbs() == before
    await assert_encrypted_and_available(ring)


async def test_old_messages_do_not_make_a_key_again_for_a_volume_that_is_gone():
    ring = await an_encrypted_volume()
    await ring.delete()
    await ring.go_on()
    before = await ring.world.verbs()
    for order in (1, -1):
        ring.bus.lose_log()
        for kind, delivery in (await ring.deliveries())[::order]:
            await ring.process("worker-2").handle(kind, delivery)
    await ring.go_on()
    assert await ring.world.verbs() == before
    await assert_nothing_left(ring)


async def a_backend_that_fails() -> Ring:
    ring = await a_request()
    ring.faults.plan("create_volume", FULL, times=FOR_EVER)
    return ring


async def a_volume_to_delete() -> Ring:
    ring = await an_encrypted_volume()
    await ring.delete()
    return ring


async def a_volume_deleted_before_it_has_its_key() -> Ring:
    ring = await a_request()
    await ring.delete()
    return ring


async def a_request_without_patience() -> Ring:
    """Its key manager was away for too long when it is heard of."""
    ring, away = await a_request(), Outage("key manager")
    away.away = True
    ring.clock.now_s += PATIENCE_S
    await ring.work(Process(ring, "unlucky", keys=around(ring.keys, before=away.before)))
    return ring


LIVES = [
    pytest.param(a_request, assert_encrypted_and_available, id="made"),
    pytest.param(a_volume_to_delete, assert_nothing_left, id="deleted"),
    pytest.param(a_backend_that_fails, assert_deletable, id="the backend fails"),
    pytest.param(a_volume_deleted_before_it_has_its_key, assert_nothing_left, id="deleted early"),
    pytest.param(a_request_without_patience, assert_deletable, id="no key in time"),
]


@pytest.mark.parametrize(("given", "then"), LIVES)
async def test_wherever_a_process_dies_no_key_is_missing_and_none_stays_behind(
    given: Given, then: Then
):
    points = await die_everywhere(given, then)
    assert points[-1] == "after ack"
    assert {"before append", "after append", "before named", "after named"} <= set(points)
    if then is assert_encrypted_and_available:
        assert {"before create_key", "after create_key"} <= set(points)
    if given is a_volume_to_delete:
        assert {"before delete", "after delete"} <= set(points)


@pytest.mark.parametrize(("given", "then"), LIVES[:2])
async def test_dying_twice_does_no_more_harm_than_once(given: Given, then: Then):
    assert await die_everywhere_twice(given, then) > 100


# what is made too late


async def a_key_made_after_it_was_gone(first: Life | None, ring: Ring) -> None:
    """The first worker hangs; meanwhile a second one made the key, and the volume was deleted."""
    held = Hold()

    async def hangs(method: str) -> None:
        if method == "create_key":
            await held.passed()

    slow_one = Process(ring, "worker-1", keys=around(ring.keys, before=hangs), life=first)
    [delivery] = [found for kind, found in await ring.deliveries() if kind == "encryption-keys"]
    slow = asyncio.create_task(slow_one.handle("encryption-keys", delivery))
    reached = asyncio.create_task(held.reached.wait())
    await asyncio.wait({slow, reached}, return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    await ring.process("worker-2").handle("encryption-keys", delivery)
    await ring.go_on(ring.process("worker-2"))
    await ring.delete()
    await ring.go_on(ring.process("worker-2"))
    await assert_nothing_left(ring)
    held.release()
    await slow


async def test_a_slow_worker_destroys_the_key_it_made_for_a_volume_that_is_gone():
    ring = await a_request()
    await a_key_made_after_it_was_gone(None, ring)
    await assert_nothing_left(ring)


async def test_what_it_could_not_destroy_any_more_is_swept():
    orphans = 0
    for end in count():
        ring, life = await a_request(), Life(ends_at=end)
        with suppress(Crash):
            await a_key_made_after_it_was_gone(life, ring)
        if life.ended_at is None:
            break
        await ring.go_on()
        orphans += len(await ring.keys.keys())
        await sweep_keys(Commands(ring.store), ring.keys)
        await assert_nothing_left(ring)
    assert orphans > 0


async def test_of_two_keys_for_one_volume_only_the_recorded_one_stays():
    ring = await a_request()
    twins = around(ring.keys, before=_makes_another(ring))
    await ring.go_on(Process(ring, "worker", keys=twins))
    key_id = (await ring.volume()).encryption_key_id
    assert len(await ring.keys.keys()) == 2
    assert await sweep_keys(Commands(ring.store), ring.keys) == 1
    assert await ring.keys.keys() == {key_id: NAME}
    assert await sweep_keys(Commands(ring.store), ring.keys) == 0


def _makes_another(ring: Ring) -> Hook:
    """Somebody else is as fast as we are, and dies."""

    async def hook(method: str) -> None:
        if method == "create_key":
            await ring.keys.create_key(NAME, algorithm="aes", bits=256)

    return hook


async def test_sweeping_touches_nothing_that_is_needed_or_of_others():
    ring = await an_encrypted_volume()
    await ring.create(2)  # whose key is about to be made
    for name in (str(key_of(an_id(2))), str(key_of(an_id(3))), "somebody's", str(an_id(1))):
        await ring.keys.create_key(name, algorithm="aes", bits=256)
    before = await ring.keys.keys()
    assert await sweep_keys(Commands(ring.store), ring.keys) == 0
    assert await ring.keys.keys() == before and len(before) == 5


async def test_sweeping_goes_on_after_the_key_manager_was_away():
    ring = await a_request()
    await ring.delete()
    await ring.go_on()
    await ring.keys.create_key(NAME, algorithm="aes", bits=256)
    refusals = iter([Unavailable(part="key manager", reason="away"), KeyRefused("not now")])

    async def away(method: str) -> None:
        if refusal := next(refusals, None):
            raise refusal

    swept = asyncio.Event()

    async def told(method: str) -> None:
        if method == "delete":
            swept.set()

    keys = around(ring.keys, before=away, after=told)
    sweeping = asyncio.create_task(
        keep_swept(partial(sweep_keys, Commands(ring.store), keys), where="keys", interval_s=0)
    )
    async with asyncio.timeout(30):
        await swept.wait()
    sweeping.cancel()
    assert await ring.keys.keys() == {}


# a forced deletion in the middle of everything

KEY_CALLS = ("create_key", "delete")


async def forced_at_some_moment(choices: Chooser, *, gates: Sequence[str], repeats: int = 0) -> str:
    """Nothing is left, with no sweep; the state in which the deletion was forced."""
    ring = await a_request()
    for kind, delivery in await ring.deliveries():
        if kind == "placement":  # which waits for the key: a moment less that could be any other's
            await ring.process().handle(kind, delivery)
        else:
            await delivery.retry(0)
    story = Story(ring, gates=gates, repeats=repeats)
    await story.go(choices)
    await ring.go_on()
    await assert_nothing_left(ring)
    return story.forced_in


@pytest.mark.parametrize(
    ("gates", "repeats", "at_least"), [(("append", *KEY_CALLS), 0, 100), (("create_key",), 1, 300)]
)
async def test_forced_at_any_moment_of_its_creation_it_goes_with_its_key(
    gates: Sequence[str], repeats: int, at_least: int
):
    forced_in = [
        await forced_at_some_moment(choices, gates=gates, repeats=repeats)
        for choices in every_schedule()
    ]
    assert set(forced_in) >= {"requested", "placed", "available"}
    assert len(forced_in) > at_least


@pytest.mark.parametrize("seed", range(0, 200, 100))
async def test_forced_while_everything_comes_several_times_it_goes_with_its_key(seed: int):
    gates = ("append", "create_volume", "delete_volume", *KEY_CALLS)
    for each in range(seed, seed + 100):
        await forced_at_some_moment(Chance(each), gates=gates, repeats=4)
