"""Deliberate bugs, each of which the simulation must find: what tests the simulator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch
from uuid import UUID

from adapters.event_store.admission import Admission, Wanted
from domain import quota
from domain.aggregates.backup import Backup
from domain.aggregates.move import Move
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.dependence import Dependents
from domain.event import Event, Recorded
from domain.promises import PoolLedger
from projections import runner
from projections.projection import Pending, Projection, coalesce
from services.commands import settling, volume
from services.notifications.telling import Notifications
from services.processes import deadlines, downloading
from services.processes.runtime import Worker
from services.relay import EveryEvent, Telling
from services.unit_of_work import Aggregates, UnitOfWork

Bug = Callable[[], AbstractContextManager[Any]]


async def _nothing(*_: Any, **__: Any) -> list[Any]:
    return []


def _instead_of(of: Any, name: str, what: Any) -> Bug:
    return lambda: patch.object(of, name, what)


def _ahead(self: Admission, events: Sequence[Recorded[Event]]) -> dict[UUID, int]:
    return {each.aggregate_id: each.version for each in events}


_admit, _handle, _start = Admission.admit, Worker.handle, EveryEvent.start


def _admit_whatever_changed(self: Admission, wanted: Wanted) -> None:
    _admit(self, Wanted.of(wanted.events, unchanged={}))


async def _acknowledge_first(self: Worker, delivery: Any) -> None:
    await delivery.ack()
    await _handle(self, delivery)


async def _one_too_far(self: Telling, end: int) -> int:
    return end + 1 if end else 0


async def _one_by_one(self: Aggregates, *aggregates: Any, **_: Any) -> int:
    position = 0
    for each in aggregates:
        if each.pending:
            position = await self.store.append(each.pending)
            self.keep(each)
    return position


def _but_the_last(projection: Projection, events: Sequence[Recorded[Event]]) -> Pending:
    return coalesce(projection, events[:-1] if len(events) > 2 else events)


async def _give_up_on_it(self: Worker, delivery: Any, error: Exception) -> str:
    await delivery.ack()
    return "parked"


@contextmanager
def _all_of(*bugs: Bug) -> Iterator[None]:
    """Where one of them alone is made good by what the others leave out."""
    with ExitStack() as stack:
        for bug in bugs:
            stack.enter_context(bug())
        yield


async def _as_it_comes(stream: Any, *, size: int | None, digests: Any) -> Any:
    async for chunk in stream:
        yield chunk


def _while_admitting(of: type) -> Bug:
    """Its check is left out by the store alone: whoever looks at the log later has it."""

    def admit(self: Admission, wanted: Wanted) -> None:
        with patch.object(of, "check", lambda *_: None):
            _admit(self, wanted)

    return _instead_of(Admission, "admit", admit)


async def _keep_or_forget(*args: Any) -> list[Any]:
    volume, _, _, work, at = args
    return await settling.keep(volume, work, at) if volume.at_rest else []


def _unchecked(of: type) -> Bug:
    return _instead_of(of, "check_claim", lambda *_: None)


BUGS: Mapping[str, Bug] = {
    "quota stays reserved when a creation fails": _instead_of(settling, "keep", _nothing),
    "quota of what is deleted stays taken": _instead_of(settling, "give_back", _nothing),
    "messages are acknowledged before they are handled": _instead_of(
        Worker, "handle", _acknowledge_first
    ),
    "versions are not checked": _instead_of(Admission, "_ahead", _ahead),
    "limits are not checked": _instead_of(quota, "check", lambda *_, **__: None),
    "read models forget the last event of a batch": _instead_of(runner, "coalesce", _but_the_last),
    "a relay goes on one event too far": _instead_of(EveryEvent, "start", _one_too_far),
    "refusals are believed on what was cached": _instead_of(UnitOfWork, "check_true", _nothing),
    "appends are torn": _instead_of(Aggregates, "write", _one_by_one),
    "what failed attempts left behind is forgotten": _instead_of(
        settling, "after_attempt", _keep_or_forget
    ),
    "what others need may go": _while_admitting(Dependents),
    "what was only read may have changed": _instead_of(Admission, "admit", _admit_whatever_changed),
    "keys of deleted volumes are forgotten": _instead_of(volume, "unneeded", _nothing),
    "notifications go on one event too far": _instead_of(Notifications, "start", _one_too_far),
}
"""Those that a few seeds find."""

RARE: Mapping[str, Bug] = {
    "reactions that keep failing are dropped": _instead_of(Worker, "_failed", _give_up_on_it),
    "images are not verified": _instead_of(downloading, "verified", _as_it_comes),
    "deadlines are not kept": _instead_of(deadlines, "give_up_overdue", _nothing),
    "what failed moves left behind is forgotten": _instead_of(
        settling, "left_at_target", lambda *_: []
    ),
    "late results count": lambda: _all_of(*map(_unchecked, (Volume, Snapshot, Backup, Move))),
    "pools promise what they do not have": _while_admitting(PoolLedger),
}
"""Those that do harm only when several things go wrong at once: they take more seeds.

That reactions are dropped is found where nothing else goes on with what they left: deadlines,
settlement and sweeps do with most of it, so that 100 seeds in a row may find nothing.

Two more were not found in 40 seeds and are not among them: a worker that was superseded does not
clear up after itself (a volume would have to be gone before it wakes up), and an old message of a
remnant removes what came to its place since (a volume would have to come back there)."""
