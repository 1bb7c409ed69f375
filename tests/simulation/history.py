"""What was asked and answered, held against the log: each answer must be right at some instant.

The handlers themselves are the specification. A command that changed something must have decided
just that on the log as it was right before its append; one that was refused, or had nothing to do,
must get the same answer on the log as it was at some instant between question and answer. So the
history is linearizable, whatever caches, retries and groups of commits there are in between.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from adapters.event_store.admission import Admission, Wanted
from adapters.event_store.memory import MemoryEventStore
from domain.aggregates.quota_reservation import Refused
from domain.errors import Conflict, LapilliError, OverQuota, Unavailable
from domain.event import Event, Recorded
from services.commands import HANDLERS
from services.unit_of_work import Aggregates, Commands, Done, Handler, UnitOfWork
from tests.simulation.wire import at_once

C = TypeVar("C")
T = TypeVar("T")


class Asked(msgspec.Struct, kw_only=True):
    """One command. Positions are those of the log when it was asked and answered."""

    command: Any
    by: str
    since: int
    until: int | None = None
    """None: nobody was answered."""
    changed_at: int = 0
    """Position of what it changed; 0 if nothing."""
    refusal: LapilliError | None = None

    @property
    def unsure(self) -> bool:
        """Nobody knows whether it was done."""
        return self.until is None or isinstance(self.refusal, Unavailable | Conflict)


class History(msgspec.Struct):
    """All that was asked, in order, and the positions at which appends ended."""

    asked: list[Asked] = []
    ends: list[int] = []


class WatchedCommands(Commands):
    """Writes down what is asked of it."""

    def __init__(self, store: Any, *, history: History, log: MemoryEventStore, by: str) -> None:
        super().__init__(store)
        self._history, self._log, self._by = history, log, by

    async def run(self, handler: Handler[C, T], command: C) -> Done[T]:
        asked = Asked(command=command, by=self._by, since=len(self._log._log))
        self._history.asked.append(asked)
        try:
            done = await super().run(handler, command)
        except LapilliError as refusal:
            asked.refusal, asked.until = refusal, len(self._log._log)
            raise
        asked.changed_at, asked.until = done.position, len(self._log._log)
        return done


class _Instant(MemoryEventStore):
    """The log as it was at one instant, on which commands are tried and change nothing."""

    def __init__(self, *, default_limits: Mapping[str, int]) -> None:
        super().__init__(default_limits=default_limits)
        self.tried: list[Recorded[Event]] = []

    def goes_on(self, events: Sequence[Recorded[Event]]) -> None:
        """These were appended."""
        at_once(super().append([_placeless(each) for each in events]))

    async def append(
        self, events: Sequence[Recorded[Event]], *, unchanged: Mapping[UUID, int] = {}
    ) -> int:
        heads = {
            id: len(self._streams[id]) for id in {*unchanged, *(e.aggregate_id for e in events)}
        }
        wanted = Wanted.of(events, unchanged=unchanged)
        Admission(*self.ledgers(), heads=heads).admit(wanted)
        self.tried += events
        return len(self._log) + len(events)


def wrongs(
    history: History, log: Sequence[Recorded[Event]], *, default_limits: Mapping[str, int]
) -> Iterator[str]:
    """Every answer that was right at no instant."""
    yield from _changed_after_all(history, log)
    changing = {each.changed_at: each for each in history.asked if each.changed_at}
    open_: list[Asked] = []
    waiting = sorted(
        (each for each in history.asked if not each.changed_at and not each.unsure),
        key=lambda each: each.since,
        reverse=True,
    )
    instant = _Instant(default_limits=default_limits)
    for start, end in pairwise([0, *history.ends]):
        while waiting and waiting[-1].since <= start:
            open_.append(waiting.pop())
        yield from _late(open_, start)
        open_ = [each for each in open_ if not _right(each, instant)]
        asked = changing.pop(end, None)
        if asked is not None:
            yield from _decided(asked, instant, log[start:end])
        instant.goes_on(log[start:end])
    open_ += waiting
    yield from (_sentence(each) for each in open_ if not _right(each, instant))
    for asked in changing.values():
        yield f"{_words(asked)}: was told {asked.changed_at}, where no append ended"


def _changed_after_all(history: History, log: Sequence[Recorded[Event]]) -> Iterator[str]:
    """What changed something although it was refused, or said to have nothing to do."""
    changed = defaultdict(list)
    for recorded in log:
        if not isinstance(recorded.event, Refused):
            changed[recorded.moment].append(recorded.event.type_name)
    for asked in history.asked:  # a message that came twice is handled twice at one moment
        if asked.changed_at or asked.unsure:
            changed.pop(asked.command.at, None)
    for asked in history.asked:
        if not asked.changed_at and not asked.unsure and asked.command.at in changed:
            yield f"{_sentence(asked)}, and changed {changed[asked.command.at]}"


def _late(open_: list[Asked], start: int) -> Iterator[str]:
    """Those who were answered before this instant."""
    for asked in [each for each in open_ if each.until is not None and each.until < start]:
        open_.remove(asked)
        yield _sentence(asked)


def _right(asked: Asked, instant: _Instant) -> bool:
    """Whether it is answered so at this instant."""
    if _by_what_only_it_knew(asked.command):
        return True
    refusal = _tried(asked, instant)
    if asked.refusal is None:
        return refusal is None and not instant.tried
    return type(refusal) is type(asked.refusal) and str(refusal) == str(asked.refusal)


def _decided(asked: Asked, before: _Instant, events: Sequence[Recorded[Event]]) -> Iterator[str]:
    if _by_what_only_it_knew(asked.command):
        return
    refusal = _tried(asked, before)
    if isinstance(asked.refusal, OverQuota) and isinstance(refusal, OverQuota):
        return
    if [_placeless(each) for each in before.tried] != [_placeless(each) for each in events]:
        due = refusal or [each.event.type_name for each in before.tried]
        yield (
            f"{_words(asked)}: changed {[each.event.type_name for each in events]} at"
            f" {asked.changed_at}, where it had to be {due}"
        )


def _tried(asked: Asked, instant: _Instant) -> LapilliError | None:
    instant.tried = []
    commands = Commands(instant)
    work = UnitOfWork(Aggregates(instant), commands.promised, fresh=True)
    try:
        at_once(_run(asked.command, work))
    except LapilliError as refusal:
        return refusal
    return None


async def _run(command: Any, work: UnitOfWork) -> None:
    await HANDLERS[type(command)](command, work)


def _by_what_only_it_knew(command: Any) -> bool:
    """Placement decides by what its process has promised meanwhile, too."""
    return hasattr(command, "pools")


def _placeless(recorded: Recorded[Event]) -> Recorded[Event]:
    return msgspec.structs.replace(recorded, position=0)


def _sentence(asked: Asked) -> str:
    answer = f"refused: {asked.refusal}" if asked.refusal else "said to have nothing to do"
    return f"{_words(asked)}: {answer}, which was right at no instant"


def _words(asked: Asked) -> str:
    where = f"asked at {asked.since}, answered at {asked.until}"
    return f"{asked.by}'s {asked.command} ({where})"
