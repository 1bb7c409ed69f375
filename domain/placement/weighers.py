"""Weighers: which of the pools that fit is best (scheduler-and-drivers 3). Higher wins."""

from collections.abc import Callable, Mapping, Sequence

from domain.placement import expression
from domain.placement.capacity import NOTHING, room_gib
from domain.placement.filters import Promised, scope_of
from domain.placement.pool import UNLIMITED, Pool
from domain.placement.request import Request

Weigher = Callable[[Sequence[Pool], Request, Promised], list[float]]
"""The raw weight of each pool."""


def room(pools: Sequence[Pool], request: Request, promised: Promised) -> list[float]:
    """What can still be promised, GiB. Where that is unknown it counts as the worst."""
    thick, given = request.wants_thick, promised.get
    rooms = (room_gib(pool, given(pool.name, NOTHING).gib, thick=thick) for pool in pools)
    return [-1.0 if gib == UNLIMITED else gib for gib in rooms]


def allocated(pools: Sequence[Pool], request: Request, promised: Promised) -> list[float]:
    """What is promised there already, GiB."""
    return [float(promised.get(pool.name, NOTHING).gib) for pool in pools]


def volumes(pools: Sequence[Pool], request: Request, promised: Promised) -> list[float]:
    """How many volumes are there."""
    return [float(promised.get(pool.name, NOTHING).volumes) for pool in pools]


def goodness(pools: Sequence[Pool], request: Request, promised: Promised) -> list[float]:
    """What the backend itself thinks, 0…100; anything else, or nothing, is 0."""
    return [_goodness(pool, request, promised) for pool in pools]


WEIGHERS: Mapping[str, Weigher] = {
    "CapacityWeigher": room,
    "AllocatedCapacityWeigher": allocated,
    "VolumeNumberWeigher": volumes,
    "GoodnessWeigher": goodness,
}
"""By Cinder's names."""


def scaled(raw: Sequence[float]) -> list[float]:
    """0 for the least to 1 for the greatest; all 0 where there is no difference."""
    least, greatest = min(raw), max(raw)
    if least == greatest:
        return [0.0] * len(raw)
    span = greatest - least
    return [(weight - least) / span for weight in raw]


def _goodness(pool: Pool, request: Request, promised: Promised) -> float:
    if pool.goodness_function is None:
        return 0.0
    try:
        said = expression.evaluate(pool.goodness_function, scope_of(pool, request, promised))
    except expression.BadExpression:
        return 0.0
    if isinstance(said, bool):
        return 100.0 if said else 0.0
    return float(said) if isinstance(said, (int, float)) and 0 <= said <= 100 else 0.0
