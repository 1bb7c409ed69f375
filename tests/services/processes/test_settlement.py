"""Reservations that their operation left open are settled by what the log says of it, not by the
clock; whatever died in between, however late it is, and whoever else does the same."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.event_store.memory import MemoryEventStore
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Volume, extension
from domain.errors import LapilliError, OverQuota
from domain.event import Moment
from domain.quota import GIGABYTES, of_type
from services.commands.settling import SettleReservation, settle_reservation
from services.unit_of_work import Aggregates, Commands
from tests.services.commands.world import STEPS, World
from tests.services.processes.deaths import die_everywhere, die_everywhere_twice
from tests.services.processes.ring import Ring, a_ring_with_a_volume
from tests.services.processes.schedules import Turns, every_schedule
from tests.services.processes.test_extending import assert_extended
from tests.support.around import Crash, Life, around
from tests.support.builders import PROJECT, a_moment, an_id

HELD = an_id(0xE)
SIZE_GIB, LARGER_GIB = 2, 5
LIFETIME_S, HOUR_S = 600.0, 3600.0

Decision = Callable[[Volume, QuotaReservation, Moment], object]


class Extending:
    """Extends volume 1 step by step, each one an append of its own, in a process that may die."""

    def __init__(self, store: MemoryEventStore, *, reservation_id: UUID = HELD) -> None:
        self.store, self.id = store, reservation_id
        self.now_s = 0.0

    async def decide(self, *decisions: Decision) -> None:
        """One append with all that is decided."""
        aggregates = Aggregates(self.store)
        volume = await aggregates.read(Volume, an_id(1))
        reservation = await aggregates.read(QuotaReservation, self.id)
        for decision in decisions:
            decision(volume, reservation, a_moment(self.now_s))
        read = [each for each in (volume, reservation) if not each.pending]
        await aggregates.write(volume, reservation, unchanged=read)

    async def hold(self) -> None:
        volume = await Aggregates(self.store).read(Volume, an_id(1))
        amounts = {GIGABYTES: LARGER_GIB - SIZE_GIB}
        held = QuotaReservation.hold(
            self.id,
            project_id=PROJECT,
            subject=volume.id,
            subject_kind="volume",
            amounts=of_type(amounts, volume.volume_type_id),
            largest_gib=LARGER_GIB,
            at=a_moment(self.now_s),
            lifetime=timedelta(seconds=LIFETIME_S),
        )
        await Aggregates(self.store).write(held)

    async def reservation(self) -> QuotaReservation:
        return await Aggregates(self.store).read(QuotaReservation, self.id)

    async def verbs(self) -> list[str]:
        return [recorded.event.verb for recorded in await self.store.events(self.id)]


def begun(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    used = str(reservation.id) in volume.reservations
    if used or reservation.state != "reserved":
        raise volume.not_allowed("extension")
    larger = volume.size_gib + reservation.amounts[GIGABYTES]
    extension.request(volume, larger, reservation_id=str(reservation.id), at=at)


def placed(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    extension.place(volume, ceiling_gib=None, at=at)


def started(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    extension.start(volume, "worker-1", at)


def succeeded(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    extension.succeed(volume, volume.attempt, at)


def failed(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    extension.give_up(volume, "no luck", at)


def committed(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    reservation.commit(at)


def rolled_back(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    reservation.roll_back(at)


async def extending(*appends: Sequence[Decision]) -> tuple[Ring, Extending]:
    """A volume, a reservation for its extension, and how far that came before everybody died."""
    ring = await a_ring_with_a_volume()
    work = Extending(ring.store)
    work.now_s = ring.clock.now_s
    await work.hold()
    for decisions in appends:
        await work.decide(*decisions)
    return ring, work


async def settle(ring: Ring, name: str = "worker-1") -> None:
    """A process handles what there is for settlement, and nothing else is done."""
    for kind, delivery in await ring.deliveries():
        if kind == "settlement":
            await ring.process(name).handle(kind, delivery)


async def gigabytes(ring: Ring) -> tuple[int, int]:
    """In use and reserved."""
    return (await ring.world.usage())[GIGABYTES]


STARTED: Sequence[Sequence[Decision]] = ([begun], [placed], [started])

CRASHES = [
    # the appends before everybody died, state of the reservation after settlement, in use
    ([], "expired", SIZE_GIB),
    ([*STARTED, [succeeded]], "committed", LARGER_GIB),
    ([*STARTED, [succeeded, committed]], "committed", LARGER_GIB),
    ([*STARTED, [failed]], "expired", SIZE_GIB),
    ([*STARTED, [failed, rolled_back]], "rolled_back", SIZE_GIB),
    ([[begun], [failed]], "expired", SIZE_GIB),
]
crashed = pytest.mark.parametrize(("appends", "state", "in_use"), CRASHES)


@crashed
async def test_after_an_hour_without_any_process_it_is_settled_by_what_the_log_says(
    appends, state, in_use
):
    ring, work = await extending(*appends)
    ring.clock.now_s += HOUR_S
    await settle(ring)
    assert (await work.reservation()).state == state
    assert await gigabytes(ring) == (in_use, 0)
    await ring.world.assert_sound()
    assert await ring.bus.parked() == []


@crashed
async def test_settling_once_more_changes_nothing(appends, state, in_use):
    ring, work = await extending(*appends)
    ring.clock.now_s += HOUR_S
    command = SettleReservation(id=HELD, at=a_moment(ring.clock.now_s))
    for _ in range(2):
        assert await ring.world.run(command) is True
    assert (await work.verbs())[2:] == []
    await settle(ring)
    assert (await work.verbs())[2:] == []
    assert await gigabytes(ring) == (in_use, 0)


@crashed
async def test_of_workers_that_settle_at_once_in_any_order_one_does(appends, state, in_use):
    schedules = 0
    for choices in every_schedule():
        schedules += 1
        ring, work = await extending(*appends)
        turns = Turns("append", "events")
        late = a_moment(ring.clock.now_s + HOUR_S)

        async def settled(turns=turns, ring=ring, late=late) -> None:
            commands = Commands(around(ring.store, before=turns.gate))
            done = await commands.run(settle_reservation, SettleReservation(id=HELD, at=late))
            assert done.value is True

        await turns.start(settled())
        await turns.start(settled())
        while turns.standing:
            await turns.go(choices.of(len(turns.standing)))
        assert (await work.reservation()).state == state
        assert len(await work.verbs()) == 2
        assert await gigabytes(ring) == (in_use, 0)
        await ring.world.assert_sound()
    assert schedules > 1


@pytest.mark.parametrize("appends", [[[begun]], [[begun], [placed]], STARTED])
async def test_what_is_under_way_keeps_its_reservation_long_after_the_deadline(appends):
    ring, _ = await extending(*appends)
    ring.clock.now_s += HOUR_S
    for _ in range(3):
        await settle(ring)
        assert await gigabytes(ring) == (SIZE_GIB, LARGER_GIB - SIZE_GIB)
        ring.clock.now_s += HOUR_S


async def test_an_operation_that_succeeds_an_hour_late_has_what_it_paid_for():
    ring, work = await extending(*STARTED)
    ring.clock.now_s += HOUR_S
    await settle(ring)
    await work.decide(succeeded, committed)
    ring.clock.now_s += HOUR_S
    await settle(ring)
    assert await work.verbs() == ["held", "committed"]
    assert await gigabytes(ring) == (LARGER_GIB, 0)
    await ring.world.assert_sound()


async def test_nothing_expires_before_its_deadline():
    ring, work = await extending()
    await settle(ring)
    ring.clock.now_s += LIFETIME_S - 1
    await settle(ring)
    assert (await work.reservation()).state == "reserved"
    ring.clock.now_s += 1
    await settle(ring)
    assert (await work.reservation()).state == "expired"


async def test_a_success_that_was_left_open_is_settled_without_waiting_for_the_deadline():
    ring, work = await extending(*STARTED, [succeeded])
    await settle(ring)
    assert (await work.reservation()).state == "committed"


async def test_what_expired_can_begin_nothing():
    ring, work = await extending()
    ring.clock.now_s += HOUR_S
    await settle(ring)
    with pytest.raises(LapilliError):
        await work.decide(begun)
    assert (await ring.volume()).under_way is None


async def test_of_a_beginning_and_an_expiry_at_once_one_happens_in_any_order():
    outcomes = set()
    for choices in every_schedule():
        ring, work = await extending()
        turns = Turns("append", "events")
        work.store = around(ring.store, before=turns.gate)

        async def begin(work=work) -> None:
            with suppress(LapilliError):
                await work.decide(begun)

        async def expire(ring=ring, turns=turns) -> None:
            late = a_moment(ring.clock.now_s + HOUR_S)
            commands = Commands(around(ring.store, before=turns.gate))
            await commands.run(settle_reservation, SettleReservation(id=HELD, at=late))

        await turns.start(begin())
        await turns.start(expire())
        while turns.standing:
            await turns.go(choices.of(len(turns.standing)))
        work.store = ring.store
        outcome = ((await ring.volume()).operation, (await work.reservation()).state)
        assert outcome in {("extending", "reserved"), ("idle", "expired")}
        outcomes.add(outcome)
    assert len(outcomes) == 2


async def test_an_extension_that_everybody_died_of_hours_ago_is_finished_and_paid_for():
    for end in itertools.count():
        ring = await a_ring_with_a_volume()
        await ring.extend(LARGER_GIB)
        try:
            await ring.go_on(ring.process(life=Life(ends_at=end)))
        except Crash:
            ring.clock.now_s += 3 * HOUR_S
            await settle(ring)  # before anybody else comes back
            await ring.go_on(ring.process("survivor"))
            await assert_extended(ring)
        else:
            assert end > 10
            return


async def an_orphan() -> Ring:
    ring, _ = await extending()
    ring.clock.now_s += HOUR_S
    return ring


async def it_is_given_back_once(ring: Ring) -> None:
    assert await Extending(ring.store).verbs() == ["held", "expired"]
    await ring.assert_one_available()


async def test_settlement_may_die_everywhere():
    assert len(await die_everywhere(an_orphan, it_is_given_back_once)) > 3


async def test_the_one_that_goes_on_may_die_as_well():
    assert await die_everywhere_twice(an_orphan, it_is_given_back_once) > 9


async def test_a_volume_that_is_gone_has_nothing_left_to_pay_for():
    ring, _ = await extending(*STARTED, [succeeded])
    await ring.delete()
    for step in ("remove", "gone"):
        await ring.world.run(await STEPS[step](ring.world, an_id(1)))
    ring.clock.now_s += HOUR_S
    await settle(ring)
    assert (await ring.volume()).state == "deleted"
    assert await gigabytes(ring) == (0, 0)


async def test_what_the_ledger_does_not_admit_cannot_be_held():
    ring = await a_ring_with_a_volume()
    work = Extending(ring.store)
    for _ in range(40):
        work.id = UUID(int=work.id.int + 1)
        try:
            await work.hold()
        except OverQuota as refused:
            assert [over.resource for over in refused.overs] == [GIGABYTES]
            return
    raise AssertionError("there is room for ever")


# any history at all

STARTED_ANEW = ("hold", "begin", "place", "start")
PHRASES: Sequence[Sequence[str]] = [
    *((choice,) for choice in STARTED_ANEW),
    *((choice,) for choice in ("succeed", "succeed and die", "fail", "fail and die", "settle")),
    *((choice,) for choice in ("delete", "force", "remove", "gone", "not gone", "an hour passes")),
    ("hold", "begin"),
    STARTED_ANEW,
    (*STARTED_ANEW, "succeed"),
    (*STARTED_ANEW, "succeed and die"),
    ("force", "remove"),
]
DECISIONS: dict[str, Sequence[Decision]] = {
    "begin": [begun],
    "place": [placed],
    "start": [started],
    "succeed": [succeeded, committed],
    "succeed and die": [succeeded],
    "fail": [failed, rolled_back],
    "fail and die": [failed],
}


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PHRASES), max_size=20))
def test_after_any_history_the_ledger_is_the_sum_of_the_log_and_of_what_is_there(history):
    asyncio.run(_lived(list(itertools.chain(*history))))


async def _lived(history: Sequence[str]) -> None:
    world = await (await World().has_a_type()).has_a_volume(in_state="available")
    work = Extending(world.store)
    taken: list[UUID] = []

    async def settle_all() -> None:
        for id in taken:
            command = SettleReservation(id=id, at=a_moment(work.now_s))
            await world.another_process().run(command)

    async def choose(choice: str) -> None:
        match choice:
            case "hold":
                work.id = UUID(int=HELD.int + len(taken))
                await work.hold()
                taken.append(work.id)
            case "settle":
                await settle_all()
            case "an hour passes":
                work.now_s += HOUR_S
            case _ if choice in DECISIONS:
                under_way = (await world.volume()).under_way
                if under_way is not None:  # what was held since is for another one
                    work.id = UUID(under_way.reservation_id)
                await work.decide(*DECISIONS[choice])
            case _:
                await world.run(await STEPS[choice](world, an_id(1)))

    for choice in history:
        try:
            await choose(choice)
        except LapilliError:
            continue  # not possible there; it must have changed nothing
    work.now_s += HOUR_S
    await settle_all()
    await world.assert_sound()
    volume = await world.volume()
    there = 0 if volume.state == "deleted" else volume.size_gib
    wanted = extension.under_way(volume).new_size_gib - there if volume.under_way else 0
    assert (await world.usage())[GIGABYTES] == (there, wanted)
