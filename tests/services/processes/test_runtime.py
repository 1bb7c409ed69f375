"""Feeding process managers: at least once, kept alive, tried again, parked; never dropped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from adapters.bus.memory import MemoryBus
from adapters.bus.port import Bus, Message
from adapters.event_store.memory import MemoryEventStore
from domain import codec
from domain.aggregates import volume
from domain.errors import Conflict, NotAllowed, Superseded, Unavailable
from domain.event import Recorded
from services.processes.runtime import NotYet, ProcessManager, Worker, Workload, reacts_to
from services.subjects import subject_of
from services.unit_of_work import Commands
from tests.services.processes.ring import Clock
from tests.support.around import Outage, around
from tests.support.builders import a_request, an_id
from tests.support.patience import PATIENCE_S

ACK_WAIT_S = 30.0
TRIES = 3
BACKOFF_S = (1.0, 5.0)

AWAY = Unavailable(part="database", reason="away")
LOST_RACES = Conflict(kind="volume", id="1")
BROKEN = ZeroDivisionError("a fault of ours")

Reacts = Callable[[Recorded[volume.Requested]], Awaitable[None]]


class Listening(ProcessManager):
    """Does with every requested volume what it is told."""

    name: ClassVar[str] = "listening"

    def __init__(self, clock: Clock, reacts: Reacts) -> None:
        store = MemoryEventStore(default_limits={})
        super().__init__(commands=Commands(store), clock=clock)
        self._reacts = reacts

    @reacts_to(volume.Requested)
    async def requested(self, recorded: Recorded[volume.Requested]) -> None:
        await self._reacts(recorded)


class AlsoListening(Listening):
    name: ClassVar[str] = "also-listening"

    @reacts_to(volume.Requested)
    async def requested(self, recorded: Recorded[volume.Requested]) -> None:
        await self._reacts(recorded)


class Stage:
    """A bus on which volumes are requested, time by hand, and what workers have handled."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bus = MemoryBus(self.clock.monotonic)
        self.handled: asyncio.Queue[int] = asyncio.Queue()
        """The number of the volume of every reaction that has succeeded."""
        self._position = 0

    # given

    async def requests(self, *numbers: int) -> None:
        for number in numbers:
            [recorded] = a_request(number).pending
            await self.publish(subject_of(recorded), codec.to_cloud_event(recorded))

    async def publish(self, subject: str, payload: bytes) -> None:
        self._position += 1
        message = Message(self._position, subject, payload)
        await self.bus.publish([message], after=self._position - 1)
        await self.quiet()

    async def handles(self, recorded: Recorded[volume.Requested]) -> None:
        await self.handled.put(recorded.aggregate_id.int)

    def fails(self, *with_: Exception) -> Reacts:
        """Fails with one after the other, then succeeds."""
        left = list(with_)

        async def reacts(recorded: Recorded[volume.Requested]) -> None:
            if left:
                raise left.pop(0)
            await self.handles(recorded)

        return reacts

    def worker(
        self,
        reacts: Reacts | None = None,
        *,
        kind: type[Listening] = Listening,
        bus: Bus | None = None,
        concurrency: int = 4,
        ack_wait_s: float = ACK_WAIT_S,
    ) -> Worker:
        manager = kind(self.clock, reacts or self.handles)
        workload = Workload(
            concurrency=concurrency,
            ack_wait_s=ack_wait_s,
            max_deliveries=TRIES,
            backoff_s=BACKOFF_S,
        )
        return Worker(manager, bus=bus or self.bus, workload=workload)

    # when

    @asynccontextmanager
    async def at_work(self, *workers: Worker) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        try:
            await self.quiet()
            yield
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(ended, asyncio.CancelledError)

    async def elapse(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.bus.wake()
        await self.quiet()

    async def quiet(self) -> None:
        """Everybody has done what can be done without time passing."""
        for _ in range(50):
            await asyncio.sleep(0)

    # then

    async def next_handled(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.handled.get()

    async def assert_nothing_comes_any_more(self) -> None:
        for _ in range(5):
            await self.elapse(10 * ACK_WAIT_S)
        assert self.handled.empty()


@pytest.fixture
def stage() -> Stage:
    return Stage()


class Work:
    """A reaction that takes until it is finished."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.cancelled: list[int] = []
        self.most_at_once = 0
        self.finish = asyncio.Event()

    async def __call__(self, recorded: Recorded[volume.Requested]) -> None:
        number = recorded.aggregate_id.int
        self.begun.append(number)
        self.most_at_once = max(self.most_at_once, len(self.begun) - len(self.ended))
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            for _ in range(5):  # letting go takes a while
                await asyncio.sleep(0)
            self.cancelled.append(number)
            raise
        finally:
            self.ended.append(number)


# at least once


async def test_what_was_handled_does_not_come_again(stage: Stage):
    async with stage.at_work(stage.worker()):
        await stage.requests(1, 2)
        assert [await stage.next_handled() for _ in range(2)] == [1, 2]
        await stage.assert_nothing_comes_any_more()


async def test_what_came_before_the_worker_is_handled(stage: Stage):
    await stage.requests(1)
    async with stage.at_work(stage.worker()):
        assert await stage.next_handled() == 1


async def test_two_workers_share_and_each_message_is_handled_once(stage: Stage):
    work = Work()
    async with stage.at_work(*(stage.worker(work, concurrency=2) for _ in range(2))):
        await stage.requests(1, 2, 3, 4)
        assert sorted(work.begun) == [1, 2, 3, 4]
        work.finish.set()
        await stage.assert_nothing_comes_any_more()
    assert sorted(work.begun) == [1, 2, 3, 4]


DONE = NotAllowed(kind="volume", id="1", state="deleted", event="placed")
SUPERSEDED = Superseded(kind="volume", id="1", attempt=1)


async def test_what_somebody_else_has_done_already_is_done(stage: Stage):
    async with stage.at_work(stage.worker(stage.fails(DONE))):
        await stage.requests(1)
        await stage.assert_nothing_comes_any_more()
    assert await stage.bus.parked() == []


async def test_whoever_is_superseded_leaves_the_message_to_who_did_it_who_may_die(stage: Stage):
    async with stage.at_work(stage.worker(stage.fails(SUPERSEDED))):
        await stage.requests(1)
        assert stage.handled.empty()
        await stage.elapse(ACK_WAIT_S)
        assert await stage.next_handled() == 1
        await stage.assert_nothing_comes_any_more()
    assert await stage.bus.parked() == []


async def test_what_the_silent_worker_holds_comes_to_another_while_it_still_runs(stage: Stage):
    work = Work()
    async with stage.at_work(stage.worker(work)):
        await stage.requests(1)
        await stage.elapse(ACK_WAIT_S)
        assert work.begun == [1, 1]
        work.finish.set()
        await stage.assert_nothing_comes_any_more()
    assert work.ended == [1, 1]


async def test_long_work_is_kept_alive_and_comes_to_nobody_else(stage: Stage):
    kept_alive: asyncio.Queue[str] = asyncio.Queue()
    work = Work()
    worker = stage.worker(work, ack_wait_s=0.01)  # real time, for the keeping alive
    inbox = await stage.bus.inbox("listening", ["lapilli.>"], ACK_WAIT_S, 100)
    await stage.requests(1)
    [delivery] = inbox.here(2)

    async def tell(method: str) -> None:
        if method == "working":
            await kept_alive.put(method)

    handling = asyncio.create_task(worker.handle(around(delivery, after=tell)))
    for _ in range(5):
        async with asyncio.timeout(PATIENCE_S):
            await kept_alive.get()
        stage.clock.now_s += ACK_WAIT_S * 0.9
        assert inbox.here(1) == []
    work.finish.set()
    await handling
    stage.clock.now_s += 10 * ACK_WAIT_S
    assert inbox.here(1) == []
    await stage.quiet()
    assert asyncio.all_tasks() == {asyncio.current_task()}  # nobody keeps it alive any more


async def test_no_more_at_once_than_it_may(stage: Stage):
    work = Work()
    async with stage.at_work(stage.worker(work, concurrency=3)):
        await stage.requests(*range(1, 11))
        assert work.begun == [1, 2, 3]
        work.finish.set()
        await stage.quiet()
    assert work.begun == list(range(1, 11))
    assert work.most_at_once == 3


async def test_what_a_full_worker_does_not_take_is_free_for_others(stage: Stage):
    full = Work()
    async with stage.at_work(stage.worker(full, concurrency=1)):
        await stage.requests(1, 2)
        assert full.begun == [1]
        async with stage.at_work(stage.worker()):
            assert await stage.next_handled() == 2


async def test_stopping_it_leaves_what_is_under_way_to_the_next(stage: Stage):
    work = Work()
    running = asyncio.create_task(stage.worker(work).run())
    await stage.requests(1)
    assert work.begun == [1]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.cancelled == [1]  # nothing of it goes on
    async with stage.at_work(stage.worker()):
        await stage.elapse(ACK_WAIT_S)
        assert await stage.next_handled() == 1


async def test_it_ends_when_the_bus_is_closed(stage: Stage):
    bus = stage.bus.another()
    running = asyncio.create_task(stage.worker(bus=bus).run())
    await stage.quiet()
    await bus.close()
    async with asyncio.timeout(PATIENCE_S):
        await running


async def test_it_waits_for_a_bus_that_is_away_at_first(stage: Stage):
    outage = Outage("message bus", "inbox")
    outage.away = True
    worker = stage.worker(bus=around(stage.bus, before=outage.before))
    worker._load = Workload(concurrency=1, ack_wait_s=1, max_deliveries=1, backoff_s=(0.0,))
    await stage.requests(1)
    async with stage.at_work(worker):
        assert outage.refused > 1
        outage.away = False
        assert await stage.next_handled() == 1


# not yet, not now


async def test_what_is_too_early_comes_again_after_its_delay(stage: Stage):
    async with stage.at_work(stage.worker(stage.fails(NotYet("too early", delay_s=7)))):
        await stage.requests(1)
        await stage.elapse(6.9)
        assert stage.handled.empty()
        await stage.elapse(0.1)
        assert await stage.next_handled() == 1


@pytest.mark.parametrize(
    "reason",
    [NotYet("too early", delay_s=1), AWAY, LOST_RACES],
    ids=["too early", "away", "lost every race"],
)
async def test_what_is_nobodys_fault_never_parks(stage: Stage, reason: Exception):
    async with stage.at_work(stage.worker(stage.fails(*[reason] * 10 * TRIES))):
        await stage.requests(1)
        for _ in range(10 * TRIES):
            assert stage.handled.empty()
            await stage.elapse(BACKOFF_S[-1])
        assert await stage.next_handled() == 1
    assert await stage.bus.parked() == []


async def test_waiting_and_outages_do_not_count_as_failures(stage: Stage):
    early = NotYet("too early", delay_s=1)
    reacts = stage.fails(*[early] * TRIES, *[AWAY] * TRIES, *[BROKEN] * (TRIES - 1))
    async with stage.at_work(stage.worker(reacts)):
        await stage.requests(1)
        for _ in range(3 * TRIES):
            await stage.elapse(BACKOFF_S[-1])
        assert await stage.next_handled() == 1
    assert await stage.bus.parked() == []


# failures


async def test_a_failing_reaction_is_tried_again_after_longer_and_longer_pauses(stage: Stage):
    tried: list[float] = []

    async def fails(recorded: Recorded[volume.Requested]) -> None:
        tried.append(stage.clock.now_s)
        raise BROKEN

    async with stage.at_work(stage.worker(fails)):
        await stage.requests(1)
        for _ in range(30):
            await stage.elapse(0.5)
    assert tried == [0, BACKOFF_S[0], BACKOFF_S[0] + BACKOFF_S[1]]
    assert len(tried) == TRIES


async def test_what_keeps_failing_is_parked_with_its_error_and_others_go_on(stage: Stage):
    async def fails(recorded: Recorded[volume.Requested]) -> None:
        if recorded.aggregate_id == an_id(1):
            raise BROKEN
        await stage.handles(recorded)

    async with stage.at_work(stage.worker(fails)):
        await stage.requests(1, 2)
        for _ in range(TRIES):
            await stage.elapse(BACKOFF_S[-1])
        assert await stage.next_handled() == 2
        await stage.assert_nothing_comes_any_more()
    [parked] = await stage.bus.parked()
    assert (parked.consumer, parked.deliveries) == ("listening", TRIES)
    assert parked.error == "ZeroDivisionError: a fault of ours"
    assert parked.subject.endswith(str(an_id(1)))
    assert codec.from_cloud_event(parked.payload).aggregate_id == an_id(1)


async def test_retrying_what_is_parked_delivers_it_to_that_consumer_only(stage: Stage):
    others = stage.worker(kind=AlsoListening)
    async with stage.at_work(stage.worker(stage.fails(*[BROKEN] * (TRIES + 1))), others):
        await stage.requests(1)
        assert await stage.next_handled() == 1  # the others
        for _ in range(TRIES):
            await stage.elapse(BACKOFF_S[-1])
        [parked] = await stage.bus.parked()
        await stage.bus.retry_parked(parked.id)
        await stage.quiet()
        assert stage.handled.empty()
        assert await stage.bus.parked() == []  # it failed once more, and has all its tries anew
        await stage.elapse(BACKOFF_S[0])
        assert await stage.next_handled() == 1
        await stage.assert_nothing_comes_any_more()
    assert await stage.bus.parked() == []


@pytest.mark.parametrize(
    ("subject", "payload"),
    [
        ("lapilli.volume.requested._.x", b"\xff not even text"),
        ("lapilli.volume.requested._.x", b'{"type": "volume.requested"}'),
        ("lapilli.volume.requested._.x", b""),
    ],
)
async def test_what_cannot_be_read_is_parked_as_it_is(stage: Stage, subject: str, payload: bytes):
    async with stage.at_work(stage.worker()):
        await stage.publish(subject, payload)
        for _ in range(TRIES):
            await stage.elapse(BACKOFF_S[-1])
        await stage.requests(2)
        assert await stage.next_handled() == 2
    [parked] = await stage.bus.parked()
    assert (parked.subject, parked.payload) == (subject, payload)


async def test_an_event_of_a_newer_version_is_parked_until_this_code_can_read_it(stage: Stage):
    [recorded] = a_request(1).pending
    newer = codec.to_cloud_event(recorded).replace(b'"schemaversion":2', b'"schemaversion":9')
    async with stage.at_work(stage.worker()):
        await stage.publish(subject_of(recorded), newer)
        for _ in range(TRIES):
            await stage.elapse(BACKOFF_S[-1])
    [parked] = await stage.bus.parked()
    assert "volume.requested.v9" in parked.error


async def test_what_cannot_be_parked_now_is_parked_later(stage: Stage):
    outage = Outage("message bus", "park")
    outage.away = True
    bus = around(stage.bus, before=outage.before)

    async def fails(recorded: Recorded[volume.Requested]) -> None:
        raise BROKEN

    async with stage.at_work(stage.worker(fails, bus=bus)):
        await stage.requests(1)
        for _ in range(TRIES + 2):
            await stage.elapse(BACKOFF_S[-1])
        assert outage.refused > 1 and await stage.bus.parked() == []
        outage.away = False
        await stage.elapse(BACKOFF_S[-1])
    assert len(await stage.bus.parked()) == 1


# what it hears


def test_managers_of_a_backend_hear_only_its_events_and_share_a_durable_name():
    for backend, consumer, subject in (
        (None, "listening", "lapilli.volume.requested.*.*"),
        ("h.1@gold", "listening-h=2E1@gold", "lapilli.volume.requested.h=2E1@gold.*"),
    ):
        manager = Listening(Clock(), reacts=_nothing)
        manager.backend = backend
        assert (manager.consumer, manager.subjects) == (consumer, [subject])


async def _nothing(recorded: Recorded[volume.Requested]) -> None:
    pass


async def test_what_it_hears_of_it_need_not_read(stage: Stage):
    worker = stage.worker()
    async with stage.at_work(worker):
        await stage.requests(1)
        assert await stage.next_handled() == 1
    known = worker._manager.commands.aggregates.known(an_id(1))
    assert known is not None and known.version == 1
