"""What every bus promises; see adapters/bus/port.py."""

import asyncio
from datetime import UTC, datetime

import pytest

from adapters.bus.port import ERROR_LIMIT, Bus, NotFound, OutOfOrder, Unavailable
from tests.adapters.bus.stage import (
    Stage,
    a_message,
    a_notice,
    an_inbox,
    consume,
    eventually,
    messages,
    receive,
)
from tests.support.patience import PATIENCE_S, soon

AT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)


class TestPublishing:
    async def test_a_new_log_stream_ends_at_0(self, bus: Bus) -> None:
        assert await bus.last_position() == 0

    async def test_messages_arrive_in_the_order_of_the_log(self, bus: Bus) -> None:
        await bus.publish(messages(1, 1500), after=0)
        await bus.publish(messages(1501, 1600), after=1500)
        assert await bus.last_position() == 1600
        assert await consume(await an_inbox(bus), 1600) == list(range(1, 1601))

    async def test_positions_may_have_gaps(self, bus: Bus) -> None:
        await bus.publish([a_message(3), a_message(7)], after=0)
        await bus.publish([a_message(20)], after=7)
        assert await consume(await an_inbox(bus), 3) == [3, 7, 20]

    async def test_publishing_nothing_at_the_right_place_is_harmless(self, bus: Bus) -> None:
        await bus.publish([], after=0)
        assert await bus.last_position() == 0

    async def test_publishing_again_stores_nothing_twice(self, stage: Stage, bus: Bus) -> None:
        await bus.publish(messages(1, 5), after=0)
        await bus.publish(messages(1, 5), after=0)
        await (await stage.connect()).publish(messages(1, 7), after=0)
        await bus.publish(messages(6, 8), after=5)
        assert await consume(await an_inbox(bus), 8) == list(range(1, 9))

    async def test_a_place_the_stream_has_not_reached_is_refused(self, bus: Bus) -> None:
        await bus.publish(messages(1, 5), after=0)
        with pytest.raises(OutOfOrder) as refusal:
            await bus.publish(messages(8, 9), after=7)
        assert (refusal.value.expected, refusal.value.found) == (7, 5)
        assert await bus.last_position() == 5

    async def test_a_relay_with_a_stale_place_is_refused_and_leaves_no_gap(
        self, stage: Stage, bus: Bus
    ) -> None:
        stale = await stage.connect()
        await stale.publish(messages(1, 3), after=0)
        await bus.publish(messages(4, 6), after=3)
        with pytest.raises(OutOfOrder) as refusal:
            await stale.publish(messages(4, 5), after=3)
        assert refusal.value.found == 6
        await stale.publish(messages(7, 8), after=await stale.last_position())
        assert await consume(await an_inbox(bus), 8) == list(range(1, 9))

    async def test_two_relays_at_once_never_interleave(self, stage: Stage, bus: Bus) -> None:
        async def relay(one: Bus) -> None:
            while (place := await one.last_position()) < 900:
                try:
                    await one.publish(messages(place + 1, min(place + 70, 900)), after=place)
                except OutOfOrder:
                    continue

        await soon(asyncio.gather(relay(bus), relay(await stage.connect())))
        assert await consume(await an_inbox(bus), 900) == list(range(1, 901))

    async def test_a_lost_log_stream_is_fed_again(self, stage: Stage, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        await bus.publish(messages(1, 3), after=0)
        assert await consume(inbox, 3) == [1, 2, 3]
        waiting = asyncio.create_task(inbox.next(10))
        await asyncio.sleep(0)

        await stage.lose_log()

        with pytest.raises(OutOfOrder):
            await bus.publish(messages(4, 4), after=3)
        assert await bus.last_position() == 0
        await bus.publish(messages(1, 1), after=0)
        [delivery] = await soon(waiting)
        await delivery.ack()
        await bus.publish(messages(2, 4), after=1)
        assert await consume(inbox, 3) == [2, 3, 4]


class TestDerivedStream:
    """It keeps the promises of the log stream, for several messages a position."""

    KEEP_S = 3600.0

    async def told(self, stage: Stage) -> list[str]:
        return [m.payload.decode() for m in await stage.told("notices")]

    async def test_a_new_one_ends_at_0_and_is_not_the_log(self, stage: Stage, bus: Bus) -> None:
        stream = bus.stream("notices", self.KEEP_S)
        assert await stream.last_position() == 0
        await stream.publish([a_notice(7)], after=0)
        assert await stream.last_position() == 7
        assert await bus.last_position() == 0
        [notice] = await stage.told("notices")
        assert (notice.subject, notice.payload) == ("lapilli_notices.7.0", b"7.0")
        assert notice.id == "id-7.0"

    async def test_two_of_one_name_are_the_same(self, stage: Stage, bus: Bus) -> None:
        await bus.stream("notices", self.KEEP_S).publish([a_notice(2)], after=0)
        other = (await stage.connect()).stream("notices", self.KEEP_S)
        assert await other.last_position() == 2

    async def test_what_was_cut_off_within_a_position_is_completed(
        self, stage: Stage, bus: Bus
    ) -> None:
        stream = bus.stream("notices", self.KEEP_S)
        await stream.publish([a_notice(1), a_notice(4, 0)], after=0)
        again = (await stage.connect()).stream("notices", self.KEEP_S)
        parts = [a_notice(4, 0), a_notice(4, 1), a_notice(4, 2), a_notice(6)]
        await again.publish(parts, after=4)
        await stream.publish(parts, after=4)
        assert await self.told(stage) == ["1.0", "4.0", "4.1", "4.2", "6.0"]

    async def test_it_may_end_between_what_is_published(self, stage: Stage, bus: Bus) -> None:
        stream = bus.stream("notices", self.KEEP_S)
        await stream.publish([a_notice(1), a_notice(5)], after=0)
        await stream.publish([a_notice(3), a_notice(8)], after=1)
        assert await self.told(stage) == ["1.0", "5.0", "8.0"]

    async def test_a_publisher_with_a_stale_place_is_refused(self, stage: Stage, bus: Bus) -> None:
        stale = (await stage.connect()).stream("notices", self.KEEP_S)
        await stale.publish([a_notice(1)], after=0)
        await bus.stream("notices", self.KEEP_S).publish([a_notice(9)], after=1)
        with pytest.raises(OutOfOrder) as refusal:
            await stale.publish([a_notice(3)], after=1)
        assert (refusal.value.expected, refusal.value.found) == (1, 9)
        assert await self.told(stage) == ["1.0", "9.0"]

    async def test_what_is_inserted_moves_nobody_s_place(self, stage: Stage, bus: Bus) -> None:
        stream = bus.stream("notices", self.KEEP_S)
        await stream.publish([a_notice(8, 0), a_notice(8, 1)], after=0)
        await (await stage.connect()).stream("notices", self.KEEP_S).insert(a_notice(3))
        assert await stream.last_position() == 8
        await stream.publish([a_notice(8, 1), a_notice(8, 2), a_notice(9)], after=8)
        assert await self.told(stage) == ["8.0", "8.1", "3.0", "8.2", "9.0"]
        assert [m.id for m in await stage.told("notices")][2] == "id-3.0"

    async def test_inserting_and_publishing_at_once_lose_nothing(
        self, stage: Stage, bus: Bus
    ) -> None:
        stream = bus.stream("notices", self.KEEP_S)
        other = (await stage.connect()).stream("notices", self.KEEP_S)

        async def publish() -> None:
            while (place := max(100, await stream.last_position())) < 140:
                try:
                    notices = [a_notice(place + 1), a_notice(place + 2)]
                    await stream.publish(notices, after=await stream.last_position())
                except OutOfOrder:
                    continue

        async def insert() -> None:
            for position in range(1, 21):
                await other.insert(a_notice(position))

        await soon(asyncio.gather(publish(), insert()))
        told = [int(name.partition(".")[0]) for name in await self.told(stage)]
        assert [position for position in told if position > 100] == list(range(101, 141))
        assert [position for position in told if position < 100] == list(range(1, 21))

    async def test_one_that_forgot_everything_says_so(self, stage: Stage, bus: Bus) -> None:
        await bus.stream("notices", self.KEEP_S).publish([a_notice(5)], after=0)
        await stage.expire("notices")
        stream = (await stage.connect()).stream("notices", self.KEEP_S)
        with pytest.raises(OutOfOrder) as refusal:
            await stream.publish([a_notice(6)], after=5)
        assert refusal.value.found == 0
        await stream.insert(a_notice(2))
        assert await stream.last_position() == 0
        await stream.publish([a_notice(6)], after=0)
        assert await self.told(stage) == ["2.0", "6.0"]

    async def test_names_that_cannot_be_subjects_are_refused(self, bus: Bus) -> None:
        with pytest.raises(ValueError):
            bus.stream("no tices", self.KEEP_S)


class TestInbox:
    async def test_it_waits_for_a_message(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        waiting = asyncio.create_task(inbox.next(10))
        await bus.publish(messages(1, 1), after=0)
        [delivery] = await soon(waiting)
        assert delivery.subject == "lapilli.volume.requested._.v1"
        assert (delivery.payload, delivery.deliveries) == (b"1", 1)

    async def test_it_gives_no_more_than_asked_for(self, bus: Bus) -> None:
        await bus.publish(messages(1, 10), after=0)
        inbox = await an_inbox(bus)
        assert len(await soon(inbox.next(1))) == 1
        assert 1 <= len(await soon(inbox.next(3))) <= 3

    async def test_it_hears_only_its_subjects(self, bus: Bus) -> None:
        inbox = await an_inbox(
            bus, subjects=["lapilli.volume.requested.*.*", "lapilli.volume.placed.lvm-1.>"]
        )
        await bus.publish(
            [
                a_message(1),
                a_message(2, event="placed", backend="lvm-1"),
                a_message(3, event="placed", backend="lvm-2"),
                a_message(4, event="deleted"),
                a_message(5, backend="lvm-2"),
            ],
            after=0,
        )
        assert await consume(inbox, 3) == [1, 2, 5]

    async def test_its_subjects_can_change(self, bus: Bus) -> None:
        await bus.publish([a_message(1), a_message(2, event="placed")], after=0)
        first = await an_inbox(bus, subjects=["lapilli.volume.requested.>"])
        assert await consume(first, 1) == [1]
        await first.close()
        inbox = await an_inbox(
            bus, subjects=["lapilli.volume.requested.>", "lapilli.volume.deleted.>"]
        )
        await bus.publish([a_message(3, event="deleted")], after=2)
        assert await consume(inbox, 1) == [3]

    @pytest.mark.parametrize(
        "subjects",
        [
            ["cinder.>"],
            ["lapilli.volume.>", "lapilli.volume.placed.*.*"],
            ["lapilli.*.placed.>", "lapilli.volume.*.lvm.*"],
        ],
    )
    async def test_filters_that_no_inbox_can_have_are_refused(
        self, bus: Bus, subjects: list[str]
    ) -> None:
        with pytest.raises(ValueError):
            await an_inbox(bus, subjects=subjects)

    async def test_two_names_both_hear_everything(self, bus: Bus) -> None:
        one, other = await an_inbox(bus, "one"), await an_inbox(bus, "other")
        await bus.publish(messages(1, 3), after=0)
        assert await consume(one, 3) == await consume(other, 3) == [1, 2, 3]

    async def test_two_of_one_name_share(self, stage: Stage, bus: Bus) -> None:
        one, other = await an_inbox(bus), await an_inbox(await stage.connect())
        await bus.publish(messages(1, 40), after=0)
        mine, others = await receive(one, 5), await receive(other, 5)
        rest: list[int] = []
        for delivery in (*mine, *others):
            rest.append(int(delivery.payload))
            await delivery.ack()
        rest += await consume(one, 30)
        assert sorted(rest) == list(range(1, 41))

    async def test_its_place_outlives_it(self, stage: Stage, bus: Bus) -> None:
        await bus.publish(messages(1, 4), after=0)
        first = await an_inbox(bus)
        assert await consume(first, 2) == [1, 2]
        await first.close()
        assert await consume(await an_inbox(await stage.connect()), 2) == [3, 4]

    async def test_what_is_not_acked_comes_again(self, stage: Stage, bus: Bus) -> None:
        inbox = await an_inbox(bus, ack_wait_s=0.5)
        await bus.publish(messages(1, 1), after=0)
        [first] = await receive(inbox, 1)
        await stage.elapse(0.5)
        [again] = await receive(inbox, 1)
        assert again.payload == b"1"
        assert again.deliveries > first.deliveries  # by more than one if we are slow to take it

    async def test_what_a_dead_process_held_comes_to_another(self, stage: Stage, bus: Bus) -> None:
        doomed = await stage.connect()
        await bus.publish(messages(1, 2), after=0)
        await receive(await an_inbox(doomed, ack_wait_s=0.5), 2)
        await doomed.close()
        await stage.elapse(0.5)
        assert sorted(await consume(await an_inbox(bus, ack_wait_s=0.5), 2)) == [1, 2]

    async def test_working_keeps_redelivery_away(self, stage: Stage, bus: Bus) -> None:
        inbox = await an_inbox(bus, ack_wait_s=5.0)  # no machine shall pause for so long
        await bus.publish(messages(1, 2), after=0)
        [long_work, _] = await receive(inbox, 2)
        again = asyncio.create_task(inbox.next(10))
        async with asyncio.timeout(PATIENCE_S):
            while not again.done():  # the second message proves that ack_wait_s has passed
                await long_work.working()
                await stage.elapse(0.5)
                await asyncio.wait([again], timeout=0.1)
        assert [(d.payload, d.deliveries) for d in again.result()] == [(b"2", 2)]

    async def test_retry_comes_after_its_delay(self, stage: Stage, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        await bus.publish(messages(1, 2), after=0)
        [late, early] = await receive(inbox, 2)
        await late.retry(1.5)
        await early.retry(0.1)
        await stage.elapse(0.1)
        [first] = await receive(inbox, 1)
        await stage.elapse(1.5)
        [second] = await receive(inbox, 1)
        assert [first.payload, second.payload] == [b"2", b"1"]
        assert [first.deliveries, second.deliveries] == [2, 2]

    async def test_retry_without_delay_comes_at_once(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        await bus.publish(messages(1, 1), after=0)
        for deliveries in range(1, 6):
            [delivery] = await receive(inbox, 1)
            assert delivery.deliveries == deliveries
            await delivery.retry(0)

    async def test_no_more_than_max_pending_are_unsettled(self, bus: Bus) -> None:
        inbox = await an_inbox(bus, max_pending=3)
        await bus.publish(messages(1, 4), after=0)
        held = await receive(inbox, 3)
        fourth = asyncio.create_task(inbox.next(10))
        await asyncio.sleep(0)
        assert not fourth.done()
        await held[0].ack()
        assert [d.payload for d in await soon(fourth)] == [b"4"]

    async def test_cancelling_next_loses_nothing(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        for _ in range(3):
            waiting = asyncio.create_task(inbox.next(10))
            await asyncio.sleep(0)
            waiting.cancel()
        await bus.publish(messages(1, 3), after=0)
        assert await consume(inbox, 3) == [1, 2, 3]

    async def test_close_ends_the_wait(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        waiting = asyncio.create_task(inbox.next(10))
        await asyncio.sleep(0)
        await inbox.close()
        assert list(await soon(waiting)) == []
        assert list(await soon(inbox.next(10))) == []


class TestParking:
    async def test_parked_is_kept_aside_and_not_delivered_again(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        await bus.publish(messages(1, 2), after=0)
        [delivery] = await receive(inbox, 1)
        await bus.park("provisioning", delivery, "no space: left\nTraceback: …", AT)
        [parked] = await bus.parked()
        assert (parked.consumer, parked.payload, parked.deliveries) == ("provisioning", b"1", 1)
        assert parked.subject == "lapilli.volume.requested._.v1"
        assert parked.error == "no space: left\nTraceback: …"
        assert parked.parked_at == AT
        assert await consume(inbox, 1) == [2]

    async def test_parked_are_listed_oldest_first(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        await bus.publish(messages(1, 3), after=0)
        for delivery in await receive(inbox, 3):
            await bus.park("provisioning", delivery, "", AT)
        assert [parked.payload for parked in await bus.parked()] == [b"1", b"2", b"3"]

    async def test_a_huge_error_is_cut(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        await bus.publish(messages(1, 1), after=0)
        await bus.park("provisioning", (await receive(inbox, 1))[0], "ü" * 1_000_000, AT)
        assert (await bus.parked())[0].error == "ü" * ERROR_LIMIT

    async def test_an_inbox_without_subjects_hears_only_what_is_retried_to_it(
        self, bus: Bus
    ) -> None:
        quiet, other = await an_inbox(bus, "quiet", []), await an_inbox(bus)
        await bus.publish(messages(1, 3), after=0)
        [delivery, *_] = await receive(other, 3)
        await bus.park("quiet", delivery, "no", AT)
        waiting = asyncio.create_task(quiet.next(10))
        await bus.retry_parked((await bus.parked())[0].id)
        assert [d.payload for d in await soon(waiting)] == [b"1"]

    async def test_retry_delivers_to_that_consumer_only_and_not_to_the_log(
        self, stage: Stage, bus: Bus
    ) -> None:
        inbox, other = await an_inbox(bus), await an_inbox(bus, "other")
        await bus.publish(messages(1, 1), after=0)
        [delivery] = await receive(inbox, 1)
        await bus.park("provisioning", delivery, "no", AT)
        assert await consume(other, 1) == [1]
        waiting = asyncio.create_task(inbox.next(10))

        await (await stage.connect()).retry_parked((await bus.parked())[0].id)

        [again] = await soon(waiting)
        assert (again.subject, again.payload) == (delivery.subject, b"1")
        assert again.deliveries == 1
        assert await bus.parked() == []
        assert await bus.last_position() == 1
        await bus.publish(messages(2, 2), after=1)
        assert await consume(other, 1) == [2]

    async def test_a_retry_that_fails_again_can_be_parked_again(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        await bus.publish(messages(1, 1), after=0)
        for error in ("first", "second"):
            [delivery] = await receive(inbox, 1)
            await bus.park("provisioning", delivery, error, AT)
            [parked] = await bus.parked()
            assert (parked.error, parked.subject) == (error, delivery.subject)
            await bus.retry_parked(parked.id)
        assert await consume(inbox, 1) == [1]

    async def test_retrying_what_is_not_parked_is_refused(self, bus: Bus) -> None:
        with pytest.raises(NotFound):
            await bus.retry_parked(1)


class TestLease:
    async def test_it_is_exclusive_renewable_and_released(self, stage: Stage, bus: Bus) -> None:
        other = await stage.connect()
        assert await bus.lease("relay", "a", 60)
        assert not await other.lease("relay", "b", 60)
        assert await bus.lease("relay", "a", 60)
        await other.release("relay", "b")
        assert not await other.lease("relay", "b", 60)
        await bus.release("relay", "a")
        assert await other.lease("relay", "b", 60)
        assert not await bus.lease("relay", "a", 60)

    async def test_it_expires(self, stage: Stage, bus: Bus) -> None:
        other = await stage.connect()
        assert await bus.lease("relay", "a", 1)
        await eventually(stage, lambda: other.lease("relay", "b", 1))

    async def test_leases_are_independent(self, bus: Bus) -> None:
        assert await bus.lease("relay", "a", 60)
        assert await bus.lease("settlement", "b", 60)

    async def test_one_of_many_at_once_gets_it(self, stage: Stage) -> None:
        buses = [await stage.connect() for _ in range(5)]
        got = await asyncio.gather(*(b.lease("relay", f"h{i}", 60) for i, b in enumerate(buses)))
        assert sum(got) == 1

    async def test_releasing_what_nobody_holds_is_harmless(self, bus: Bus) -> None:
        await bus.release("relay", "a")


class TestBoard:
    async def test_it_shows_the_latest_of_every_key(self, stage: Stage, bus: Bus) -> None:
        board = await bus.board("backends", 60)
        seen = await (await stage.connect()).board("backends", 60)
        assert await seen.all() == {}
        await board.put("host-1@lvm#pool.0", b"old")
        await board.put("host-1@lvm#pool.0", b"new")
        await board.put("host-0@lvm/x", b"")
        assert await seen.all() == {"host-0@lvm/x": b"", "host-1@lvm#pool.0": b"new"}

    async def test_removed_entries_are_gone(self, bus: Bus) -> None:
        board = await bus.board("backends", 60)
        await board.put("a", b"1")
        await board.put("b", b"2")
        await board.remove("a")
        await board.remove("never-there")
        assert await board.all() == {"b": b"2"}

    async def test_entries_not_renewed_expire(self, stage: Stage, bus: Bus) -> None:
        board = await bus.board("backends", 1)
        await board.put("silent", b"")

        async def only_the_renewed_is_left() -> bool:
            await board.put("alive", b"")
            return await board.all() == {"alive": b""}

        await eventually(stage, only_the_renewed_is_left)

    async def test_boards_are_independent(self, bus: Bus) -> None:
        board = await bus.board("backends", 60)
        await board.put("a", b"")
        assert await (await bus.board("workers", 60)).all() == {}

    @pytest.mark.parametrize("key", ["", "a b", "a.*", "a.>", ".a", "a.", "a..b"])
    async def test_keys_that_are_no_subjects_are_refused(self, bus: Bus, key: str) -> None:
        board = await bus.board("backends", 60)
        with pytest.raises(ValueError):
            await board.put(key, b"")


class TestSignals:
    async def test_all_who_listen_hear_it(self, stage: Stage, bus: Bus) -> None:
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await bus.on_signal("log-grew", heard.put_nowait)
        await (await stage.connect()).on_signal("log-grew", heard.put_nowait)
        await bus.signal("something-else", b"no")
        await bus.signal("log-grew", b"42")
        assert [await soon(heard.get()) for _ in range(2)] == [b"42", b"42"]

    async def test_who_has_stopped_listening_hears_nothing(self, bus: Bus) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        gone = await bus.on_signal("log-grew", lambda _: heard.put_nowait("gone"))
        await gone.close()
        await bus.on_signal("log-grew", lambda _: heard.put_nowait("here"))
        await bus.signal("log-grew")
        assert await soon(heard.get()) == "here"


class TestConnection:
    async def test_it_is_connected_until_closed(self, bus: Bus) -> None:
        assert bus.connected()
        await bus.close()
        assert not bus.connected()

    async def test_a_closed_bus_is_unavailable(self, bus: Bus) -> None:
        await bus.close()
        with pytest.raises(Unavailable):
            await bus.last_position()
        with pytest.raises(Unavailable):
            await bus.publish(messages(1, 1), after=0)
        with pytest.raises(Unavailable):
            await bus.lease("relay", "a", 1)
        await bus.signal("log-grew")

    async def test_closing_ends_its_inboxes(self, bus: Bus) -> None:
        inbox = await an_inbox(bus)
        waiting = asyncio.create_task(inbox.next(1))
        await asyncio.sleep(0)
        await bus.close()
        assert list(await soon(waiting)) == []
