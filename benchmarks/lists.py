"""Lists through HTTP: a thousand volumes in one answer, and a page of a hundred thousand."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from adapters.event_store.sql import SqlEventStore
from benchmarks.deployments import ENV
from benchmarks.http_client import Client
from benchmarks.report import median, table
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType
from domain.event import Actor, Event, Moment, Recorded
from domain.placement import Decision, Verdict
from projections.generations import create_tables
from services import composition
from services.settings import Settings, load
from tests.support.deployment import PROJECT, Serve, by_itself, running

REQUESTS = 40
POOL = Verdict(pool="host1@memory#memory", zone="nova", weight=1.0)


def life(volume_type: VolumeType, at: Moment) -> list[Recorded[Event]]:
    """Everything that happens until a volume is available: six events."""
    id = uuid4()
    reservation = QuotaReservation.reserve(
        uuid4(),
        project_id=PROJECT,
        subject=id,
        amounts={"volumes": 1, "gigabytes": 1},
        largest_gib=1,
        at=at,
    )
    volume = Volume.request(
        id,
        project_id=PROJECT,
        user_id="u",
        size_gib=1,
        name="bench",
        description=None,
        metadata={"k": "v"},
        volume_type_id=volume_type.id,
        availability_zone="nova",
        reservation_id=reservation.id,
        at=at,
    )
    volume.place(Decision(candidates=[POOL], chosen=POOL), at)
    volume.provisioned(volume.start_provisioning("bench", at), None, at)
    reservation.commit(at)
    return [*reservation.pending, *volume.pending]


async def fill(settings: Settings, volumes: int) -> None:
    """A log of so many available volumes."""
    settings.data_path.mkdir(parents=True, exist_ok=True)
    store: SqlEventStore = composition.open_store(settings)
    store.create_tables()
    volume_type = VolumeType.create(
        uuid4(), name="__DEFAULT__", description=None, is_public=True, extra_specs={}, at=_now()
    )
    await store.append(volume_type.pending)
    for _ in range(0, volumes, 200):
        await asyncio.gather(*(store.append(life(volume_type, _now())) for _ in range(200)))
    await store.close()
    create_tables(composition.views_engine(settings))


def _now() -> Moment:
    return Moment(datetime.now(UTC), "req-bench", Actor("u", PROJECT))


@contextmanager
def filled(volumes: int) -> Iterator[Serve]:
    """`lapilli serve` on such a log, its views caught up."""
    with tempfile.TemporaryDirectory() as directory:
        serve = Serve(Path(directory), env=ENV, launch=by_itself)
        asyncio.run(fill(load(environ=serve.env), volumes))
        with running(serve):
            while serve.request("GET", "/volumes?limit=1&with_count=true")[1]["count"] < volumes:
                time.sleep(0.1)
            yield serve


async def p50(port: int, path: str) -> float:
    """The middle of the seconds that a GET takes."""
    connection = Client("127.0.0.1", port)
    times = []
    for _ in range(REQUESTS):
        status, _, took = await connection.request("GET", f"/v3/{PROJECT}{path}")
        assert status == 200
        times.append(took)
    connection.close()
    return statistics.median(times)


def run(runs: int) -> None:
    """Prints the middle of several runs' p50."""
    rows = []
    for volumes, path, budget_ms in (
        (1_000, "/volumes/detail", 40),
        (100_000, "/volumes/detail?limit=50", 10),
    ):
        with filled(volumes) as serve:
            ms = median([asyncio.run(p50(serve.port, path)) * 1000 for _ in range(runs)])
        what = f"GET {path}, {volumes:,} volumes"
        rows.append((what, f"p50 {ms:.1f} ms", f"≤ {budget_ms} ms", ms <= budget_ms))
    table("Lists", rows)
