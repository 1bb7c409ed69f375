"""Whether a pool has room for a volume on it to grow: the capacity filter's rule, for that pool."""

import msgspec

from domain.placement.capacity import NOTHING, ceiling_gib, why_no_room
from domain.placement.filters import Promised
from domain.placement.pool import Pool
from domain.placement.request import Request


class Room(msgspec.Struct, frozen=True):
    """Why there is none, or None; and how much the pool may promise in all (GiB, None: no end)."""

    why_not: str | None
    ceiling_gib: float | None = None


def room_to_grow(pool: Pool, added_gib: int, request: Request, promised: Promised) -> Room:
    """Whether `added_gib` more can be promised on the pool of the volume that `request` is of."""
    given, thick = promised.get(pool.name, NOTHING).gib, request.wants_thick
    return Room(
        why_no_room(pool, added_gib, given, thick=thick), ceiling_gib(pool, given, thick=thick)
    )
