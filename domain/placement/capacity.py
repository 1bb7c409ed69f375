"""Capacity arithmetic: what a pool can still promise (scheduler-and-drivers 4)."""

import msgspec

from domain.placement.pool import UNLIMITED, Pool


class Promise(msgspec.Struct, frozen=True):
    """What the log says is promised on a pool."""

    gib: int = 0
    volumes: int = 0


NOTHING = Promise()


def room_gib(pool: Pool, promised_gib: float = 0, *, thick: bool = False) -> float:
    """What the pool can still promise, given what is; what filters and weights go by.

    Cinder reckons with what is provisioned as of the last report. The log knows better: what is
    there of others, and all that was promised since. UNLIMITED where it is so reported.
    """
    if pool.unlimited:
        return UNLIMITED
    if pool.foreign_gib is None:  # who cannot tell others' from ours: whichever is more
        taken = max(pool.provisioned_gib, promised_gib)
    else:
        taken = pool.foreign_gib + promised_gib
    capacity = pool.thin_capacity_gib if pool.thin and not thick else pool.thick_capacity_gib
    return round(capacity - taken, 2)


def why_no_room(pool: Pool, size_gib: int, promised_gib: float, *, thick: bool) -> str | None:
    """Why `size_gib` more cannot be promised, or None if it can."""
    if size_gib == 0:
        return None
    if pool.why_unusable is not None or pool.unlimited:
        return pool.why_unusable
    if pool.ratio < 1 and not thick:
        return f"over-subscription ratio {pool.ratio} is below 1"
    room = room_gib(pool, promised_gib, thick=thick)
    return None if room >= size_gib else f"{size_gib} GiB asked, {room} GiB left"


def ceiling_gib(pool: Pool, promised_gib: float, *, thick: bool) -> float | None:
    """How high the promises on a pool may be, to which the store holds a decision; None: no end."""
    room = room_gib(pool, promised_gib, thick=thick)
    return None if room == UNLIMITED else round(promised_gib + room, 2)
