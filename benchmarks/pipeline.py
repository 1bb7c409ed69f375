"""From POST to available, through HTTP and the whole ring: many clients, and one."""

import asyncio
import json
import statistics
import time

from benchmarks.deployments import WAYS
from benchmarks.http_client import Client
from benchmarks.report import median, table
from tests.support.deployment import PROJECT, Deployment

CLIENTS = 32
VOLUMES = 2000
SINGLE = 60
BASE = f"/v3/{PROJECT}/volumes"
BODY = {"volume": {"size": 1, "name": "bench"}}


async def throughput(deployment: Deployment) -> float:
    """Volumes per second, from the first POST until the last is available."""
    before = await _count(deployment, "available")
    left = iter(range(VOLUMES))

    async def client() -> None:
        connection = Client("127.0.0.1", deployment.port)
        for _ in left:
            status, answer, _ = await connection.request("POST", BASE, BODY)
            assert status == 202, answer
        connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    while await _count(deployment, "available") < before + VOLUMES:
        await asyncio.sleep(0.02)
    return VOLUMES / (time.perf_counter() - started)


async def latency(deployment: Deployment) -> tuple[float, float]:
    """One client: p50 seconds of a POST, and from its answer until the volume is available."""
    connection = Client("127.0.0.1", deployment.port)
    posts, waits = [], []
    for _ in range(SINGLE):
        status, answer, took = await connection.request("POST", BASE, BODY)
        assert status == 202, answer
        posts.append(took)
        started = time.perf_counter()
        path = f"{BASE}/{json.loads(answer)['volume']['id']}"
        while b'"status":"available"' not in (await connection.request("GET", path))[1]:
            await asyncio.sleep(0.001)
        waits.append(time.perf_counter() - started)
    connection.close()
    return statistics.median(posts), statistics.median(waits)


async def _count(deployment: Deployment, status: str) -> int:
    connection = Client("127.0.0.1", deployment.port)
    _, answer, _ = await connection.request(
        "GET", f"{BASE}?status={status}&limit=1&with_count=true"
    )
    connection.close()
    count: int = json.loads(answer)["count"]
    return count


def run(runs: int) -> None:
    """Prints throughput and latency of both ways of running it."""
    rows = []
    for name, way in WAYS.items():
        with way() as deployment:
            asyncio.run(throughput(deployment))  # warm
            speeds = [asyncio.run(throughput(deployment)) for _ in range(runs)]
            both = [asyncio.run(latency(deployment)) for _ in range(runs)]
        speed = median(speeds)
        post_ms = median([post for post, _ in both]) * 1000
        wait_ms = median([wait for _, wait in both]) * 1000
        rows += [
            (
                f"create → available, {CLIENTS} clients, {name}",
                f"{speed:,.0f} volumes/s ({min(speeds):,.0f}-{max(speeds):,.0f})",
                "≥ 250",
                speed >= 250,
            ),
            (f"POST p50, one client, {name}", f"{post_ms:.1f} ms", "≤ 15 ms", post_ms <= 15),
            (f"available after it, {name}", f"{wait_ms:.1f} ms", "≤ 60 ms", wait_ms <= 60),
        ]
    table("The whole ring", rows)
