"""Running process managers: at least once, in any order, twice at a time, all harmless."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

import msgspec
import structlog

from adapters.bus.port import Bus, Delivery
from domain import codec
from domain.errors import Conflict, NotAllowed, Superseded, Unavailable
from domain.event import Actor, Event, Moment, Recorded
from services.commands import HANDLERS
from services.metrics import REACTION_SECONDS, REACTIONS
from services.subjects import pattern, token
from services.unit_of_work import Commands
from services.wakeup import going_on

log = structlog.get_logger()

E = TypeVar("E", bound=Event)
Reaction = Callable[[Any, Recorded[Any]], Awaitable[None]]


class NotYet(Exception):
    """What the reaction needs is not there yet; it is to be tried again, as often as it takes."""

    def __init__(self, reason: str, *, delay_s: float) -> None:
        self.reason, self.delay_s = reason, delay_s
        super().__init__(reason)


def reacts_to(event_type: type[Event]) -> Callable[[Reaction], Reaction]:
    """Marks the method that handles events of this type."""

    def mark(method: Reaction) -> Reaction:
        method.__reacts_to__ = event_type  # type: ignore[attr-defined]
        return method

    return mark


class ProcessManager:
    """Reacts to events by running commands and calling drivers; keeps no state of its own.

    One that works for a backend hears only what concerns that backend.
    """

    name: ClassVar[str]
    reactions: ClassVar[dict[type[Event], Reaction]]

    def __init__(
        self, *, commands: Commands, clock: Callable[[], datetime], backend: str | None = None
    ) -> None:
        self.commands = commands
        self.clock = clock
        self.backend = backend

    def __init_subclass__(cls) -> None:
        marked = [(getattr(m, "__reacts_to__", None), m) for m in vars(cls).values()]
        cls.reactions = {event_type: method for event_type, method in marked if event_type}

    @property
    def consumer(self) -> str:
        """The durable name under which its workers share the events."""
        return f"{self.name}-{token(self.backend)}" if self.backend else self.name

    @property
    def subjects(self) -> list[str]:
        """What it listens to."""
        return [pattern(event_type, self.backend) for event_type in self.reactions]

    async def react(self, recorded: Recorded[Event]) -> None:
        """Handles one event. Raises NotYet, Unavailable, and what its commands raise."""
        await self.reactions[type(recorded.event)](self, recorded)

    async def run(self, command: Any) -> Any:
        """Runs a command; its value."""
        return (await self.commands.run(HANDLERS[type(command)], command)).value

    def moment(self, cause: Recorded[Any]) -> Moment:
        """Now, by this process, because of an event and on behalf of the request behind it."""
        return Moment(
            at=self.clock(),
            request_id=cause.moment.request_id,
            actor=Actor(f"system:{self.name}", cause.moment.actor.project_id),
            cause=cause.id,
        )


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """How much at a time, and how patiently. Seconds."""

    concurrency: int
    ack_wait_s: float
    max_deliveries: int
    backoff_s: Sequence[float]


class Worker:
    """Feeds one process manager from its durable inbox."""

    def __init__(
        self,
        manager: ProcessManager,
        *,
        bus: Bus,
        workload: Workload,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._bus = bus
        self._load = workload
        self._monotonic = monotonic
        self._running: set[asyncio.Task[None]] = set()
        self._failures: dict[str, int] = {}
        """How often the reaction to what came under a subject failed, and has not succeeded since.

        A message's deliveries tell too much: waiting and outages count there, too.
        """

    async def run(self) -> None:
        """Runs until cancelled, or until the bus is closed; what is under way then is left to
        the next worker."""
        inbox = await self._inbox()
        try:
            while going_on():
                free = self._load.concurrency - len(self._running)
                if free == 0:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                    continue
                deliveries = await inbox.next(free)
                if not deliveries:
                    return
                for delivery in deliveries:
                    task = asyncio.create_task(self.handle(delivery))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            await inbox.close()

    async def handle(self, delivery: Delivery) -> None:
        """One delivery, to the end: acknowledged, given back for later, or parked."""
        started = self._monotonic()
        alive = asyncio.create_task(self._keep(delivery))
        try:
            outcome = await self._outcome(delivery)
        finally:
            alive.cancel()
        REACTIONS.labels(self._manager.name, outcome).inc()
        REACTION_SECONDS.labels(self._manager.name).observe(self._monotonic() - started)

    async def _outcome(self, delivery: Delivery) -> str:
        try:
            recorded = codec.from_cloud_event(delivery.payload)
            self._manager.commands.aggregates.learn(recorded)
            await self._manager.react(recorded)
        except NotAllowed as done:
            # the lifecycle is the de-duplication: somebody was here before
            log.debug("already done", process=self._manager.name, reason=str(done))
        except Superseded as lost:
            # whoever took it over has the message as well and settles it, or dies: it comes again
            log.debug("taken over", process=self._manager.name, reason=str(lost))
            return "superseded"
        except NotYet as early:
            await delivery.retry(early.delay_s)
            return "not yet"
        except (Unavailable, Conflict) as error:
            log.warning("will be tried again", process=self._manager.name, reason=str(error))
            await delivery.retry(self._backoff(delivery.deliveries))
            return "unavailable"
        except Exception as error:
            return await self._failed(delivery, error)
        self._failures.pop(delivery.subject, None)
        await delivery.ack()
        return "done"

    async def _failed(self, delivery: Delivery, error: Exception) -> str:
        name, reason = self._manager.consumer, f"{type(error).__name__}: {error}"
        failures = self._failures[delivery.subject] = self._failures.get(delivery.subject, 0) + 1
        if failures < self._load.max_deliveries:
            log.exception("reaction failed", process=name, subject=delivery.subject)
            await delivery.retry(self._backoff(failures))
            return "failed"
        log.error("reaction parked", process=name, subject=delivery.subject, reason=reason)
        try:
            await self._bus.park(name, delivery, reason, self._manager.clock())
        except Unavailable:
            await delivery.retry(self._backoff(failures))
            return "failed"
        self._failures.pop(delivery.subject, None)
        return "parked"

    async def _inbox(self) -> Any:
        while True:
            try:
                return await self._bus.inbox(
                    self._manager.consumer,
                    self._manager.subjects,
                    self._load.ack_wait_s,
                    self._load.concurrency * 4,
                )
            except Unavailable as error:
                log.warning("no inbox yet", process=self._manager.name, reason=str(error))
                await asyncio.sleep(self._load.backoff_s[0])

    async def _keep(self, delivery: Delivery) -> None:
        """Tells the bus that the work goes on, so that nobody else takes it over."""
        while True:
            await asyncio.sleep(self._load.ack_wait_s / 3)
            await delivery.working()

    def _backoff(self, tries: int) -> float:
        pauses = self._load.backoff_s
        return pauses[min(tries, len(pauses)) - 1]
