"""Appending through the event store with group commit, against plain Core inserts of the same.

Both sides write the same rows in the same batches with the same durability; the store's side
includes encoding, the version check, the quota ledger and waking whoever waits.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import uvloop
from sqlalchemy import insert

from adapters import database
from adapters.event_store.recorder import EventMapper
from adapters.event_store.sql import SqlEventStore
from benchmarks.report import median, table
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Volume
from domain.event import Actor, Event, Moment, Recorded
from tests.support.postgres import PostgresServer

COMMANDS = 3000
GROUP = 32
"""Clients at a time, each with a command of two events; and commands in a plain batch."""


def commands() -> list[list[Recorded[Event]]]:
    """What creating volumes appends."""
    at = Moment(datetime.now(UTC), "req-bench", Actor("u", "p"))
    made = []
    for _ in range(COMMANDS):
        id, type_id = uuid4(), uuid4()
        reservation = QuotaReservation.reserve(
            uuid4(),
            project_id="p",
            subject=id,
            amounts={"volumes": 1, "gigabytes": 1},
            largest_gib=1,
            at=at,
        )
        volume = Volume.request(
            id,
            project_id="p",
            user_id="u",
            size_gib=1,
            name="bench",
            description=None,
            metadata={},
            volume_type_id=type_id,
            availability_zone="nova",
            reservation_id=reservation.id,
            at=at,
        )
        made.append([*reservation.pending, *volume.pending])
    return made


def fresh(url: str) -> SqlEventStore:
    """A store with its tables."""
    store = SqlEventStore(database.engine(url), default_limits={})
    store.create_tables()
    return store


async def through_store(url: str) -> float:
    """Events per second through the store."""
    store, work = fresh(url), commands()
    left = iter(work)

    async def client() -> None:
        for events in left:
            await store.append(events)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(GROUP)))
    elapsed = time.perf_counter() - started
    await store.close()
    return 2 * len(work) / elapsed


async def plain(url: str) -> float:
    """Events per second by Core inserts of the very same rows and batches."""
    store, work, mapper = fresh(url), commands(), EventMapper()
    engine = database.for_writing(database.engine(url))
    rows = [
        [
            {
                "originator_id": stored.originator_id,
                "originator_version": stored.originator_version,
                "topic": stored.topic,
                "state": stored.state,
            }
            for events in work[at : at + GROUP]
            for stored in map(mapper.to_stored_event, events)
        ]
        for at in range(0, len(work), GROUP)
    ]
    events = store._recorder.table
    started = time.perf_counter()
    for batch in rows:
        with engine.begin() as connection:
            connection.execute(insert(events), batch)
    elapsed = time.perf_counter() - started
    await store.close()
    return 2 * len(work) / elapsed


def run(runs: int) -> None:
    """Prints the ratio on both databases."""
    rows = []
    server = PostgresServer(durable=True)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as directory:
            for name in ("SQLite", "PostgreSQL"):
                ratios, speeds = [], []
                for n in range(runs):
                    if name == "SQLite":
                        urls = [database.sqlite_url(Path(directory) / f"{n}{s}.db") for s in "ab"]
                    else:
                        urls = [server.create_database() for _ in "ab"]
                    ours = uvloop.run(through_store(urls[0]))
                    ratios.append(ours / uvloop.run(plain(urls[1])))
                    speeds.append(ours)
                rows.append(_row(name, speeds, ratios))
    finally:
        server.remove()
    table("Append, group commit against plain inserts", rows)


def _row(
    name: str, speeds: Sequence[float], ratios: Sequence[float]
) -> tuple[str, str, str, bool | None]:
    ratio = median(ratios)
    return (
        f"append on {name}",
        f"{median(speeds):,.0f} events/s, {ratio:.0%} of plain inserts",
        "≥ 60 %",
        ratio >= 0.6,
    )
