"""Placement: which pool takes a volume, decided from reports and the log, with every reason kept.

The rules are Cinder's filters and weighers (scheduler-and-drivers 3, 4).
"""

from domain.placement.capacity import Promise, room_gib
from domain.placement.deciding import place
from domain.placement.decision import Decision, Verdict
from domain.placement.growing import Room, room_to_grow
from domain.placement.pool import DEFAULT_RATIO, UNLIMITED, Pool
from domain.placement.request import Origin, Request, Rules, Supply, Tried

__all__ = [
    "DEFAULT_RATIO",
    "UNLIMITED",
    "Decision",
    "Origin",
    "Pool",
    "Promise",
    "Request",
    "Room",
    "Rules",
    "Supply",
    "Tried",
    "Verdict",
    "place",
    "room_gib",
    "room_to_grow",
]
