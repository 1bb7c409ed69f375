"""Rebuilds: a new table beside the old one, and nobody notices the switch."""

import asyncio
import itertools

import pytest
from sqlalchemy import inspect

from domain.errors import Unavailable
from projections import PROJECTIONS, VOLUMES, generations
from projections.generations import create_tables
from projections.projection import Projection, fold
from projections.runner import Runner
from projections.views import Views
from services.wakeup import Wakeup
from tests.projections.histories import (
    MemoryLog,
    an_available_volume,
    at,
    clock,
    rows_in,
    rows_of,
)


@pytest.fixture
def make_runner(engine):
    made = []

    def make(log, projections=PROJECTIONS, **settings):
        made.append(Runner(engine, log, projections, clock=clock, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
async def views(engine):
    made = Views(engine)
    yield made
    await made.close()


def a_log(number):
    log = MemoryLog()
    log.append(*(an_available_volume(f"v{n}", number=n) for n in range(number)))
    return log


def volumes_of_version(version):
    """The volumes projection as code of another version has it."""
    made = Projection("volumes", version=version, build=VOLUMES._build)
    made._folds, made._others = VOLUMES._folds, VOLUMES._others
    return made


async def stop(running):
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def tables_in(engine):
    return {name for name in inspect(engine).get_table_names() if name.startswith("volumes_g")}


def table_and_position(connection, tables):
    """The rows, and the position they belong to, in one snapshot."""
    position = next(g for g in generations.active(connection) if g.name == "volumes").position
    return position, rows_in(connection, VOLUMES)


async def test_a_rebuild_repairs_a_table_and_drops_the_old_one(engine, make_runner):
    log = a_log(10)
    following = make_runner(log, rebuild_batch=7)
    await following.catch_up()
    with engine.begin() as connection:
        connection.execute(VOLUMES.table(1).delete())

    heard: list[int] = []
    assert await following.rebuild("volumes", heard.append) == 40
    assert heard == sorted(heard)
    assert heard[-1] == 40
    assert len(heard) > 4
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)
    assert tables_in(engine) == {"volumes_g2"}
    indexes = {str(index["name"]) for index in inspect(engine).get_indexes("volumes_g2")}
    assert indexes == {str(index.name) for index in VOLUMES.table(2).indexes}

    log.append(an_available_volume(number=99))
    await following.catch_up()
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)


async def test_an_interrupted_rebuild_goes_on_where_it_was(engine, make_runner):
    log = a_log(10)
    following = make_runner(log, rebuild_batch=8)
    await following.catch_up()
    log.bad_positions = {30}
    with pytest.raises(ValueError, match="cannot be decoded"):
        await following.rebuild("volumes")
    assert tables_in(engine) == {"volumes_g1", "volumes_g2"}
    log.bad_positions = set()
    heard: list[int] = []
    await make_runner(log, rebuild_batch=8).rebuild("volumes", heard.append)
    assert heard[0] == 32
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)
    assert tables_in(engine) == {"volumes_g2"}


async def test_two_at_the_same_rebuild_end_with_one_table(engine, make_runner):
    log = a_log(50)
    await make_runner(log).catch_up()
    runners = [make_runner(log, rebuild_batch=9), make_runner(log, rebuild_batch=20)]
    await asyncio.gather(*(each.rebuild("volumes") for each in runners))
    await asyncio.gather(*(each.catch_up() for each in runners))
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)
    assert len(tables_in(engine)) == 1


async def test_readers_and_writers_do_not_notice_rebuilds(engine, make_runner, views):
    log, wakeups, over = a_log(20), Wakeup(), asyncio.Event()
    following = make_runner(log, batch=10, rebuild_batch=15, poll_s=0.01)
    await following.catch_up()
    running = asyncio.create_task(following.run(wakeups))
    numbers = itertools.count(1_000)
    reads = 0

    def write(_):
        """A volume comes, and the third goes, after every batch of the rebuild."""
        number = next(numbers)
        volume = an_available_volume(f"v{number}", number=number)
        if number % 3 == 0:
            volume.request_deletion(at(9))
            volume.start_deletion("worker", at(9))
            volume.deleted(at(9))
        log.append(volume)
        wakeups.set()

    async def read():
        nonlocal reads
        before = 0
        while not over.is_set():
            position, rows = await views.read(table_and_position)
            assert position >= before
            assert rows == fold(VOLUMES, log.events[:position])
            before, reads = position, reads + 1

    async def rebuild():
        for _ in range(4):
            await following.rebuild("volumes", write)
        over.set()

    await asyncio.gather(rebuild(), read(), read())
    await stop(running)
    assert await following.catch_up() == len(log.events)
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)
    assert tables_in(engine) == {"volumes_g5"}
    assert reads > 0


async def test_a_reader_whose_table_was_dropped_reads_the_new_one(engine, make_runner, views):
    log = a_log(3)
    following = make_runner(log)
    await following.catch_up()
    loop, seen = asyncio.get_running_loop(), []

    def query(connection, tables):
        """Meets a rebuild between the names and the rows, the first time."""
        table = tables["volumes"]
        seen.append(table.name)
        if len(seen) == 1:
            asyncio.run_coroutine_threadsafe(following.rebuild("volumes"), loop).result()
        return len(connection.execute(table.select()).all())

    assert await views.read(query) == 3
    expected = ["volumes_g1", "volumes_g2"] if engine.dialect.name == "postgresql" else None
    # SQLite's snapshots hold tables too
    assert seen == (expected or ["volumes_g1"])


async def test_a_new_version_is_rebuilt_at_start_while_the_old_one_answers(
    engine, make_runner, views
):
    log = a_log(10)
    await make_runner(log).catch_up()
    log.append(an_available_volume(number=70))
    log.bad_positions = {20}
    newer = volumes_of_version(VOLUMES.version + 1)
    broken = make_runner(log, [newer], rebuild_batch=5)
    with pytest.raises(ValueError, match="cannot be decoded"):
        await broken.catch_up()
    position, rows = await views.read(table_and_position)
    assert (position, len(rows)) == (40, 10)

    log.bad_positions = set()
    progress = Wakeup()
    following = make_runner(log, [newer], on_progress=lambda position: progress.set())
    running = asyncio.create_task(following.run(Wakeup()))
    while following.position < 44 or tables_in(engine) != {"volumes_g2"}:
        await progress.wait(0.01)
    await stop(running)
    assert rows_of(engine, newer) == fold(newer, log.events)
    with engine.connect() as connection:
        assert [g.version for g in generations.all_of(connection, "volumes")] == [newer.version]


async def test_a_table_left_behind_is_dropped_at_the_next_start(engine, make_runner):
    log = a_log(2)
    await make_runner(log).catch_up()
    with generations.for_writing(engine).begin() as connection:
        new = generations.open_beside(connection, VOLUMES)
        old = next(g for g in generations.active(connection) if g.name == "volumes")
        [moved] = generations.move(connection, [new], 0, clock())
        generations.switch(connection, old, moved)
    assert tables_in(engine) == {"volumes_g1", "volumes_g2"}
    assert await make_runner(log).catch_up() == 8
    assert tables_in(engine) == {"volumes_g2"}
    assert rows_of(engine, VOLUMES) == fold(VOLUMES, log.events)


async def test_a_table_that_does_not_fit_the_code_is_unavailable_not_wrong(engine):
    create_tables(engine)
    views = Views(engine, [volumes_of_version(VOLUMES.version + 1)])

    def needs_a_new_column(connection, tables):
        connection.exec_driver_sql(f"SELECT brand_new FROM {tables['volumes'].name}")

    with pytest.raises(Unavailable):
        await views.read(needs_a_new_column)
    await views.close()
