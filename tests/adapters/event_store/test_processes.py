"""Several processes on one database: they race, and they are killed at any moment."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from adapters import database
from tests.adapters.event_store.contract import assert_sound, created, whole_log
from tests.adapters.event_store.databases import stores
from tests.adapters.event_store.other_process import GROUP
from tests.support.builders import PROJECT, an_id
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).parents[3]
Process = subprocess.Popen[str]


@contextmanager
def processes(role: str, url: str, *, how_many: int = 1) -> Iterator[list[Process]]:
    """Other processes in this role; none is left behind."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.adapters.event_store.other_process", role, url, str(n)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(1, how_many + 1)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def line_of(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def start(racers: list[Process]) -> None:
    """Once all are ready, they go at once."""
    for racer in racers:
        assert line_of(racer) == "ready", racer.communicate()[1]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()


def finished(process: Process) -> str:
    """What it has to say at its end."""
    said, complaints = process.communicate()
    assert process.returncode == 0, complaints
    return said.strip()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield database.sqlite_url(tmp_path / "lapilli.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


def test_processes_that_start_at_once_create_the_tables_once(empty_database):
    with processes("create", empty_database, how_many=6) as started:
        start(started)
        assert [finished(process) for process in started] == ["created"] * 6
    engine = create_engine(empty_database, poolclass=NullPool)
    tables = set(inspect(engine).get_table_names())
    assert {"events", "snapshots", "quota_usage", "quota_limits"} <= tables


async def test_processes_that_race_share_one_log_and_one_quota(event_database):
    async with stores(event_database) as open_store:
        reader = open_store()
        await reader.append(created(1))  # takes the first of 50
        seen: list[int] = []
        with processes("race", event_database, how_many=3) as racers:
            await asyncio.to_thread(start, racers)
            while any(racer.poll() is None for racer in racers):
                page = await reader.log(seen[-1] if seen else 0, 1000)
                seen += [recorded.position for recorded in page]
            answers = " ".join(finished(racer) for racer in racers).split()
        page = await reader.log(seen[-1] if seen else 0, 1000)
        seen += [recorded.position for recorded in page]

        assert answers.count("OverQuota") == 3 * 40 - 49
        assert answers.count("Conflict") == 3 - 1
        assert answers.count("stored") == 49 + 1
        assert (await reader.usage(PROJECT))["volumes"].reserved == 50
        assert seen == [recorded.position for recorded in await whole_log(reader)]
        await assert_sound(reader)


async def test_a_process_killed_in_the_middle_of_a_group_leaves_all_of_it_or_nothing(
    event_database,
):
    with processes("die", event_database) as (process,):
        deaths = int(await asyncio.to_thread(finished, process))
    async with stores(event_database) as open_store:
        store = open_store()
        stored = {recorded.aggregate_id for recorded in await whole_log(store)}
        survivors = []
        for death in range(deaths):
            group = [an_id(death * 100 + 1 + i) in stored for i in range(GROUP)]
            assert len(set(group)) == 1, f"torn apart by death {death}"
            survivors.append(group[0])
        assert survivors == sorted(survivors)
        assert survivors[0] is False, "no death before the commit"
        assert survivors[-1] is True, "no death after the commit"
        assert all(an_id(deaths * 100 + 1 + i) in stored for i in range(GROUP))
        await assert_sound(store)


async def test_what_a_killed_process_was_told_is_stored_is_stored(event_database):
    with processes("flood", event_database) as (process,):
        told: list[int] = []
        for _ in range(20):
            told += map(int, (await asyncio.to_thread(line_of, process)).split())
        process.kill()
        told += map(int, process.communicate()[0].split())
    async with stores(event_database) as open_store:
        store = open_store()
        log = await whole_log(store)
        assert len(told) >= 200
        assert {an_id(number) for number in told} <= {recorded.aggregate_id for recorded in log}
        assert len(log) % 2 == 0  # a volume and its reservation, always
        await assert_sound(store)
        await store.append(created(999_999))
