"""Reservations that their operation left open are settled by what the log says of it, not by the
clock; whatever died in between, however late it is, and whoever else does the same."""

import itertools
from contextlib import suppress
from uuid import UUID

import pytest

from domain.errors import LapilliError, OverQuota
from domain.quota import GIGABYTES
from services.commands.settling import SettleReservation, settle_reservation
from services.unit_of_work import Commands
from tests.services.commands.world import STEPS
from tests.services.processes.deaths import die_everywhere, die_everywhere_twice
from tests.services.processes.holding import (
    HELD,
    HOUR_S,
    LARGER_GIB,
    LIFETIME_S,
    SIZE_GIB,
    STARTED,
    Extending,
    begun,
    committed,
    extending,
    failed,
    gigabytes,
    placed,
    rolled_back,
    settle,
    succeeded,
)
from tests.services.processes.ring import Ring, a_ring_with_a_volume
from tests.services.processes.schedules import Turns, every_schedule
from tests.services.processes.test_extending import assert_extended
from tests.support.around import Crash, Life, around
from tests.support.builders import a_moment, an_id

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
        turns = Turns("append", reads=["events"])
        late = a_moment(ring.clock.now_s + HOUR_S)

        async def settled(turns=turns, ring=ring, late=late) -> None:
            commands = Commands(around(ring.store, before=turns.gate))
            done = await commands.run(settle_reservation, SettleReservation(id=HELD, at=late))
            assert done.value is True

        await turns.start(settled())
        await turns.start(settled())
        if not await turns.run(choices):
            continue
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
        turns = Turns("append", reads=["events"])
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
        if not await turns.run(choices):
            continue
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
