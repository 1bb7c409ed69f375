"""Opening what an audit needs, as the settings say, without making anything that is not there."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

from sqlalchemy import Engine

from adapters import database
from adapters.bus.nats import NatsBus
from adapters.event_store.sql import SqlEventStore
from domain.errors import Unavailable
from services import composition
from services.audit.stored import SqlLog
from services.settings import Settings


@contextmanager
def open_log(settings: Settings) -> Iterator[SqlLog]:
    """The log, for reading. Raises Unavailable if there is no database."""
    with _existing(settings) as engine:
        yield SqlLog(engine)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[tuple[SqlEventStore, SqlLog]]:
    """The event store and its log. Raises Unavailable if there is no database."""
    with _existing(settings) as engine:
        store = SqlEventStore(engine, default_limits=composition.default_limits(settings))
        try:
            yield store, SqlLog(engine)
        finally:
            await store.close()


@asynccontextmanager
async def open_bus(settings: Settings, *, name: str) -> AsyncIterator[NatsBus]:
    """The message bus. Raises Unavailable, at once where `lapilli serve` does not run."""
    if settings.nats_is_embedded:
        _check_runs(composition.nats_servers(settings)[0])
    async with composition.open_bus(settings, name=name) as bus:
        yield bus


def _check_runs(server: str) -> None:
    """Raises Unavailable at once where connecting would be tried for seconds."""
    at = urlsplit(server)
    try:
        socket.create_connection((at.hostname or "", at.port or 4222), timeout=1).close()
    except OSError:
        reason = f"no nats-server answers at {server}: `lapilli serve` is not running"
        raise Unavailable(part="message bus", reason=reason) from None


@contextmanager
def _existing(settings: Settings) -> Iterator[Engine]:
    path = settings.data_path / "lapilli.db"
    if not settings.database.url and not path.is_file():
        raise Unavailable(
            part=database.PART,
            reason=f"there is no {path} (`lapilli serve` makes it; --data-dir names another place)",
        )
    engine = database.engine(settings.database_url, pool_size=2)
    try:
        yield engine
    finally:
        engine.dispose()
