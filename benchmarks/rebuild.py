"""Rebuilding the read models from the log: reading, decoding, folding and writing every event."""

import asyncio
import tempfile
import time

from benchmarks.deployments import ENV
from benchmarks.lists import fill
from benchmarks.report import median, table
from projections import PROJECTIONS
from projections.generations import create_tables
from projections.runner import Runner
from services import composition
from services.settings import Settings, load
from tests.support.postgres import PostgresServer

VOLUMES = 10_000


async def rate(settings: Settings) -> float:
    """Events per second."""
    store, engine = composition.open_store(settings), composition.views_engine(settings)
    runner = Runner(engine, store, PROJECTIONS, clock=composition.now)
    await runner.catch_up()
    events = await store.last_position()
    started = time.perf_counter()
    await runner.rebuild("volumes", lambda position: None)
    elapsed = time.perf_counter() - started
    runner.close()
    engine.dispose()
    await store.close()
    return events / elapsed


def run(runs: int) -> None:
    """Prints events per second on both databases."""
    rows = []
    server = PostgresServer(durable=True)
    server.start()
    try:
        for name in ("SQLite", "PostgreSQL"):
            with tempfile.TemporaryDirectory() as directory, server.database() as url:
                environ = {**ENV, "LAPILLI_DATA_DIR": directory}
                if name == "PostgreSQL":
                    environ["LAPILLI_DATABASE_URL"] = url
                settings = load(environ=environ)
                asyncio.run(fill(settings, VOLUMES))
                create_tables(composition.views_engine(settings))
                speed = median([asyncio.run(rate(settings)) for _ in range(runs)])
            rows.append(
                (f"rebuild on {name}", f"{speed:,.0f} events/s", "≥ 20,000", speed >= 20_000)
            )
    finally:
        server.remove()
    table("Projection rebuild", rows)
