"""What happened, for tests: histories of volumes, a log in memory, and tables as rows."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select

from domain.aggregates.volume import Volume
from domain.aggregates.volume.encryption import fix, key_failed, key_made
from domain.encryption import Encryption
from domain.errors import LapilliError
from domain.event import Actor, Event, Moment, Recorded
from domain.placement import Decision, Verdict
from projections import generations
from projections.columns import filled
from projections.projection import Projection, Row

START = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
SPACE = UUID("6b0c6e3c-16a4-4a54-9d2c-3c5a3c6f9f10")
TYPE_ID = uuid5(SPACE, "type")
POOL = Verdict(pool="node@fast#pool", zone="nova", weight=1.0)
CHOSEN = Decision(candidates=[POOL], chosen=POOL)
NONE_FITS = Decision(candidates=[], reason="No backend is available.")


def clock() -> datetime:
    return START


def at(second: int = 0) -> Moment:
    moment = START + timedelta(seconds=second)
    return Moment(at=moment, request_id="req-1", actor=Actor("user", "project"))


def a_volume(name: str | None = "v", *, number: int = 0, second: int = 0, **fields: Any) -> Volume:
    """A volume that was just requested; its id is told by its number."""
    given: dict[str, Any] = {
        "project_id": "project",
        "user_id": "user",
        "size_gib": 1,
        "name": name,
        "description": None,
        "metadata": {},
        "volume_type_id": TYPE_ID,
        "availability_zone": None,
        "reservation_id": SPACE,
        "at": at(second),
    }
    return Volume.request(uuid5(SPACE, str(number)), **(given | fields))


def an_available_volume(name: str | None = "v", **fields: Any) -> Volume:
    volume = a_volume(name, **fields)
    volume.place(CHOSEN, at(1))
    volume.provisioned(volume.start_provisioning("worker", at(2)), "provider", at(3))
    return volume


def numbered(events: Iterable[Recorded[Any]], *, after: int = 0) -> list[Recorded[Event]]:
    """The events at their positions in a log."""
    return [
        msgspec.structs.replace(recorded, position=position)
        for position, recorded in enumerate(events, after + 1)
    ]


def log_of(*volumes: Volume) -> list[Recorded[Event]]:
    """The log of volumes that lived one after the other."""
    return numbered(recorded for volume in volumes for recorded in volume.pending)


class MemoryLog:
    """A log that can be made to fail: `refusing` is raised by reads of a bad position."""

    def __init__(self, events: Iterable[Recorded[Event]] = ()) -> None:
        self.events = list(events)
        self.bad_positions: set[int] = set()
        self.refusing: Exception = ValueError("cannot be decoded")
        self.down: Exception | None = None

    async def log(self, after: int, limit: int) -> Sequence[Recorded[Event]]:
        if self.down is not None:
            raise self.down
        found = self.events[after : after + limit]
        if any(recorded.position in self.bad_positions for recorded in found):
            raise self.refusing
        return found

    def append(self, *volumes: Volume) -> None:
        """Adds what these volumes have pending."""
        pending = [recorded for volume in volumes for recorded in volume.pending]
        self.events += numbered(pending, after=len(self.events))
        for volume in volumes:
            volume.pending = []


def rows_in(connection: Connection, projection: Projection) -> dict[UUID, Row]:
    """The active table of a projection."""
    active = next(g for g in generations.active(connection) if g.name == projection.name)
    table = projection.table(active.generation)
    return {row["id"]: dict(row) for row in connection.execute(select(*filled(table))).mappings()}


def rows_of(engine: Engine, projection: Projection) -> dict[UUID, Row]:
    with engine.connect() as connection:
        return rows_in(connection, projection)


def wipe(engine: Engine, projections: Iterable[Projection]) -> None:
    """No tables any more."""
    with generations.for_writing(engine).begin() as connection:
        for projection in projections:
            for found in generations.all_of(connection, projection.name):
                projection.table(found.generation).drop(connection, checkfirst=True)
        generations.positions.drop(connection)


_STEPS: Sequence[Callable[[Volume, Moment], Any]] = (
    lambda volume, at: volume.place(CHOSEN, at),
    lambda volume, at: volume.place(NONE_FITS, at),
    lambda volume, at: fix(volume, Encryption(provider="luks"), at),
    lambda volume, at: key_made(volume, "key", at),
    lambda volume, at: key_failed(volume, "sealed", at),
    lambda volume, at: volume.start_provisioning("worker", at),
    lambda volume, at: volume.provisioned(volume.attempt, "provider", at),
    lambda volume, at: volume.provisioning_failed(volume.attempt, "broken", at),
    lambda volume, at: volume.abandon_creation(at),
    lambda volume, at: volume.request_deletion(at),
    lambda volume, at: volume.request_deletion(at, force=True),
    lambda volume, at: volume.start_deletion("worker", at),
    lambda volume, at: volume.deleted(at),
    lambda volume, at: volume.deletion_failed(volume.attempt, "broken", at),
    lambda volume, at: volume.found_busy(volume.attempt, "busy", at),
    lambda volume, at: volume.describe(f"n{at.at.second}", None, at),
    lambda volume, at: volume.change_metadata({"at": str(at.at.second)}, at),
)


@st.composite
def volumes_lived(draw: st.DrawFn) -> tuple[list[Volume], list[Recorded[Event]]]:
    """Some volumes after random legal lives, and the log of all they did."""
    volumes = [a_volume(f"v{n}", number=n, size_gib=n + 1) for n in range(draw(st.integers(1, 4)))]
    log = [volume.pending[0] for volume in volumes]
    steps = draw(
        st.lists(st.tuples(st.sampled_from(volumes), st.sampled_from(_STEPS)), max_size=40)
    )
    for second, (volume, step) in enumerate(steps, 1):
        known = len(volume.pending)
        try:
            step(volume, at(second))
        except LapilliError:
            continue
        log += volume.pending[known:]
    return volumes, numbered(log)
