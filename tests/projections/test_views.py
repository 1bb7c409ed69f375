"""Views: reads, and waiting for one's own writes."""

import asyncio

import pytest

from adapters import database
from domain.errors import Unavailable
from projections import volumes
from projections.generations import create_tables
from projections.listing import Query
from projections.runner import Runner
from projections.views import Views
from tests.projections.histories import MemoryLog, an_available_volume, clock


@pytest.fixture
async def views(engine):
    create_tables(engine)
    made = Views(engine)
    yield made
    await made.close()


@pytest.fixture
def log():
    made = MemoryLog()
    made.append(*(an_available_volume(f"v{n}", number=n) for n in range(3)))
    return made


async def catch_up(engine, log, **settings):
    runner = Runner(engine, log, clock=clock, **settings)
    try:
        return await runner.catch_up()
    finally:
        runner.close()


async def test_a_query_gets_the_active_tables_and_its_arguments(engine, views, log):
    await catch_up(engine, log)
    assert len(await views.read(volumes.page, Query(project_id="project"))) == 3
    assert await views.read(volumes.count, query=Query(project_id="other")) == 0
    assert await views.position() == 12


async def test_errors_of_a_query_reach_the_caller(views):
    def failing(connection, tables):
        raise LookupError("no")

    with pytest.raises(LookupError):
        await views.read(failing)


async def test_a_position_already_passed_is_not_waited_for(views):
    views.progressed(12)
    await views.wait_for(12, timeout_s=0.0)


async def test_many_waiters_are_woken_each_at_its_position(views):
    woken = []

    async def wait(position):
        await views.wait_for(position, timeout_s=30.0)
        woken.append(position)

    waiting = [asyncio.create_task(wait(position)) for position in (5, 3, 9, 3, 7)]
    await asyncio.sleep(0)
    views.progressed(4)
    await asyncio.gather(waiting[1], waiting[3])
    assert woken == [3, 3]
    views.progressed(9)
    await asyncio.gather(*waiting)
    assert sorted(woken) == [3, 3, 5, 7, 9]


async def test_without_signals_the_stored_position_is_looked_at(engine, views, log):
    waiting = asyncio.create_task(views.wait_for(12, timeout_s=30.0))
    await asyncio.sleep(0)
    await catch_up(engine, log)
    await waiting


async def test_a_runner_beside_it_wakes_it(engine, views, log):
    waiting = asyncio.create_task(views.wait_for(12, timeout_s=30.0))
    await asyncio.sleep(0)
    await catch_up(engine, log, on_progress=views.progressed)
    await waiting


async def test_waiting_in_vain_is_unavailable(views):
    with pytest.raises(Unavailable, match="position 5 was not reached") as failure:
        await views.wait_for(5, timeout_s=0.01)
    assert failure.value.part == "projection"


async def test_a_waiter_that_gave_up_does_not_disturb_the_others(views):
    given_up = asyncio.create_task(views.wait_for(2, timeout_s=30.0))
    waiting = asyncio.create_task(views.wait_for(3, timeout_s=30.0))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    views.progressed(3)
    await waiting


async def test_a_database_that_does_not_answer_is_unavailable(tmp_path):
    nowhere = database.engine(database.sqlite_url(tmp_path / "missing" / "views.db"))
    views = Views(nowhere)
    with pytest.raises(Unavailable):
        await views.read(volumes.page, Query())
    with pytest.raises(Unavailable):
        await views.position()
    await views.close()
