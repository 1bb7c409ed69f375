"""What is under way: given events, then rows; and what is asked of them."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from sqlalchemy import Engine, event, text

from domain.aggregates.volume import Volume, extension
from domain.deadlines import WAITS
from domain.event import Recorded
from domain.machines.volume import VOLUME
from domain.machines.volume_operation import VOLUME_OPERATION
from projections import generations
from projections.projection import fold
from projections.runner import Runner
from projections.under_way import UNDER_WAY, UnderWayRow, older_than
from projections.views import Views
from tests.projections.histories import (
    CHOSEN,
    START,
    MemoryLog,
    a_volume,
    an_available_volume,
    at,
    clock,
    log_of,
    volumes_lived,
)

LIMITS = {(name, state): START for name, states in WAITS.items() for state in states}


def rows_of(*volumes) -> list[UnderWayRow]:
    return [UnderWayRow(**row) for row in fold(UNDER_WAY, log_of(*volumes)).values()]


def doing(volume: Volume) -> Iterator[tuple[UUID, str, str]]:
    """What has a deadline of this volume."""
    for lifecycle, state in ((VOLUME, volume.state), (VOLUME_OPERATION, volume.operation)):
        if state in WAITS[lifecycle.name]:
            yield volume.id, lifecycle.name, state


@given(volumes_lived())
def test_there_is_a_row_for_exactly_what_has_a_deadline(lived):
    volumes, log = lived
    rows = fold(UNDER_WAY, log).values()
    found = {(row["subject_id"], row["lifecycle"], row["state"]) for row in rows}
    assert found == {each for volume in volumes for each in doing(volume)}


def test_a_row_tells_since_when_and_on_whose_behalf():
    volume = a_volume()
    volume.place(CHOSEN, at(7))
    [row] = rows_of(volume)
    assert row == UnderWayRow(
        id=volume.id,
        subject_id=volume.id,
        subject_kind="volume",
        lifecycle="volume",
        state="placed",
        since=at(7).at,
        request_id="req-1",
        project_id="project",
        cause=f"{volume.id}:2",
    )


def test_a_claim_does_not_make_it_younger_than_the_volume_says_it_is():
    volume = a_volume()
    volume.place(CHOSEN, at(1))
    for second in (5, 50, 500):
        volume.start_provisioning("worker", at(second))
    [row] = rows_of(volume)
    assert row.state == "provisioning"
    assert (row.since, volume.since) == (at(1).at, at(5).at)


def test_an_extension_is_a_row_of_its_own_until_it_is_over():
    volume = an_available_volume()
    assert rows_of(volume) == []
    extension.request(volume, 5, reservation_id="r", at=at(10))
    [row] = rows_of(volume)
    assert (row.subject_id, row.lifecycle, row.state) == (
        volume.id, "volume_operation", "extending",
    )  # fmt: skip
    assert row.id != volume.id
    extension.place(volume, ceiling_gib=None, at=at(11))
    extension.start(volume, "worker", at(12))
    assert [(r.state, r.since) for r in rows_of(volume)] == [("growing", at(11).at)]
    extension.succeed(volume, volume.attempt, at(13))
    assert rows_of(volume) == []


# Asked of both databases


async def projected(engine: Engine, log: Iterable[Recorded[Any]]) -> Views:
    generations.create_tables(engine)
    runner = Runner(engine, MemoryLog(log), [UNDER_WAY], clock=clock)
    await runner.catch_up()
    runner.close()
    return Views(engine, [UNDER_WAY])


async def test_the_oldest_that_are_old_enough_come_first_page_by_page(engine):
    volumes = [a_volume(number=number, second=10 - number) for number in range(6)]
    views = await projected(engine, log_of(*volumes))
    limits = dict.fromkeys(LIMITS, START + timedelta(seconds=9))
    found: list[UUID] = []
    last = None
    while page := await views.read(older_than, limits, after=last, most=2):
        found += [row.subject_id for row in page]
        last = page[-1]
    assert found == [volume.id for volume in reversed(volumes[1:])]
    await views.close()


async def test_each_state_has_a_limit_of_its_own(engine):
    placed = a_volume(number=1)
    placed.place(CHOSEN, at(1))
    views = await projected(engine, log_of(a_volume(number=2), placed))
    limits = {**LIMITS, ("volume", "placed"): START + timedelta(hours=1)}
    limits["volume", "requested"] = START - timedelta(seconds=1)
    [found] = await views.read(older_than, limits, most=10)
    assert found.subject_id == placed.id
    await views.close()


async def test_of_many_that_are_young_or_at_rest_none_is_looked_at(engine):
    views = await projected(engine, log_of(an_available_volume()))
    table = UNDER_WAY.table((await views.standings())[0].generation)
    young = [
        {**a_row, "id": UUID(int=number), "since": START + timedelta(seconds=number)}
        for number, a_row in enumerate([_young()] * 5_000, start=1)
    ]
    asked: list[str] = []
    with engine.begin() as connection:
        connection.execute(table.insert(), young)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"ANALYZE {table.name}"))

        @event.listens_for(connection, "before_cursor_execute", retval=True)
        def explain(conn, cursor, statement, parameters, context, many):
            plan = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
            cursor.execute(plan + statement, parameters)
            asked.extend(" ".join(map(str, row)) for row in cursor.fetchall())
            return statement, parameters

        assert older_than(connection, {UNDER_WAY.name: table}, LIMITS, most=100) == []
    assert any(f"{table.name}_oldest" in line for line in asked), asked
    await views.close()


def _young():
    return {
        "subject_id": UUID(int=1),
        "subject_kind": "volume",
        "lifecycle": "volume",
        "state": "requested",
        "request_id": "r",
        "project_id": "p",
        "cause": "c",
    }
