"""A pool as its backend last reported it."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

DEFAULT_RATIO = 20.0
"""Over-subscription of thin pools that report none (Cinder: max_over_subscription_ratio)."""

UNLIMITED = math.inf
"""A capacity reported as "infinite" or "unknown": both are taken to be enough."""


class Pool(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One pool: where it is, what it holds and what it can do. Capacities in GiB."""

    name: str
    """host@backend#pool"""
    zone: str
    total_gib: float
    free_gib: float | None
    """None: the backend did not tell."""
    provisioned_gib: float
    allocated_gib: float
    reserved_percentage: float
    over_subscription_ratio: float | Literal["auto"] | None
    thin: bool
    foreign_gib: float | None = None
    """What is provisioned there for others than us; None where nobody can tell."""
    capabilities: Mapping[str, Any] = {}
    """Everything reported, under Cinder's names; volume types ask for it."""
    filter_function: str | None = None
    goodness_function: str | None = None

    @property
    def backend(self) -> str:
        """host@backend"""
        return self.name.partition("#")[0]

    @cached_property
    def ratio(self) -> float:
        """How much may be promised of each GiB; 1 for thick pools (scheduler-and-drivers 4)."""
        if not self.thin:
            return 1.0
        if self.over_subscription_ratio is None:
            return DEFAULT_RATIO
        if self.over_subscription_ratio != "auto":
            return self.over_subscription_ratio
        if self.provisioned_gib == 0 or self.free_gib is None:
            return DEFAULT_RATIO
        return round(1 + self.provisioned_gib / (self.total_gib - self.free_gib + 1), 2)

    @cached_property
    def usable_gib(self) -> float:
        """The total without its reserve."""
        return self.total_gib - math.floor(self.total_gib * self.reserved_percentage / 100)

    @cached_property
    def thin_capacity_gib(self) -> float:
        """All that may be promised in thin volumes."""
        return self.usable_gib * self.ratio

    @cached_property
    def thick_capacity_gib(self) -> float:
        """All that may be promised in thick volumes: what is free moves to what is provisioned."""
        return min(self.usable_gib, self.provisioned_gib + (self.free_gib or 0.0))

    @cached_property
    def unlimited(self) -> bool:
        """Whether its capacity is unknown, or said to have no end."""
        return UNLIMITED in (self.free_gib, self.total_gib)

    @cached_property
    def why_unusable(self) -> str | None:
        """What its report lacks that no volume can be placed without."""
        if self.free_gib is None:
            return "does not report what is free"
        if self.total_gib <= 0:
            return "reports no capacity"
        if self.total_gib == UNLIMITED != self.free_gib and self.reserved_percentage > 0:
            return f"cannot reserve {self.reserved_percentage:g} % of a capacity that is not known"
        return None
