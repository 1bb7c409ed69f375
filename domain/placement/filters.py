"""Filters: which pools cannot take a volume, and why not (scheduler-and-drivers 3, 4).

A filter is prepared for one request, so that what does not depend on the pool is done once, and
then asked about every pool. One that has nothing to say to a request is None.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.placement import expression, json_query
from domain.placement.capacity import NOTHING, Promise, room_gib, why_no_room
from domain.placement.extra_specs import specs_of, unmet
from domain.placement.pool import UNLIMITED, Pool
from domain.placement.request import Request

BACK_END_ENCRYPTION = "back_end_encryption"
"""The capability of a backend that encrypts volumes by itself."""

Promised = Mapping[str, Promise]
"""What is promised by pool."""

Refuses = Callable[[Pool], str | None]
"""Why a pool cannot take the volume, or None."""

Filter = Callable[[Request, Promised], Refuses | None]


def availability_zone(request: Request, promised: Promised) -> Refuses | None:
    """In one of the zones asked for."""
    zones = frozenset(request.zones)
    if not zones:
        return None
    wanted = " or ".join(request.zones)
    return lambda pool: None if pool.zone in zones else f"is in zone {pool.zone}, not {wanted}"


def capacity(request: Request, promised: Promised) -> Refuses | None:
    """With room for it."""
    size_gib, thick, given = request.size_gib, request.wants_thick, promised.get
    held_by = request.origin.pool if request.origin is not None else None

    def refuses(pool: Pool) -> str | None:
        if pool.name == held_by:  # it has the room already
            return None
        return why_no_room(pool, size_gib, given(pool.name, NOTHING).gib, thick=thick)

    return refuses


def capabilities(request: Request, promised: Promised) -> Refuses | None:
    """Able to do what the type promises."""
    specs = specs_of(request.extra_specs)
    if not specs:
        return None

    def refuses(pool: Pool) -> str | None:
        for spec in specs:
            reason = unmet(spec, pool.capabilities)
            if reason is not None:
                return reason
        return None

    return refuses


def attempted(request: Request, promised: Promised) -> Refuses | None:
    """Not of a backend that failed to make this volume before, whichever its pool."""
    failed = {each.backend: each.reason for each in request.tried}
    if not failed:
        return None
    return lambda pool: f"was tried: {failed[pool.backend]}" if pool.backend in failed else None


def encryption(request: Request, promised: Promised) -> Refuses | None:
    """Of a backend that encrypts by itself, where the type leaves it to the backend."""
    if not request.encrypted_by_backend:
        return None
    [able] = specs_of({f"capabilities:{BACK_END_ENCRYPTION}": "<is> True"})
    return lambda pool: unmet(able, pool.capabilities)


def reachable(request: Request, promised: Promised) -> Refuses | None:
    """Where a volume that moves may go, and of a backend that can read what it holds, or is to."""
    origin = request.origin
    if origin is None:
        return _supplied(request)

    def refuses(pool: Pool) -> str | None:
        if pool.name in origin.barred:
            return origin.barred[pool.name]
        if origin.only not in (None, pool.name, pool.backend):
            return f"is not {origin.only}"
        if pool.name == origin.pool:
            return None if origin.may_stay else "holds it already"
        if pool.backend != origin.backend and origin.backend not in _readable(pool):
            return f"cannot exchange data with {origin.backend}"
        return None

    return refuses


def _supplied(request: Request) -> Refuses | None:
    supply = request.supply
    if supply is None:
        return None

    def refuses(pool: Pool) -> str | None:
        if pool.backend == supply.backend:
            return None
        if not supply.elsewhere:
            return f"is not of {supply.backend}, which has what it is made from"
        if supply.backend not in _readable(pool):
            return f"cannot read from {supply.backend}, which has what it is made from"
        return None

    return refuses


def same_backend(request: Request, promised: Promised) -> Refuses | None:
    """Where any of the volumes lives that the hint same_host names."""
    named = _named(request, "same_host")
    if named is None:
        return None
    if isinstance(named, str):
        return lambda pool: named
    there = {request.places[id] for id in named if id in request.places}
    return lambda pool: None if pool.name in there else "holds none of the volumes of same_host"


def different_backend(request: Request, promised: Promised) -> Refuses | None:
    """Where none of the volumes lives that the hint different_host names."""
    named = _named(request, "different_host")
    if named is None:
        return None
    if isinstance(named, str):
        return lambda pool: named
    there = {request.places[id]: id for id in named if id in request.places}
    return lambda pool: (
        f"holds {there[pool.name]} of different_host" if pool.name in there else None
    )


def driver(request: Request, promised: Promised) -> Refuses | None:
    """Its own filter function is true."""

    def refuses(pool: Pool) -> str | None:
        if pool.filter_function is None:
            return None
        try:
            passes = expression.evaluate(pool.filter_function, scope_of(pool, request, promised))
        except expression.BadExpression as bad:
            return f"has a filter function that cannot be evaluated: {bad}"
        return None if passes else f"is not true that {pool.filter_function}"

    return refuses


def by_query(request: Request, promised: Promised) -> Refuses | None:
    """The hint query is true of it."""
    if not request.hints.get("query"):
        return None
    try:
        query = json_query.parsed(request.hints["query"])
    except json_query.BadQuery as bad:
        reason = f"cannot be asked: the hint query is no JSON: {bad}"
        return lambda pool: reason

    def refuses(pool: Pool) -> str | None:
        stats = {**stats_of(pool, promised), "capabilities": pool.capabilities}
        try:
            return None if json_query.holds(query, stats) else "does not match the hint query"
        except json_query.BadQuery as bad:
            return f"cannot be asked the hint query: {bad}"

    return refuses


FILTERS: Mapping[str, Filter] = {
    "AvailabilityZoneFilter": availability_zone,
    "CapacityFilter": capacity,
    "CapabilitiesFilter": capabilities,
    "DriverFilter": driver,
    "IgnoreAttemptedHostsFilter": attempted,
    "BackEndEncryptionFilter": encryption,
    "ReachableFilter": reachable,
    "SameBackendFilter": same_backend,
    "DifferentBackendFilter": different_backend,
    "JsonFilter": by_query,
}
"""By Cinder's names; it has none for those about encryption and about reaching."""

ALWAYS = ("IgnoreAttemptedHostsFilter", "BackEndEncryptionFilter", "ReachableFilter")
"""Asked first whatever is enabled: a backend that failed is not tried again for the same volume,
what is to be encrypted never lands where nobody encrypts it, and what moves never goes where its
data cannot follow."""

READS_FROM = "reads_from"
"""The capability that lists the backends whose volumes a backend can read, besides its own."""


def stats_of(pool: Pool, promised: Promised) -> Mapping[str, Any]:
    """What a pool reports, with what the log knows better, under Cinder's names."""
    given = promised.get(pool.name, NOTHING)
    room = room_gib(pool, given.gib) if pool.free_gib is not None else None
    return {
        **pool.capabilities,
        "host": pool.name,
        "backend_id": pool.name,
        "total_capacity_gb": _words(pool.total_gib),
        "free_capacity_gb": _words(pool.free_gib),
        "virtual_free": _words(room),
        "allocated_capacity_gb": given.gib,
        "total_volumes": given.volumes,
        "reserved_percentage": pool.reserved_percentage,
    }


def scope_of(pool: Pool, request: Request, promised: Promised) -> expression.Scope:
    """What filter and goodness functions can speak of."""
    return {
        "stats": stats_of(pool, promised),
        "capabilities": pool.capabilities,
        "volume": {"size": request.size_gib, "metadata": request.metadata},
        "extra": request.extra_specs,
        "qos": {},
    }


def _readable(pool: Pool) -> Collection[str]:
    reported = pool.capabilities.get(READS_FROM)
    return reported if isinstance(reported, (list, tuple)) else ()


def _words(gib: float | None) -> float | str | None:
    return "infinite" if gib == UNLIMITED else gib


def _named(request: Request, hint: str) -> Sequence[str] | str | None:
    """The ids that a hint names, or why it cannot be followed; None without the hint."""
    named = request.hints.get(hint)
    if not named:
        return None
    ids = named if isinstance(named, (list, tuple)) else [named]
    try:
        return [str(UUID(id)) for id in ids]
    except (ValueError, AttributeError, TypeError):
        return f"cannot follow the hint {hint}, which names no volume ids"
