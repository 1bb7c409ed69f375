"""One process: the roles it plays, and the connections that they share."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from adapters import database
from adapters.backup_store.port import BackupStore
from adapters.bus.port import Bus
from adapters.drivers.contract import Driver
from adapters.event_store.port import EventStore
from adapters.event_store.sql import SqlEventStore
from adapters.image_service.port import ImageService
from adapters.key_manager.port import KeyManager
from projections.generations import create_tables
from projections.views import Views
from services import composition
from services.metrics import LOG_POSITION
from services.reports import Reports
from services.settings import Settings
from services.unit_of_work import Commands
from services.wakeup import Wakeup

APPENDED, PROJECTED = "appended", "projected"
"""Signals on the bus: the log, or the views, have reached the position in the payload."""


class Node(msgspec.Struct, frozen=True, eq=False):
    """What the roles of one process share."""

    settings: Settings
    instance: str
    store: EventStore
    bus: Bus
    reports: Reports
    views: Views
    views_engine: Engine
    commands: Commands
    open_driver: Callable[[str], Driver]
    """Of a configured backend."""
    open_keys: Callable[[], KeyManager]
    open_images: Callable[[], ImageService]
    open_backups: Callable[[], BackupStore]
    clock: Callable[[], datetime] = composition.now
    monotonic: Callable[[], float] = time.monotonic
    new_id: Callable[[], UUID] = uuid4
    appended: list[Wakeup] = []
    """Woken when the log has grown."""
    ready: Callable[[], None] = lambda: None
    """To be called once the process does its work."""
    listener: socket.socket | None = None
    """Where the API listens, if somebody else has bound it already."""
    _aside: set[asyncio.Task[None]] = set()

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts something that nobody waits for."""
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    def wakes(self) -> Wakeup:
        """A wakeup for whoever follows the log."""
        wakeup = Wakeup()
        self.appended.append(wakeup)
        return wakeup


@asynccontextmanager
async def open_node(
    settings: Settings,
    *,
    instance: str,
    ready: Callable[[], None] = lambda: None,
    listener: socket.socket | None = None,
) -> AsyncIterator[Node]:
    """Connects to everything. Raises Unavailable."""
    async with AsyncExitStack() as stack:
        store = composition.open_store(settings)
        stack.push_async_callback(store.close)
        engine = composition.views_engine(settings)
        stack.callback(engine.dispose)
        await asyncio.to_thread(_create_tables, store, engine)
        bus = await stack.enter_async_context(composition.open_bus(settings, name=instance))
        views = Views(engine)
        stack.push_async_callback(views.close)
        node = Node(
            settings=settings,
            instance=instance,
            store=store,
            bus=bus,
            reports=Reports(bus, clock=composition.now, down_after_s=settings.service_down_s),
            views=views,
            views_engine=engine,
            commands=Commands(store),
            open_driver=partial(composition.open_driver, settings),
            open_keys=partial(composition.open_key_manager, settings),
            open_images=partial(composition.open_image_service, settings),
            open_backups=partial(composition.open_backup_store, settings),
            ready=ready,
            listener=listener,
        )
        await connect_signals(node, stack)
        yield node


def _create_tables(store: SqlEventStore, views: Engine) -> None:
    """Makes what is not there yet. Raises Unavailable."""
    try:
        store.create_tables()
        create_tables(views)
    except DBAPIError as error:
        raise database.unavailable(error) from error


async def connect_signals(node: Node, stack: AsyncExitStack) -> None:
    """Lets every process know when log and views have moved."""

    def tell(position: int) -> None:
        wake(b"")
        LOG_POSITION.set(position)
        node.aside(node.bus.signal(APPENDED, str(position).encode()))

    def wake(_: bytes) -> None:
        for wakeup in node.appended:
            wakeup.set()

    node.store.on_append(tell)
    for subscription in (
        await node.bus.on_signal(APPENDED, wake),
        await node.bus.on_signal(PROJECTED, lambda payload: node.views.progressed(int(payload))),
    ):
        stack.push_async_callback(subscription.close)
