"""Loading aggregates, storing what they decided, and deciding again when others were faster."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from adapters.event_store.port import EventStore, Snapshot
from domain.aggregate import A, Aggregate
from domain.aggregates import AGGREGATES
from domain.dependence import Need
from domain.errors import Conflict, LapilliError, OverQuota, Unavailable
from domain.event import Event, Recorded
from services.promised import Promised

C = TypeVar("C")
T = TypeVar("T")

MAX_TRIES = 8
"""How often a decision is made anew before the caller is told 409."""

SNAPSHOT_EVERY = 100
"""Streams longer than this are read from a snapshot taken every so many versions."""


class Aggregates:
    """The newest known state of the aggregates in use. What it holds may be behind the store."""

    def __init__(self, store: EventStore, *, capacity: int = 20_000) -> None:
        self.store = store
        self._capacity = capacity
        self._known: OrderedDict[UUID, Aggregate] = OrderedDict()

    def known(self, id: UUID) -> Aggregate | None:
        """A copy of what is known, not asking the store."""
        found = self._known.get(id)
        if found is None:
            return None
        self._known.move_to_end(id)
        return found.settled()

    def keep(self, aggregate: Aggregate) -> None:
        """Remembers a state that is stored, unless a newer one is known."""
        known = self._known.get(aggregate.id)
        if known is None or known.version < aggregate.version:
            self._known[aggregate.id] = aggregate.settled()
        self._known.move_to_end(aggregate.id)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def learn(self, recorded: Recorded[Event]) -> None:
        """Moves on by an event heard of elsewhere, if it is the next one."""
        known = self._known.get(recorded.aggregate_id)
        if known is None and recorded.version == 1:
            known = AGGREGATES[recorded.event.kind](id=recorded.aggregate_id)
        if known is not None and recorded.version == known.version + 1:
            moved = known.settled()
            moved.replay(recorded)
            self.keep(moved)

    async def read(self, cls: type[A], id: UUID) -> A:
        """The aggregate as the store has it now; without events if there is none of this kind."""
        known = self.known(id)
        aggregate = known if isinstance(known, cls) else cls(id=id)
        batch = await self._next_events(aggregate)
        if batch and batch[0].event.kind != cls.kind:  # the id is of something else
            return cls(id=id)
        if len(batch) == SNAPSHOT_EVERY and not aggregate.exists:
            aggregate = await self._from_snapshot(cls, id)
            batch = await self._next_events(aggregate)
        while batch:
            for recorded in batch:
                aggregate.replay(recorded)
            more = len(batch) == SNAPSHOT_EVERY
            batch = await self._next_events(aggregate) if more else []
        if aggregate.exists or aggregate.singular:
            self.keep(aggregate)
        return aggregate

    async def write(self, *aggregates: Aggregate, unchanged: Mapping[UUID, int] = {}) -> int:
        """Stores all that is pending in one append; the position, or 0 if nothing was.

        Raises Conflict also if one of the `unchanged` is not at its version any more.
        """
        events = [recorded for aggregate in aggregates for recorded in aggregate.pending]
        if not events:
            return 0
        changed = {recorded.aggregate_id for recorded in events}
        read = {id: version for id, version in unchanged.items() if id not in changed}
        position = await self.store.append(events, unchanged=read)
        for aggregate in aggregates:
            self.keep(aggregate)
            with suppress(Unavailable):  # what is stored is stored; a later write saves one
                await self._snapshot_if_long(aggregate)
        return position

    async def _next_events(self, aggregate: Aggregate) -> list[Recorded[Event]]:
        return await self.store.events(aggregate.id, after=aggregate.version, limit=SNAPSHOT_EVERY)

    async def _snapshot_if_long(self, aggregate: Aggregate) -> None:
        before = aggregate.version - len(aggregate.pending)
        if aggregate.version // SNAPSHOT_EVERY > before // SNAPSHOT_EVERY:
            state = msgspec.json.encode(aggregate.settled())
            await self.store.save_snapshot(
                Snapshot(aggregate.id, aggregate.version, aggregate.snapshot_topic, state)
            )

    async def _from_snapshot(self, cls: type[A], id: UUID) -> A:
        snapshot = await self.store.snapshot(id)
        if snapshot is None or snapshot.topic != cls.snapshot_topic:
            return cls(id=id)
        return msgspec.json.decode(snapshot.state, type=cls)


class UnitOfWork:
    """One try at one command."""

    def __init__(self, aggregates: Aggregates, promised: Promised, *, fresh: bool) -> None:
        self.promised = promised
        self._aggregates = aggregates
        self._fresh = fresh
        self._loaded: list[tuple[str, UUID, int]] = []
        self.guessed = False
        """Whether something loaded may have been behind the store."""
        self.position = 0
        """Where the log stood after `commit`."""

    async def load(self, cls: type[A], id: UUID) -> A:
        """An aggregate to decide with; one without events does not exist."""
        if not self._fresh:
            known = self._aggregates.known(id)
            if isinstance(known, cls):
                self.guessed = True
                return self._noted(known)
        return self._noted(await self._aggregates.read(cls, id))

    def _noted(self, aggregate: A) -> A:
        self._loaded.append((aggregate.kind, aggregate.id, aggregate.version))
        return aggregate

    async def dependents(self, id: UUID) -> dict[UUID, Need]:
        """What needs the thing of that id, and as what; whoever relies on it has loaded that
        thing, or says in an event that it is alone."""
        return await self._aggregates.store.dependents(id)

    async def check_true(self) -> None:
        """Raises Conflict if what was loaded may never have been true all at once: it was guessed,
        or some of it changed before the last of it was read. Of what is committed the store checks
        every version anyway; a refusal, or that there is nothing to do, is believed only so."""
        for kind, id, version in self._loaded if self.guessed else self._loaded[:-1]:
            events = self._aggregates.store.events
            if self.guessed or await events(id, after=version, limit=1):
                raise Conflict(kind=kind, id=str(id))

    async def commit(self, *aggregates: Aggregate) -> None:
        """Stores what these decided, all or nothing, if all that was loaded is as it was: whatever
        a command looked at, it decided by. Of what was loaded twice the first counts.

        Raises Conflict, OverQuota, …
        """
        loaded = {
            id: version
            for kind, id, version in reversed(self._loaded)
            if version or AGGREGATES[kind].singular  # else the id may be of something else
        }
        position = await self._aggregates.write(*aggregates, unchanged=loaded)
        self.position = max(self.position, position)
        written = {each.id: each.version for each in aggregates}
        self._loaded = [(kind, id, written.get(id, old)) for kind, id, old in self._loaded]


class Done(msgspec.Struct, Generic[T], frozen=True):
    """A command's answer, and the log position that a reader must have passed to see it."""

    value: T
    position: int


Handler = Callable[[C, UnitOfWork], Awaitable[T]]


class Commands:
    """Runs command handlers.

    The first try trusts what is cached: the store's version check catches a stale guess, and a
    refusal, or that there is nothing to do, is believed only on fresh state that was true all at
    once. A conflict decides again, MAX_TRIES times at most.
    """

    def __init__(self, store: EventStore) -> None:
        self.aggregates = Aggregates(store)
        self.promised = Promised(store)

    async def run(self, handler: Handler[C, T], command: C) -> Done[T]:
        """Raises whatever the handler refuses with, and Conflict."""
        for tried in range(MAX_TRIES - 1):
            with suppress(Conflict):
                return await self._tried(handler, command, fresh=tried > 0)
        return await self._tried(handler, command, fresh=True)

    async def _tried(self, handler: Handler[C, T], command: C, *, fresh: bool) -> Done[T]:
        """Raises Conflict where it is to be decided again."""
        work = UnitOfWork(self.aggregates, self.promised, fresh=fresh)
        try:
            value = await handler(command, work)
        except (Conflict, OverQuota, Unavailable):
            raise
        except LapilliError:
            await work.check_true()
            raise
        if not work.position:
            await work.check_true()
        return Done(value, work.position)
