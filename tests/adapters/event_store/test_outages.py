"""The database goes away, is full or is locked: that is told, nothing is torn, and it ends."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from adapters import database
from adapters.event_store.port import EventStore
from domain.errors import Unavailable
from tests.adapters.drivers.mounts import tmpfs
from tests.adapters.event_store.contract import (
    a_snapshot,
    assert_sound,
    created,
    outcomes,
    whole_log,
)
from tests.adapters.event_store.databases import create_tables, sql_store, stores
from tests.support.builders import PROJECT, an_id
from tests.support.patience import soon

EVERYTHING: dict[str, Callable[[EventStore], Awaitable[object]]] = {
    "append": lambda store: store.append(created(2)),
    "events": lambda store: store.events(an_id(1)),
    "log": lambda store: store.log(0, 10),
    "last position": lambda store: store.last_position(),
    "usage": lambda store: store.usage(PROJECT),
    "limits": lambda store: store.limits(PROJECT),
    "ledger": lambda store: store.ledger(),
    "snapshot": lambda store: store.snapshot(an_id(1)),
    "save snapshot": lambda store: store.save_snapshot(a_snapshot(version=1, state=b"s")),
}


async def assert_all_unavailable(store: EventStore) -> None:
    for ask in EVERYTHING.values():
        with pytest.raises(Unavailable) as failed:
            await ask(store)
        assert failed.value.part == "database"
        assert failed.value.reason and "\n" not in failed.value.reason


async def assert_all_works(store: EventStore) -> None:
    for ask in EVERYTHING.values():
        await ask(store)
    await assert_sound(store)


@pytest.mark.postgres
@pytest.mark.parametrize("ending", ["stop", "kill"])
async def test_postgresql_gone_is_told_and_back_works_again(durable_postgres, ending):
    url = durable_postgres.create_database()
    await asyncio.to_thread(create_tables, url)
    async with stores(url) as open_store:
        store = open_store()
        await store.append(created(1))
        await asyncio.to_thread(getattr(durable_postgres, ending))
        await assert_all_unavailable(store)
        await asyncio.to_thread(durable_postgres.start)
        await assert_all_works(store)
        assert len(await whole_log(store)) == 4


@pytest.mark.postgres
async def test_what_was_told_to_be_stored_survives_the_death_of_postgresql(durable_postgres):
    url = durable_postgres.create_database()
    await asyncio.to_thread(create_tables, url)
    async with stores(url) as open_store:
        store = open_store()
        first_stored = asyncio.Event()
        store.on_append(lambda _: first_stored.set())
        appends = [
            asyncio.create_task(store.append(created(i, project_id=f"p{i}"))) for i in range(2000)
        ]
        await first_stored.wait()
        await asyncio.to_thread(durable_postgres.kill)
        answers = await asyncio.gather(*appends, return_exceptions=True)
        await asyncio.to_thread(durable_postgres.start)

        assert set(outcomes(answers)) <= {"stored", "Unavailable"}
        kept = {recorded.aggregate_id for recorded in await whole_log(store)}
        stored = [number for number, answer in enumerate(answers) if isinstance(answer, int)]
        assert stored
        assert {an_id(number) for number in stored} <= kept
        assert len(kept) % 2 == 0  # a volume and its reservation, always
        await assert_sound(store)
        await store.append(created(5000))


@pytest.mark.postgres
async def test_who_stands_still_in_the_middle_of_an_append_does_not_stop_others_for_ever(
    postgres_url,
):
    await asyncio.to_thread(create_tables, postgres_url)
    standing_still = database.engine(postgres_url, lost_after_s=0.1)
    async with stores(postgres_url) as open_store:
        store = open_store()
        with standing_still.connect() as connection:
            store._recorder.lock(connection)
            await soon(store.append(created(1)))
            with pytest.raises(DBAPIError):
                store._recorder.last_position(connection)
        await assert_all_works(store)
    standing_still.dispose()


async def test_a_database_that_cannot_be_opened_is_told(tmp_path):
    store = sql_store(database.sqlite_url(tmp_path))  # a directory is no database
    await assert_all_unavailable(store)
    await store.close()


async def test_sqlite_locked_for_too_long_is_told_and_unlocked_works_again(tmp_path, monkeypatch):
    path = tmp_path / "lapilli.db"
    await asyncio.to_thread(create_tables, database.sqlite_url(path))
    monkeypatch.setattr(database, "SQLITE_BUSY_S", 0.05)
    async with stores(database.sqlite_url(path)) as open_store:
        store = open_store()
        await store.append(created(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="locked"):
                await store.append(created(2))
            assert len(await store.events(an_id(1))) == 1  # readers are not held up
        await assert_all_works(store)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is left on the disk for as long as this lasts."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    try:
        yield
    finally:
        filler.unlink()


async def test_a_full_disk_is_told_nothing_is_torn_and_with_room_it_works_again(tmp_path):
    with tmpfs(tmp_path, options="size=4m") as disk:
        url = database.sqlite_url(disk / "lapilli.db")
        await asyncio.to_thread(create_tables, url)
        async with stores(url) as open_store:
            store = open_store()
            await store.append(created(1))
            stored, refused = 2, False
            with full(disk):
                for number in range(10, 3000):
                    try:
                        await store.append(created(number, project_id=f"p{number}"))
                    except Unavailable as failed:
                        refused = "full" in failed.reason
                        break
                    stored += 2  # there was room left in SQLite's own files
                assert refused
                assert len(await whole_log(store)) == stored
                await assert_sound(store)
            await store.append(created(2))
            assert len(await whole_log(store)) == stored + 2
            await assert_sound(store)
