"""Choosing entries of the log: which, how many, and what is still to come."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from uuid import UUID

import msgspec

from services.audit.stored import Entry, StoredLog

WINDOW = 1_000
"""Entries read at a time."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries. Conditions all have to hold; None is no condition.

    `type` is a pattern as of file names, for the event's type name. An entry that cannot be read
    passes only those conditions that can be judged without reading it.
    """

    type: str | None = None
    aggregates: frozenset[UUID] | None = None
    project_id: str | None = None
    request_id: str | None = None
    since: datetime | None = None

    def passes(self, entry: Entry) -> bool:
        if self.aggregates is not None and entry.aggregate_id not in self.aggregates:
            return False
        if self.type is not None and not fnmatchcase(entry.topic.rpartition(".v")[0], self.type):
            return False
        if entry.recorded is None:
            return self.project_id is None and self.request_id is None
        moment = entry.recorded.moment
        return (
            self.project_id in (None, moment.actor.project_id)
            and self.request_id in (None, moment.request_id)
            and (self.since is None or moment.at >= self.since)
        )


async def newest(log: StoredLog, wanted: Wanted, limit: int | None) -> list[Entry]:
    """The last entries that pass, oldest first. Reads back from the end as far as it must."""
    if wanted.aggregates is not None:
        return _last(await _of_aggregates(log, wanted), limit)
    found: list[Entry] = []
    end = await log.last_position()
    while end > 0 and (limit is None or len(found) < limit):
        begin = max(0, end - WINDOW)
        window = [e for e in await log.after(begin, end - begin) if e.position <= end]
        found[:0] = [entry for entry in window if wanted.passes(entry)]
        if _all_before(window, wanted.since):
            break
        end = begin
    return _last(found, limit)


async def following(
    log: StoredLog, wanted: Wanted, after: int, limit: int | None = None
) -> AsyncIterator[Entry]:
    """The entries above a position that pass, up to the present end of the log."""
    left = limit
    while left is None or left > 0:
        window = await log.after(after, WINDOW)
        for entry in window:
            after = entry.position
            if wanted.passes(entry) and (left is None or left > 0):
                yield entry
                left = None if left is None else left - 1
        if len(window) < WINDOW:
            return


async def forever(
    log: StoredLog, wanted: Wanted, after: int, pause: Callable[[], Awaitable[None]]
) -> AsyncIterator[Entry]:
    """The entries above a position that pass, and then those to come; `pause` is the time between
    two looks at the end of the log."""
    while True:
        window = await log.after(after, WINDOW)
        for entry in window:
            after = entry.position
            if wanted.passes(entry):
                yield entry
        if not window:
            await pause()


async def _of_aggregates(log: StoredLog, wanted: Wanted) -> list[Entry]:
    assert wanted.aggregates is not None
    found = [entry for id in wanted.aggregates for entry in await log.stream(id)]
    return sorted(filter(wanted.passes, found), key=lambda entry: entry.position)


def _last(entries: list[Entry], limit: int | None) -> list[Entry]:
    return entries if limit is None else entries[max(0, len(entries) - limit) :]


def _all_before(window: Sequence[Entry], since: datetime | None) -> bool:
    """Whether going further back is useless. Clocks of several machines may differ a little, which
    is why a whole window has to be too old."""
    if since is None:
        return False
    times = [entry.recorded.moment.at for entry in window if entry.recorded is not None]
    return bool(times) and max(times) < since
