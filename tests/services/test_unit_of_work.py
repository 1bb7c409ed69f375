"""Deciding on what is known, and deciding again when that was behind the store."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from adapters.event_store.memory import MemoryEventStore
from adapters.event_store.port import Snapshot
from domain.aggregates.closures import CLOSURES_ID, Closure, Closures
from domain.aggregates.quota_limits import QuotaLimits, limits_id
from domain.aggregates.volume import Volume
from domain.errors import Conflict, InvalidRequest, LapilliError, OverQuota, Unavailable
from domain.event import Event, Recorded
from services.unit_of_work import MAX_TRIES, SNAPSHOT_EVERY, Aggregates, Commands, UnitOfWork
from tests.support.builders import (
    PROJECT,
    a_moment,
    a_request,
    a_reservation,
    an_id,
    limits_of,
    pending,
)

ID = an_id(1)
Handler = Callable[[str, UnitOfWork], Awaitable[str]]


class ObservedStore(MemoryEventStore):
    """Tells what it was asked, and can be made to fail."""

    def __init__(self) -> None:
        super().__init__(default_limits={"volumes": 3})
        self.reads: list[tuple[UUID, int]] = []
        """Aggregate and version after which it was read."""
        self.appends = 0
        self.snapshots_fail = False

    async def append(self, events: Sequence[Recorded[Event]], **more: Any) -> int:
        self.appends += 1
        return await super().append(events, **more)

    async def events(
        self, aggregate_id: UUID, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Event]]:
        self.reads.append((aggregate_id, after))
        return await super().events(aggregate_id, after=after, limit=limit)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        if self.snapshots_fail:
            raise Unavailable(part="database", reason="away")
        await super().save_snapshot(snapshot)


class Tries:
    """A handler that counts how often it is run, and what it saw of the volume each time."""

    def __init__(self, then: Callable[[Volume, UnitOfWork], Awaitable[Any]]) -> None:
        self.seen: list[str | None] = []
        self._then = then

    async def __call__(self, name: str, work: UnitOfWork) -> str:
        volume = await work.load(Volume, ID)
        self.seen.append(volume.name)
        volume.describe(name, None, a_moment())
        await self._then(volume, work)
        return name

    def __len__(self) -> int:
        return len(self.seen)


async def commit(volume: Volume, work: UnitOfWork) -> None:
    await work.commit(volume)


async def a_store_with_a_volume() -> ObservedStore:
    store = ObservedStore()
    await store.append(a_request(1).pending)
    store.appends = 0
    return store


async def renamed_elsewhere(store: MemoryEventStore, name: str) -> None:
    """Another process renames the volume."""
    volume = Volume.from_history(ID, await MemoryEventStore.events(store, ID))
    volume.describe(name, None, a_moment())
    await MemoryEventStore.append(store, volume.pending)


async def that_knows(store: MemoryEventStore) -> Commands:
    """Commands that have the volume in their cache."""
    commands = Commands(store)
    await commands.aggregates.read(Volume, ID)
    return commands


# guesses


async def test_what_is_known_is_not_read_again():
    store = await a_store_with_a_volume()
    commands = await that_knows(store)
    store.reads.clear()
    for name in ("a", "b", "c"):
        await commands.run(Tries(commit), name)
    assert store.reads == []
    assert (store.appends, await store.last_position()) == (3, 4)


async def test_a_guess_that_is_behind_is_decided_again_on_what_is_stored():
    store = await a_store_with_a_volume()
    commands = await that_knows(store)
    await renamed_elsewhere(store, "elsewhere")
    handler = Tries(commit)
    await commands.run(handler, "mine")
    assert handler.seen == ["volume 1", "elsewhere"]
    assert [r.version for r in await store.events(ID)] == [1, 2, 3]


async def test_only_what_is_new_is_read_when_a_guess_was_behind():
    store = await a_store_with_a_volume()
    commands = await that_knows(store)
    await renamed_elsewhere(store, "elsewhere")
    store.reads.clear()
    await commands.run(Tries(commit), "mine")
    assert store.reads[0] == (ID, 1)


async def test_who_loses_every_time_is_told_conflict_after_so_many_tries():
    store = await a_store_with_a_volume()

    async def lose(volume: Volume, work: UnitOfWork) -> None:
        await renamed_elsewhere(store, f"winner {len(handler)}")
        await work.commit(volume)

    handler = Tries(lose)
    with pytest.raises(Conflict):
        await Commands(store).run(handler, "mine")
    assert len(handler) == MAX_TRIES
    assert await store.last_position() == 1 + MAX_TRIES


async def test_who_loses_all_but_the_last_time_succeeds():
    store = await a_store_with_a_volume()

    async def lose_but_once(volume: Volume, work: UnitOfWork) -> None:
        if len(handler) < MAX_TRIES:
            await renamed_elsewhere(store, f"winner {len(handler)}")
        await work.commit(volume)

    handler = Tries(lose_but_once)
    done = await Commands(store).run(handler, "mine")
    assert (done.value, len(handler)) == ("mine", MAX_TRIES)
    assert handler.seen[1:] == [f"winner {i}" for i in range(1, MAX_TRIES)]


# refusals


def refusing(error: Exception, *, only_if: str | None = None) -> Tries:
    """A handler that refuses, always or only where it sees this name."""

    async def refuse(volume: Volume, work: UnitOfWork) -> None:
        if only_if is None or handler.seen[-1] == only_if:
            raise error
        await work.commit(volume)

    handler = Tries(refuse)
    return handler


async def test_a_refusal_on_a_guess_is_not_believed():
    store = await a_store_with_a_volume()
    commands = await that_knows(store)
    await renamed_elsewhere(store, "elsewhere")
    handler = refusing(InvalidRequest("not with this name"), only_if="volume 1")
    assert (await commands.run(handler, "mine")).value == "mine"
    assert handler.seen == ["volume 1", "elsewhere"]


async def test_a_refusal_that_holds_on_fresh_state_is_told_after_one_more_look():
    commands = await that_knows(await a_store_with_a_volume())
    handler = refusing(InvalidRequest("never"))
    with pytest.raises(InvalidRequest):
        await commands.run(handler, "mine")
    assert len(handler) == 2


async def test_a_refusal_on_fresh_state_is_believed_at_once():
    handler = refusing(InvalidRequest("never"))
    with pytest.raises(InvalidRequest):
        await Commands(await a_store_with_a_volume()).run(handler, "mine")
    assert len(handler) == 1


AT_ONCE: list[LapilliError] = [
    OverQuota("too much", project_id=PROJECT, overs=[]),
    Unavailable(part="database", reason="away"),
]


@pytest.mark.parametrize("error", AT_ONCE, ids=lambda error: type(error).__name__)
async def test_what_the_store_itself_refuses_is_believed_at_once(error):
    handler = refusing(error)
    with pytest.raises(type(error)):
        await (await that_knows(await a_store_with_a_volume())).run(handler, "mine")
    assert len(handler) == 1


async def test_a_fault_of_ours_is_not_retried():
    handler = refusing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await (await that_knows(await a_store_with_a_volume())).run(handler, "mine")
    assert len(handler) == 1


async def test_a_refused_decision_leaves_no_trace_in_what_is_known():
    commands = await that_knows(await a_store_with_a_volume())
    with pytest.raises(InvalidRequest):
        await commands.run(refusing(InvalidRequest("never")), "mine")
    known = commands.aggregates.known(ID)
    assert known is not None
    assert (known.version, known.pending) == (1, [])


async def test_what_the_store_did_not_take_leaves_no_trace_in_what_is_known():
    store = await a_store_with_a_volume()
    commands = await that_knows(store)

    async def take_too_much(volume: Volume, work: UnitOfWork) -> None:
        await work.commit(volume, a_reservation(amounts={"volumes": 99}))

    with pytest.raises(OverQuota):
        await commands.run(Tries(take_too_much), "mine")
    known = commands.aggregates.known(ID)
    assert known is not None and known.version == 1
    assert await store.last_position() == 1


# answers


async def test_the_answer_tells_which_position_a_reader_must_have_passed():
    store = await a_store_with_a_volume()
    done = await Commands(store).run(Tries(commit), "mine")
    assert done.position == 2 == await store.last_position()


async def test_of_several_commits_the_last_position_is_told():
    store = await a_store_with_a_volume()

    async def twice(volume: Volume, work: UnitOfWork) -> None:
        await work.commit(volume)
        await work.commit(a_reservation())

    assert (await Commands(store).run(Tries(twice), "mine")).position == 3


async def test_deciding_nothing_stores_nothing():
    store = await a_store_with_a_volume()
    done = await Commands(store).run(Tries(commit), "volume 1")
    assert (done.position, store.appends) == (0, 0)


async def test_aggregates_of_one_commit_are_one_append():
    store = await a_store_with_a_volume()

    async def both(volume: Volume, work: UnitOfWork) -> None:
        await work.commit(volume, a_reservation(), limits_of(volumes=3))

    await Commands(store).run(Tries(both), "mine")
    assert (store.appends, await store.last_position()) == (1, 4)


async def test_what_has_no_events_does_not_exist_and_is_not_remembered():
    aggregates = Aggregates(ObservedStore())
    assert not (await aggregates.read(Volume, ID)).exists
    assert aggregates.known(ID) is None


async def test_what_was_only_looked_at_is_held_to_be_so_even_if_it_has_no_events_yet():
    store = ObservedStore()
    commands = Commands(store)
    assert not (await commands.aggregates.read(Closures, CLOSURES_ID)).exists
    store.reads.clear()
    seen = []

    async def look(_: str, work: UnitOfWork) -> None:
        closures = await work.load(Closures, CLOSURES_ID)
        seen.append(sorted(closures.closed))
        volume = a_request(len(seen))
        await work.commit(volume)

    await commands.run(look, "")
    assert store.reads == []
    closed = Closures(id=CLOSURES_ID)
    closed.mark("h@a", Closure(disabled=True), a_moment())
    await MemoryEventStore.append(store, closed.pending)
    await commands.run(look, "")
    assert seen == [[], [], ["h@a"]]


# what is heard of elsewhere


async def test_what_is_heard_of_elsewhere_spares_the_conflict():
    store = await a_store_with_a_volume()
    commands = await that_knows(store)
    await renamed_elsewhere(store, "elsewhere")
    commands.aggregates.learn((await store.log(0, 10))[-1])
    handler = Tries(commit)
    await commands.run(handler, "mine")
    assert handler.seen == ["elsewhere"]


async def test_what_was_never_seen_is_learned_from_its_first_event():
    store = await a_store_with_a_volume()
    aggregates = Aggregates(store)
    for recorded in await store.log(0, 10):
        aggregates.learn(recorded)
    known = aggregates.known(ID)
    assert isinstance(known, Volume)
    assert known == a_request(1).settled()
    assert store.reads == []


async def a_history(events: int) -> list[Recorded[Event]]:
    volume = a_request(1)
    for number in range(2, events + 1):
        volume.describe(f"name {number}", None, a_moment())
    return volume.pending


HEARD = [
    # versions heard of, in this order; version known after them (None: nothing)
    ([1, 2, 3], 3),
    ([1, 1, 2], 2),
    ([1, 3], 1),
    ([1, 3, 2], 2),
    ([1, 2, 1], 2),
    ([2, 3], None),
    ([2, 1], 1),
]


@pytest.mark.parametrize(("versions", "known"), HEARD)
async def test_events_heard_twice_or_out_of_order_or_with_holes_do_no_harm(versions, known):
    aggregates, history = Aggregates(ObservedStore()), await a_history(3)
    for version in versions:
        aggregates.learn(history[version - 1])
    volume = aggregates.known(ID)
    if known is None:
        assert volume is None
    else:
        assert volume == Volume.from_history(ID, history[:known])


async def test_an_older_state_does_not_take_the_place_of_a_newer_one():
    aggregates, history = Aggregates(ObservedStore()), await a_history(3)
    newer = Volume.from_history(ID, history)
    aggregates.keep(newer)
    aggregates.keep(Volume.from_history(ID, history[:1]))
    assert aggregates.known(ID) == newer


async def test_what_is_handed_out_can_be_changed_without_changing_what_is_known():
    aggregates = Aggregates(await a_store_with_a_volume())
    mine = await aggregates.read(Volume, ID)
    mine.describe("mine", None, a_moment())
    known = aggregates.known(ID)
    assert isinstance(known, Volume)
    assert (known.name, known.pending) == ("volume 1", [])


# long streams


async def a_long_life(store: MemoryEventStore, length: int, *, at_a_time: int = 1) -> Volume:
    """Writes a volume's life of this many events, as commands would."""
    aggregates = Aggregates(store)
    volume = a_request(1)
    while volume.version < length:
        for _ in range(min(at_a_time, length - volume.version)):
            volume.describe(f"name {volume.version}", None, a_moment(volume.version))
        await aggregates.write(volume)
        volume = await aggregates.read(Volume, ID)
    return volume


LENGTHS = [
    SNAPSHOT_EVERY - 1,
    SNAPSHOT_EVERY,
    SNAPSHOT_EVERY + 1,
    2 * SNAPSHOT_EVERY,
    3 * SNAPSHOT_EVERY + 7,
]


@pytest.mark.parametrize("at_a_time", [1, 7, 250])
@pytest.mark.parametrize("length", LENGTHS)
async def test_a_long_life_is_read_as_it_was_lived(length, at_a_time):
    store = ObservedStore()
    lived = await a_long_life(store, length, at_a_time=at_a_time)
    assert lived.version == length
    assert await Aggregates(store).read(Volume, ID) == lived
    assert Volume.from_history(ID, await store.events(ID)) == lived


async def test_a_long_life_is_read_from_its_last_snapshot():
    store = ObservedStore()
    await a_long_life(store, 3 * SNAPSHOT_EVERY + 7)
    store.reads.clear()
    await Aggregates(store).read(Volume, ID)
    assert min(after for _, after in store.reads[1:]) == 3 * SNAPSHOT_EVERY


async def test_a_short_life_has_no_snapshot():
    store = ObservedStore()
    await a_long_life(store, SNAPSHOT_EVERY - 1)
    assert await store.snapshot(ID) is None


UNUSABLE = {
    "of an older schema": Snapshot(ID, 2 * SNAPSHOT_EVERY, "volume.state.v0", b"{}"),
    "of something else": Snapshot(ID, 2 * SNAPSHOT_EVERY, "quota_limits.state.v1", b"{}"),
}


@pytest.mark.parametrize("snapshot", UNUSABLE.values(), ids=list(UNUSABLE))
async def test_a_snapshot_that_this_code_does_not_know_is_ignored(snapshot):
    store = ObservedStore()
    lived = await a_long_life(store, SNAPSHOT_EVERY + 5)
    await store.save_snapshot(snapshot)
    assert await store.snapshot(ID) == snapshot
    assert await Aggregates(store).read(Volume, ID) == lived


async def test_a_snapshot_that_cannot_be_saved_does_not_undo_what_is_stored():
    store = ObservedStore()
    store.snapshots_fail = True
    lived = await a_long_life(store, SNAPSHOT_EVERY + 5)
    assert await store.last_position() == SNAPSHOT_EVERY + 5
    assert await Aggregates(store).read(Volume, ID) == lived


async def test_aggregates_of_every_kind_can_be_read_from_a_snapshot():
    store = ObservedStore()
    aggregates = Aggregates(store)
    limits = QuotaLimits(id=limits_id(PROJECT))
    for number in range(SNAPSHOT_EVERY + 3):
        limits.change(PROJECT, {"volumes": number}, a_moment())
    await aggregates.write(limits)
    assert await Aggregates(store).read(QuotaLimits, limits.id) == limits.settled()


# what is forgotten


async def test_the_least_recently_used_is_forgotten_first():
    store = ObservedStore()
    aggregates = Aggregates(store, capacity=2)
    for number in (1, 2):
        await aggregates.write(a_request(number))
    assert aggregates.known(an_id(1)) is not None  # used again, so 2 is the oldest
    await aggregates.write(a_request(3))
    assert aggregates.known(an_id(2)) is None
    assert aggregates.known(an_id(1)) is not None
    assert aggregates.known(an_id(3)) is not None


async def test_what_was_forgotten_is_read_again_from_the_store():
    store = ObservedStore()
    aggregates = Aggregates(store, capacity=1)
    for number in (1, 2):
        await aggregates.write(a_request(number))
    store.reads.clear()
    assert await aggregates.read(Volume, ID) == a_request(1).settled()
    assert store.reads[0] == (ID, 0)


async def test_the_cache_never_holds_more_than_it_may():
    aggregates = Aggregates(ObservedStore(), capacity=3)
    for number in range(10):
        aggregates.learn(pending(a_request(number))[0])
    assert [n for n in range(10) if aggregates.known(an_id(n))] == [7, 8, 9]
