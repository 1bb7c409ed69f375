"""Placing one volume among very many pools: what it costs, and what it adds to the log."""

import time
from collections.abc import Sequence

import msgspec

from benchmarks.report import median, table
from domain.placement import Pool, Promise, Request, Rules, place

POOLS = 1_000
PLACEMENTS = 50
BUDGET_MS = 2.0


def pools() -> list[Pool]:
    """A thousand pools of a hundred backends, thin and thick, in three zones."""
    return [
        Pool(
            name=f"host{n // 10}@backend{n // 10}#pool{n}",
            zone=("nova", "mars", "io")[n % 3],
            total_gib=10_000.0,
            free_gib=9_000.0 - n,
            provisioned_gib=1_000.0 + n,
            allocated_gib=500.0,
            reserved_percentage=5,
            over_subscription_ratio=2.0,
            thin=bool(n % 2),
            foreign_gib=float(n % 7),
            capabilities={"volume_backend_name": "gold" if n % 4 else "silver", "qos": True},
        )
        for n in range(POOLS)
    ]


REQUESTS = {
    "default filters, any pool": (Request(size_gib=10), Rules()),
    "zone and three extra specs": (
        Request(
            size_gib=10,
            zones=["nova", "mars"],
            extra_specs={
                "volume_backend_name": "gold",
                "qos": "<is> True",
                "capabilities:storage_protocol": "<or> iSCSI <or> FC",
            },
        ),
        Rules(),
    ),
    "three weighers": (
        Request(size_gib=10),
        Rules(
            weighers={
                "CapacityWeigher": 1.0,
                "AllocatedCapacityWeigher": -1.0,
                "VolumeNumberWeigher": -1.0,
            }
        ),
    ),
}


def _per_placement_ms(request: Request, rules: Rules, given: Sequence[Pool]) -> float:
    promised = {pool.name: Promise(n, n // 10) for n, pool in enumerate(given)}
    started = time.process_time()
    for _ in range(PLACEMENTS):
        place(given, request, rules=rules, promised=promised)
    return (time.process_time() - started) / PLACEMENTS * 1_000


def run(runs: int) -> None:
    """Processor time, since that is what one scheduler has to spend."""
    given, rows = pools(), []
    for what, (request, rules) in REQUESTS.items():
        cost_ms = median([_per_placement_ms(request, rules, given) for _ in range(runs)])
        holds = cost_ms <= BUDGET_MS if what.startswith("default") else None
        budget = f"≤ {BUDGET_MS:g} ms" if holds is not None else ""
        rows.append((what, f"{cost_ms:.2f} ms", budget, holds))
    stored = len(msgspec.json.encode(place(given, Request(size_gib=10))))
    rows.append(("the decision in the log", f"{stored / 1_000:.0f} kB", "", None))
    table(f"placement among {POOLS:,} pools, processor time", rows)
