"""What every event store promises (adapters/event_store/port.py)."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest

from adapters.event_store.port import EventStore, Snapshot
from domain.aggregates.quota_limits import DEFAULT_CLASS, QuotaLimits, limits_id, quota_class
from domain.aggregates.volume import Volume
from domain.errors import Conflict, LimitBelowUsage, OverCommitted, OverQuota
from domain.event import Event, Recorded
from domain.placement import Decision, Promise, Verdict
from domain.promises import PoolLedger, changes
from domain.quota import Ledger, Usage, settle
from tests.support.builders import (
    PROJECT,
    a_moment,
    a_request,
    a_reservation,
    a_volume,
    an_id,
    bare,
    limits_of,
    pending,
)

LIMITS = {"volumes": 50, "gigabytes": 1000}

Open = Callable[[], EventStore]
Batch = Sequence[Recorded[Event]]


def created(number: int, *, gigabytes: int = 1, project_id: str = PROJECT) -> Batch:
    """A volume and what pays for it, as one command stores them."""
    amounts = {"volumes": 1, "gigabytes": gigabytes}
    reservation = a_reservation(number, amounts=amounts, project_id=project_id)
    return pending(reservation, a_request(number, project_id=project_id))


def renamed(number: int, *, version: int = 2, name: str = "new name") -> Batch:
    """The event at this version of the life of volume `number`, which does nothing but rename."""
    volume = a_request(number)
    while volume.version < version:
        volume.describe(f"{name} {volume.version}", None, a_moment(volume.version))
    return volume.pending[version - 1 :]


def outcomes(answers: Sequence[int | BaseException]) -> list[str]:
    """What became of each: "stored", or the name of the error."""
    return ["stored" if isinstance(a, int) else type(a).__name__ for a in answers]


async def whole_log(store: EventStore) -> list[Recorded[Event]]:
    return await store.log(0, 1_000_000)


async def assert_sound(store: EventStore) -> None:
    """What must hold at any moment: streams without holes, log in order, ledger = log."""
    log = await whole_log(store)
    positions = [recorded.position for recorded in log]
    assert positions == sorted(set(positions))
    for id in {recorded.aggregate_id for recorded in log}:
        versions = [recorded.version for recorded in log if recorded.aggregate_id == id]
        assert versions == list(range(1, len(versions) + 1))
    at, usage, limits = await store.ledger()
    expected = settle(Ledger(defaults=LIMITS), bare(log))
    assert at == (positions[-1] if positions else 0) == await store.last_position()
    assert usage == expected.usage
    assert limits == {project: own for project, own in expected.limits.items() if own}


def placed_on(pool: str, *, number: int, size_gib: int = 2, ceiling: float | None = None) -> Volume:
    """A volume that is asked for and placed at once."""
    volume = a_request(number, size_gib=size_gib)
    verdict = Verdict(pool=pool, zone="nova")
    volume.place(Decision(candidates=[], chosen=verdict, ceiling_gib=ceiling), a_moment())
    return volume


async def assert_promises(store: EventStore) -> None:
    """What is promised on pools is what the log adds up to."""
    ledger = PoolLedger()
    ledger.take(changes(bare(await whole_log(store))))
    assert (await store.promises())[1] == ledger.promised


class EventStoreContract:
    """Every store passes this. `open_store` opens one more on the same log (or the only one)."""

    @pytest.fixture
    def store(self, open_store: Open) -> EventStore:
        return open_store()

    async def together(self, store: EventStore, *batches: Batch) -> Sequence[int | BaseException]:
        """The answers to appends that are under way at the same time."""
        tasks = [asyncio.create_task(store.append(batch)) for batch in batches]
        return await asyncio.gather(*tasks, return_exceptions=True)

    # appending

    async def test_an_empty_log_is_empty(self, store):
        assert await whole_log(store) == []
        assert await store.last_position() == 0
        assert await store.events(an_id(1)) == []
        assert await store.ledger() == (0, {}, {})

    async def test_events_are_read_as_they_were_appended_with_their_position(self, store):
        batch = created(1)
        last = await store.append(batch)
        read = await whole_log(store)
        assert [msgspec.structs.replace(r, position=0) for r in read] == list(batch)
        assert read[-1].position == last == await store.last_position()
        for recorded in read:
            assert await store.events(recorded.aggregate_id) == [recorded]

    async def test_all_events_of_an_append_are_stored_in_order_across_aggregates(self, store):
        batch = [*created(1), *renamed(1), *created(2)]
        await store.append(batch)
        read = await whole_log(store)
        assert [r.id for r in read] == [r.id for r in batch]
        await assert_sound(store)

    async def test_events_of_an_aggregate_are_read_above_a_version_and_up_to_a_number(self, store):
        await store.append([*created(1), *renamed(1, version=2), *renamed(1, version=3)])
        await store.append(created(2))
        stream = await store.events(an_id(1))
        assert [r.version for r in stream] == [1, 2, 3]
        assert await store.events(an_id(1), after=1) == stream[1:]
        assert await store.events(an_id(1), after=1, limit=1) == stream[1:2]
        assert await store.events(an_id(1), after=3) == []

    async def test_a_stale_version_is_a_conflict(self, store):
        await store.append([*created(1), *renamed(1, name="first")])
        with pytest.raises(Conflict) as lost:
            await store.append(renamed(1, name="second"))
        assert (lost.value.kind, lost.value.id) == ("volume", str(an_id(1)))
        assert len(await whole_log(store)) == 3

    async def test_the_same_thing_is_created_once(self, store):
        await store.append(created(1))
        with pytest.raises(Conflict):
            await store.append(created(1))
        await assert_sound(store)
        assert (await store.usage(PROJECT))["volumes"] == Usage(0, 1)

    async def test_one_append_that_says_the_same_version_twice_is_a_conflict(self, store):
        with pytest.raises(Conflict):
            await store.append([*a_request(1).pending, *a_request(1).pending])
        assert await whole_log(store) == []

    BAD_PARTNERS = {
        "stale": (renamed(1), Conflict),
        "over quota": (created(7, gigabytes=2000), OverQuota),
        "limit below usage": (limits_of(volumes=0).pending, LimitBelowUsage),
    }

    @pytest.mark.parametrize("bad", BAD_PARTNERS)
    @pytest.mark.parametrize("bad_first", [True, False])
    async def test_all_or_nothing_across_aggregates(self, store, bad, bad_first):
        await store.append([*created(1), *renamed(1)])
        before = await whole_log(store), await store.ledger()
        partner, error = self.BAD_PARTNERS[bad]
        good = created(2)
        with pytest.raises(error):
            await store.append([*partner, *good] if bad_first else [*good, *partner])
        assert (await whole_log(store), await store.ledger()) == before

    # at the same time

    async def test_of_concurrent_appends_to_one_aggregate_one_wins(self, store):
        await store.append(created(1))
        answers = await self.together(store, *(renamed(1, name=f"n{i}") for i in range(20)))
        assert sorted(outcomes(answers)) == ["Conflict"] * 19 + ["stored"]
        (winner,) = [i for i, answer in enumerate(answers) if isinstance(answer, int)]
        (event,) = await store.events(an_id(1), after=1)
        assert event.event.name == f"n{winner} 1"
        await assert_sound(store)

    async def test_of_concurrent_appends_to_one_aggregate_by_two_stores_one_wins(self, open_store):
        one, other = open_store(), open_store()
        await one.append(created(1))
        answers = await asyncio.gather(
            *(s.append(renamed(1, name=f"n{i}")) for i in range(10) for s in (one, other)),
            return_exceptions=True,
        )
        assert sorted(outcomes(answers)) == ["Conflict"] * 19 + ["stored"]
        await assert_sound(other)

    async def test_appends_that_follow_one_another_succeed_together(self, store):
        answers = await self.together(store, created(1), renamed(1), renamed(1, version=3))
        assert outcomes(answers) == ["stored"] * 3
        await assert_sound(store)

    async def test_who_conflicts_fails_alone(self, store):
        await store.append([*created(1), *renamed(1)])
        answers = await self.together(store, created(2), renamed(1), created(3))
        assert outcomes(answers) == ["stored", "Conflict", "stored"]
        await assert_sound(store)

    async def test_who_is_over_quota_is_refused_alone(self, store):
        answers = await self.together(
            store, created(1), created(2, gigabytes=2000), created(3), created(4, project_id="p")
        )
        assert outcomes(answers) == ["stored", "OverQuota", "stored", "stored"]
        await assert_sound(store)

    async def test_nobody_is_refused_for_what_a_conflicting_neighbour_would_have_taken(self, store):
        await store.append([*created(1), *renamed(1)])
        greedy = [*created(2, gigabytes=900), *renamed(1)]  # too late for volume 1
        answers = await self.together(store, greedy, created(3, gigabytes=900))
        assert outcomes(answers) == ["Conflict", "stored"]
        await assert_sound(store)

    async def test_what_cannot_be_encoded_fails_alone(self, store):
        lone_surrogate = a_request(2, metadata={"name": "\ud800"}).pending
        answers = await self.together(store, created(1), lone_surrogate, created(3))
        assert outcomes(answers) == ["stored", "UnicodeEncodeError", "stored"]
        await assert_sound(store)

    async def test_who_stops_waiting_disturbs_nobody(self, store):
        impatient = asyncio.create_task(store.append(created(1)))
        patient = asyncio.create_task(store.append(created(2)))
        await asyncio.sleep(0)
        impatient.cancel()
        await patient
        await store.append(created(3))
        await assert_sound(store)

    # quota

    async def test_of_200_concurrent_reservations_with_room_for_50_exactly_50_are_admitted(
        self, open_store
    ):
        one, other = open_store(), open_store()
        answers = await asyncio.gather(
            *((one, other)[i % 2].append(created(i)) for i in range(200)), return_exceptions=True
        )
        assert sorted(outcomes(answers)) == ["OverQuota"] * 150 + ["stored"] * 50
        assert (await one.usage(PROJECT))["volumes"] == Usage(in_use=0, reserved=50)
        assert len(await whole_log(one)) == 100
        await assert_sound(other)

    async def test_a_refusal_tells_every_resource_and_stores_nothing(self, store):
        with pytest.raises(OverQuota) as refused:
            await store.append(
                pending(a_reservation(amounts={"volumes": 51, "gigabytes": 1001}), a_request())
            )
        assert [over.resource for over in refused.value.overs] == ["gigabytes", "volumes"]
        assert await whole_log(store) == []

    async def test_the_ledger_follows_a_reservation_to_its_end(self, store):
        reservation = a_reservation(amounts={"volumes": 2})
        await store.append(reservation.pending)
        assert await store.usage(PROJECT) == {"volumes": Usage(0, 2)}
        reservation = reservation.settled()
        reservation.commit(a_moment())
        await store.append(reservation.pending)
        assert await store.usage(PROJECT) == {"volumes": Usage(2, 0)}
        await store.append(reservation.settled().give_back(a_moment()).pending)
        assert await store.usage(PROJECT) == {"volumes": Usage(0, 0)}
        await assert_sound(store)

    async def test_of_two_that_give_back_the_same_at_once_one_wins(self, store):
        reservation = a_reservation(amounts={"volumes": 2})
        reservation.commit(a_moment())
        await store.append(reservation.pending)
        back = reservation.settled().give_back(a_moment()).pending
        assert sorted(outcomes(await self.together(store, back, back))) == ["Conflict", "stored"]
        assert await store.usage(PROJECT) == {"volumes": Usage(0, 0)}

    async def test_limits_below_usage_are_refused(self, store):
        await store.append(created(1, gigabytes=7))
        with pytest.raises(LimitBelowUsage) as refused:
            await store.append(limits_of(gigabytes=6).pending)
        assert (refused.value.limit, refused.value.consumed) == (6, 7)
        await store.append(limits_of(gigabytes=7).pending)
        assert await store.limits(PROJECT) == {"gigabytes": 7}
        with pytest.raises(OverQuota):
            await store.append(created(2))
        await assert_sound(store)

    async def test_own_limits_count_from_the_very_next_append(self, store):
        answers = await self.together(store, limits_of(volumes=1).pending, created(1), created(2))
        assert outcomes(answers) == ["stored", "stored", "OverQuota"]

    async def test_after_a_reset_the_defaults_count_again(self, store):
        limits = limits_of(volumes=0)
        limits.reset(a_moment())
        await store.append(limits.pending)
        assert await store.limits(PROJECT) == {}
        await store.append(created(1))
        await assert_sound(store)

    async def test_the_default_class_counts_from_the_very_next_append(self, store):
        batches = [limits_of(DEFAULT_CLASS, volumes=1).pending, created(1), created(2)]
        answers = await self.together(store, *batches)
        assert outcomes(answers) == ["stored", "stored", "OverQuota"]
        assert await store.limits(DEFAULT_CLASS) == {"volumes": 1}
        assert await store.limits(PROJECT) == {}
        await assert_sound(store)

    async def test_own_limits_win_over_the_default_class(self, store):
        await store.append(limits_of(volumes=2).pending)
        await store.append(limits_of(DEFAULT_CLASS, volumes=1, gigabytes=3).pending)
        answers = await self.together(store, *(created(number) for number in range(3)))
        assert outcomes(answers) == ["stored", "stored", "OverQuota"]
        with pytest.raises(OverQuota) as refused:
            await store.append(created(4, gigabytes=4))
        assert [over.resource for over in refused.value.overs] == ["gigabytes", "volumes"]

    async def test_the_default_class_may_go_below_what_projects_consume(self, store):
        await store.append(created(1, gigabytes=7))
        await store.append(limits_of(DEFAULT_CLASS, gigabytes=6).pending)
        with pytest.raises(OverQuota):
            await store.append(created(2))
        await assert_sound(store)

    async def test_a_class_of_another_name_limits_nobody(self, store):
        await store.append(limits_of(quota_class("gold"), volumes=0).pending)
        await store.append(created(1))
        await assert_sound(store)

    async def test_a_change_of_the_default_class_by_another_process_counts_at_once(
        self, open_store
    ):
        one, other = open_store(), open_store()
        await one.append(created(1))  # it now knows the ledger
        await other.append(limits_of(DEFAULT_CLASS, volumes=1).pending)
        with pytest.raises(OverQuota):
            await one.append(created(2))
        await assert_sound(one)

    async def test_200_racing_with_changes_of_the_default_class_never_pass_what_was_in_force(
        self, open_store
    ):
        one, other = open_store(), open_store()
        limits = QuotaLimits(id=limits_id(DEFAULT_CLASS))
        for number, room in enumerate((20, 40, 30)):
            limits.change(DEFAULT_CLASS, {"volumes": room}, a_moment(number))
        first, *changes = ([each] for each in limits.pending)
        await one.append(first)
        appends = [(one, other)[i % 2].append(created(i)) for i in range(200)]
        for place, change in zip((60, 120), changes, strict=True):
            appends.insert(place, one.append(change))
        answers = await asyncio.gather(*appends, return_exceptions=True)
        assert outcomes(answers).count("OverQuota") >= 200 - 40
        admitted = Ledger(defaults=LIMITS)
        for recorded in await whole_log(one):
            admitted.admit([recorded.event])  # raises where the log passes what was in force
        await assert_sound(other)

    async def test_limits_of_one_project_are_not_those_of_another(self, store):
        await store.append(limits_of("p", volumes=0).pending)
        await store.append(created(1, project_id="q"))
        with pytest.raises(OverQuota):
            await store.append(created(2, project_id="p"))
        assert await store.limits("q") == {}

    # promises of pools

    async def test_what_is_placed_is_promised_until_it_is_gone(self, store):
        volume = placed_on("a#1", number=1, size_gib=3)
        await store.append(volume.pending)
        _, promised = await store.promises()
        assert promised == {"a#1": Promise(3, 1)}
        volume = volume.settled()
        volume.request_deletion(a_moment(), force=True)
        volume.deleted(a_moment())
        last = await store.append(volume.pending)
        assert await store.promises() == (last, {"a#1": Promise(0, 0)})
        await assert_promises(store)

    async def test_a_pool_is_not_promised_beyond_its_ceiling(self, store):
        await store.append(placed_on("a#1", number=1, size_gib=3, ceiling=5).pending)
        before = await whole_log(store)
        with pytest.raises(OverCommitted) as over:
            await store.append(placed_on("a#1", number=2, size_gib=3, ceiling=5).pending)
        refused = over.value
        assert (refused.pool, refused.asked, refused.promised) == ("a#1", 3, 3)
        assert await whole_log(store) == before
        await store.append(placed_on("a#1", number=3, size_gib=2, ceiling=5).pending)
        await store.append(placed_on("a#1", number=4, size_gib=9, ceiling=None).pending)
        await assert_promises(store)

    async def test_who_would_over_commit_fails_alone_and_keeps_no_quota(self, store):
        greedy = [*created(9), *placed_on("a#1", number=2, size_gib=9, ceiling=5).pending]
        answers = await self.together(
            store, placed_on("a#1", number=1, ceiling=5).pending, greedy, created(3)
        )
        assert outcomes(answers) == ["stored", "OverCommitted", "stored"]
        assert (await store.usage(PROJECT))["volumes"] == Usage(0, 1)
        await assert_promises(store)
        await assert_sound(store)

    async def test_of_200_promises_at_once_with_room_for_50_exactly_50_are_kept(self, open_store):
        one, other = open_store(), open_store()
        volumes = [placed_on("a#1", number=n, size_gib=2, ceiling=101) for n in range(200)]
        answers = await asyncio.gather(
            *((one, other)[n % 2].append(v.pending) for n, v in enumerate(volumes)),
            return_exceptions=True,
        )
        assert sorted(outcomes(answers)) == ["OverCommitted"] * 150 + ["stored"] * 50
        _, promised = await other.promises()
        assert promised == {"a#1": Promise(100, 50)}
        await assert_promises(one)

    async def test_only_the_pools_that_changed_are_told(self, store):
        first = await store.append(placed_on("a#1", number=1).pending)
        await store.append(placed_on("b#1", number=2).pending)
        _, changed = await store.promises(after=first)
        assert changed["b#1"] == Promise(2, 1)
        assert changed.get("a#1") in (None, Promise(2, 1))

    # reading the log

    async def test_the_log_can_be_read_in_pages_of_any_size(self, store):
        for i in range(7):
            await store.append(created(i))
        log = await whole_log(store)
        for size in (1, 3, 14, 100):
            pages, after = [], 0
            while page := await store.log(after, size):
                assert len(page) <= size
                pages += page
                after = page[-1].position
            assert pages == log

    async def test_a_concurrent_reader_sees_positions_grow_and_misses_nothing(self, open_store):
        stores = [open_store() for _ in range(3)]
        reader = open_store()
        seen: list[int] = []
        writing = asyncio.gather(
            *(stores[i % 3].append(created(i, project_id=f"p{i}")) for i in range(150))
        )
        while not writing.done():
            seen += [r.position for r in await reader.log(seen[-1] if seen else 0, 40)]
            await asyncio.sleep(0)
        await writing
        while page := await reader.log(seen[-1] if seen else 0, 40):
            seen += [r.position for r in page]
        assert seen == [r.position for r in await whole_log(reader)]
        assert len(seen) == 300
        await assert_sound(reader)

    async def test_what_one_store_has_stored_the_other_one_reads(self, open_store):
        one, other = open_store(), open_store()
        last = await one.append(created(1))
        assert await other.last_position() == last
        assert await other.events(an_id(1)) == await one.events(an_id(1))
        assert await other.ledger() == await one.ledger()

    async def test_positions_are_told_of_what_was_stored_and_not_of_what_was_refused(self, store):
        told: list[int] = []
        store.on_append(told.append)
        first = await store.append(created(1))
        with pytest.raises(Conflict):
            await store.append(created(1))
        assert told == [first]
        second = await store.append(created(2))
        assert told == [first, second]

    # snapshots

    async def test_there_is_no_snapshot_until_one_is_saved(self, store):
        assert await store.snapshot(an_id(1)) is None

    async def test_the_newest_snapshot_is_kept_whatever_order_they_are_saved_in(self, store):
        old = a_snapshot(version=100, state=b"old")
        new = a_snapshot(version=200, state=b"new")
        await store.save_snapshot(old)
        assert await store.snapshot(an_id(1)) == old
        await store.save_snapshot(new)
        await store.save_snapshot(old)
        assert await store.snapshot(an_id(1)) == new
        assert await store.snapshot(an_id(2)) is None

    async def test_a_snapshot_may_be_saved_by_several_at_once(self, open_store):
        one, other = open_store(), open_store()
        snapshot = a_snapshot(version=100, state=b"state")
        await asyncio.gather(*(s.save_snapshot(snapshot) for s in [one, other] * 10))
        assert await other.snapshot(an_id(1)) == snapshot

    async def test_a_snapshot_holds_any_state(self, store):
        state = msgspec.json.encode(a_volume(metadata={"ü": "\u2028"}))
        await store.save_snapshot(a_snapshot(version=3, state=state))
        saved = await store.snapshot(an_id(1))
        assert saved is not None
        assert msgspec.json.decode(saved.state, type=Volume) == a_volume(metadata={"ü": "\u2028"})


def a_snapshot(*, version: int, state: bytes) -> Snapshot:
    return Snapshot(an_id(1), version, Volume.snapshot_topic, state)
