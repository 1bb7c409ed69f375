"""The runner: the table is the fold, once, whatever fails and however many try."""

import asyncio
from uuid import uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Column, Integer, MetaData, Table, Uuid, event, insert, select
from sqlalchemy.exc import OperationalError

from adapters import database
from domain.aggregates import volume
from domain.aggregates.volume_type import VolumeType
from domain.errors import Unavailable
from projections import PROJECTIONS, VOLUME_TYPES, VOLUMES, generations, runner, writing
from projections.generations import create_tables
from projections.projection import Projection, Put, fold
from projections.runner import Runner
from services.wakeup import Wakeup
from tests.projections.histories import (
    SPACE,
    MemoryLog,
    a_volume,
    an_available_volume,
    at,
    clock,
    numbered,
    rows_of,
    volumes_lived,
    wipe,
)


@pytest.fixture
def make_runner(engine):
    """Runners that are closed when the test ends."""
    made = []

    def make(log, projections=PROJECTIONS, *, on=engine, **settings):
        made.append(Runner(on, log, projections, clock=clock, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def applied(engine, monkeypatch):
    """Every event that was ever applied, as told by the transactions that applied them."""
    table = Table("applied", MetaData(), Column("position", Integer))
    table.create(engine)
    write = writing.write

    def write_and_note(connection, into, pending):
        write(connection, into, pending)
        rows = [{"position": row["position"]} for row in pending.puts.values()]
        connection.execute(insert(table), rows)

    monkeypatch.setattr(runner, "write", write_and_note)

    def positions():
        with engine.connect() as connection:
            return sorted(connection.execute(select(table.c.position)).scalars())

    return positions


def journal(version=1, refused=lambda position: False):
    """A projection with a row for every event."""

    def build(name, metadata):
        return Table(
            name,
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("position", Integer, nullable=False),
        )

    made = Projection("journal", version=version, build=build)

    @made.projects_others("volume")
    def happened(recorded):
        if refused(recorded.position):
            raise RuntimeError("poison")
        id = uuid5(SPACE, f"event {recorded.position}")
        return Put(id, {"id": id, "position": recorded.position})

    return made


def some_volumes(number):
    return [an_available_volume(f"v{n}", number=n) for n in range(number)]


async def until(reached, *, progress):
    """Returns once `reached()`; looked at whenever the runner has made progress."""
    while not reached():
        await progress.wait(0.05)


async def stop(running):
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@given(lived=volumes_lived())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_the_table_is_the_fold_whatever_the_batches(engine, lived, batch):
    _, log = lived
    create_tables(engine)
    following = Runner(engine, MemoryLog(log), clock=clock, batch=batch)
    try:
        assert asyncio.run(following.catch_up()) == len(log)
        assert rows_of(engine, VOLUMES) == fold(VOLUMES, log)
    finally:
        following.close()
        wipe(engine, PROJECTIONS)


async def test_catching_up_again_applies_only_what_is_new(make_runner, applied):
    log = MemoryLog()
    log.append(*some_volumes(3))
    following = make_runner(log, [journal()])
    assert await following.catch_up() == 12
    log.append(a_volume(number=10))
    assert await following.catch_up() == 13
    assert await make_runner(log, [journal()]).catch_up() == 13
    assert applied() == list(range(1, 14))


async def test_a_transaction_that_breaks_at_its_commit_is_applied_once(
    engine, make_runner, applied
):
    log = MemoryLog()
    log.append(*some_volumes(20))
    breaks = [True, False, True, True, False, True]

    @event.listens_for(engine, "commit")
    def commit(connection):
        if breaks and breaks.pop():
            raise OperationalError("COMMIT", {}, Exception("connection lost"))

    with pytest.raises(OperationalError):
        await make_runner(log, [journal()], batch=7).catch_up()
    for _ in range(8):
        following = make_runner(log, [journal()], batch=7)  # as if in a new process
        try:
            await following.catch_up()
        except (OperationalError, Unavailable):
            continue
    assert not breaks
    assert applied() == list(range(1, 81))


async def test_two_runners_at_once_apply_every_event_once(url, engine, make_runner, applied):
    other_engine = database.engine(url, durable=False)
    log = MemoryLog()
    log.append(*some_volumes(5))
    runners = [
        make_runner(log, [journal()], batch=3),
        make_runner(log, [journal()], batch=5, on=other_engine),
    ]

    async def keep_up(following):
        position = 0
        while position < 400:
            position = await following.catch_up()

    async def go_on():
        for n in range(100, 195):
            log.append(an_available_volume(number=n))
            await asyncio.sleep(0)

    await asyncio.gather(go_on(), *(keep_up(following) for following in runners))
    assert applied() == list(range(1, 401))
    other_engine.dispose()


async def test_tables_can_be_made_by_many_at_once(url, engine):
    engines = [database.engine(url, durable=False) for _ in range(4)]
    await asyncio.gather(*(asyncio.to_thread(create_tables, each) for each in engines * 3))
    with engine.connect() as connection:
        active = generations.active(connection)
    assert [(found.name, found.generation, found.position) for found in active] == [
        (projection.name, 1, 0) for projection in sorted(PROJECTIONS, key=lambda each: each.name)
    ]
    for each in engines:
        each.dispose()


async def test_a_failing_event_stops_its_projection_alone_and_right_before_it(engine, make_runner):
    log = MemoryLog()
    log.append(*some_volumes(10))
    sick = {17}
    projections = [journal(refused=lambda position: position in sick), VOLUMES]
    following = make_runner(log, projections)

    with pytest.raises(Unavailable, match="stopped after position 16: event 17"):
        await following.catch_up()
    assert list(following.troubles()) == ["journal"]
    with engine.connect() as connection:
        stored = {found.name: found for found in generations.active(connection)}
    assert (stored["journal"].position, stored["volumes"].position) == (16, 40)
    assert "event 17" in (stored["journal"].error or "")
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)

    sick.clear()
    assert await following.catch_up() == 40
    assert following.troubles() == {}
    assert len(rows_of(engine, projections[0])) == 40


async def test_an_event_that_cannot_be_decoded_stops_all_right_before_it(engine, make_runner):
    log = MemoryLog()
    log.append(*some_volumes(10))
    log.bad_positions = {23}
    following = make_runner(log)
    with pytest.raises(Unavailable, match="stopped after position 22: cannot be decoded"):
        await following.catch_up()
    assert following.position == 22
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events[:22])
    log.bad_positions = set()
    assert await following.catch_up() == 40


async def test_a_row_that_the_database_refuses_stops_right_before_it(engine, make_runner):
    log = MemoryLog()
    log.append(*some_volumes(3), a_volume(number=50, size_gib=2**70), *some_volumes(2))
    following = make_runner(log)
    with pytest.raises(Unavailable, match="stopped after position 12"):
        await following.catch_up()
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events[:12])


async def test_the_loop_outlives_a_log_that_is_down_and_poison(engine, make_runner):
    log, wakeups, progress = MemoryLog(), Wakeup(), Wakeup()
    log.append(*some_volumes(4))
    log.down = Unavailable(part="event store", reason="gone")
    following = make_runner(log, on_progress=lambda position: progress.set(), poll_s=0.01)
    running = asyncio.create_task(following.run(wakeups))
    await until(following.troubles, progress=progress)
    log.bad_positions = {9}
    log.down = None
    await until(lambda: following.position == 8, progress=progress)
    await until(following.troubles, progress=progress)
    log.bad_positions = set()
    await until(lambda: following.position == 16, progress=progress)
    assert not running.done()
    await stop(running)
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)


async def test_a_wakeup_is_enough(make_runner):
    log, wakeups, progress = MemoryLog(), Wakeup(), Wakeup()
    seen = []

    def progressed(position):
        seen.append(position)
        progress.set()

    running = asyncio.create_task(
        make_runner(log, on_progress=progressed, poll_s=3_600.0).run(wakeups)
    )
    await until(lambda: seen == [0], progress=progress)
    for n in range(3):
        log.append(an_available_volume(number=n))
        wakeups.set()
        await until(lambda: seen[-1] == len(log.events), progress=progress)
    assert seen == [0, 4, 8, 12]
    await stop(running)


async def test_a_runner_of_another_version_stands_aside(engine, make_runner):
    log = MemoryLog()
    log.append(*some_volumes(2))
    old = make_runner(log, [journal(version=1)])
    await old.catch_up()
    await make_runner(log, [journal(version=2)]).catch_up()
    log.append(a_volume(number=9))
    with pytest.raises(Unavailable, match="is filled by version 2"):
        await old.catch_up()
    assert len(rows_of(engine, journal(version=2))) == 8


async def test_types_are_projected_beside_volumes(engine, make_runner):
    gold = VolumeType.create(
        SPACE, name="gold", description=None, is_public=True, extra_specs={"a": "b"}, at=at()
    )
    log = MemoryLog(numbered([*gold.pending, *a_volume().pending]))
    assert await make_runner(log).catch_up() == 2
    assert rows_of(engine, VOLUME_TYPES) == fold(VOLUME_TYPES, log.events)
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)
    assert volume.Requested in {type(recorded.event) for recorded in log.events}
