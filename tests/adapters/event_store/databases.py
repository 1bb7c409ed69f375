"""Stores upon databases that have the tables, and a hold on their writers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import event

from adapters import database
from adapters.event_store.sql import SqlEventStore
from tests.adapters.event_store.contract import LIMITS


def sql_store(url: str) -> SqlEventStore:
    """A store on a database that has the tables."""
    return SqlEventStore(database.engine(url), default_limits=LIMITS)


def create_tables(url: str) -> None:
    """What the first start of any process does."""
    store = sql_store(url)
    store.create_tables()
    asyncio.run(store.close())


@asynccontextmanager
async def stores(url: str) -> AsyncIterator[Callable[[], SqlEventStore]]:
    """Opens as many as wanted, and closes them all."""
    opened: list[SqlEventStore] = []

    def open_one() -> SqlEventStore:
        opened.append(sql_store(url))
        return opened[-1]

    try:
        yield open_one
    finally:
        for store in opened:
            await store.close()


class Held:
    """A writer that stands at the door of its next transaction until it is let go."""

    def __init__(self) -> None:
        self.transactions = 0
        """How many it has begun, the one it stands at included."""
        self._standing, self._let_go = threading.Event(), threading.Event()

    def at_the_door(self, *_: Any) -> None:
        if threading.current_thread().name == "store-write":
            self.transactions += 1
            self._standing.set()
            assert self._let_go.wait(30)

    async def standing(self) -> None:
        """Returns when it stands there."""
        assert await asyncio.to_thread(self._standing.wait, 30)

    def let_go(self) -> None:
        """It stands no more, now or later."""
        self._let_go.set()


@contextmanager
def held_writer(store: SqlEventStore) -> Iterator[Held]:
    """Holds the store's writer, so that what is appended meanwhile gathers."""
    held, pool = Held(), store._engine.pool
    event.listen(pool, "checkout", held.at_the_door)
    try:
        yield held
    finally:
        held.let_go()
        event.remove(pool, "checkout", held.at_the_door)
