"""Placement: which pool takes a volume, decided from reports, with every reason kept.

The rules are Cinder's default filters and weigher (scheduler-and-drivers 3, 4).
"""

import math
from collections.abc import Callable, Sequence

import msgspec


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """One pool as its backend last reported it. Capacities in GiB."""

    name: str
    """host@backend#pool"""
    zone: str
    total_gib: float
    free_gib: float
    provisioned_gib: float
    allocated_gib: float
    reserved_percentage: float
    over_subscription_ratio: float
    thin: bool


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was thought of one pool: its weight, or who refused it and why."""

    pool: str
    zone: str
    weight: float = 0.0
    refused_by: str | None = None
    reason: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of a placement with everything it was made from."""

    candidates: list[Verdict]
    chosen: Verdict | None = None
    reason: str = ""


Filter = Callable[[Pool, int, str | None], str | None]
"""A pool, a size in GiB and a zone (None: any) → why not, or None."""


def place(pools: Sequence[Pool], *, size_gib: int, zone: str | None) -> Decision:
    """The roomiest pool that every filter passes; ties keep the order of the reports."""
    verdicts = [_judge(pool, size_gib, zone) for pool in pools]
    fit = [verdict for verdict in verdicts if verdict.refused_by is None]
    if not fit:
        return Decision(candidates=verdicts, reason=_why_none(verdicts))
    return Decision(candidates=verdicts, chosen=max(fit, key=lambda verdict: verdict.weight))


def room_gib(pool: Pool) -> float:
    """What the pool can still promise: the capacity that filters and weights go by."""
    usable = pool.total_gib - math.floor(pool.total_gib * pool.reserved_percentage / 100)
    if pool.thin:
        room = usable * pool.over_subscription_ratio - pool.provisioned_gib
    else:
        room = min(pool.free_gib, usable - pool.provisioned_gib)
    return round(room, 2)


def _judge(pool: Pool, size_gib: int, zone: str | None) -> Verdict:
    for name, refuses in FILTERS:
        reason = refuses(pool, size_gib, zone)
        if reason is not None:
            return Verdict(pool=pool.name, zone=pool.zone, refused_by=name, reason=reason)
    return Verdict(pool=pool.name, zone=pool.zone, weight=room_gib(pool))


def _in_zone(pool: Pool, size_gib: int, zone: str | None) -> str | None:
    if zone is None or pool.zone == zone:
        return None
    return f"is in zone {pool.zone}, not {zone}"


def _has_room(pool: Pool, size_gib: int, zone: str | None) -> str | None:
    if pool.total_gib <= 0:
        return "reports no capacity"
    if pool.thin and pool.over_subscription_ratio < 1:
        return f"over-subscription ratio {pool.over_subscription_ratio} is below 1"
    room = room_gib(pool)
    return None if room >= size_gib else f"{size_gib} GiB asked, {room} GiB left"


FILTERS: Sequence[tuple[str, Filter]] = (
    ("AvailabilityZoneFilter", _in_zone),
    ("CapacityFilter", _has_room),
)


def _why_none(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "No backend is available."
    refusals = "; ".join(f"{v.pool} {v.reason} ({v.refused_by})" for v in verdicts)
    return f"No backend can take it: {refusals}."
