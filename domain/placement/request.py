"""What placement is asked: a size, where it may be, what its type wants, what was tried."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A pool that a volume was placed on, and what its backend said."""

    pool: str
    reason: str

    @property
    def backend(self) -> str:
        """host@backend"""
        return self.pool.partition("#")[0]


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a volume that moves comes from, and what limits where it may go."""

    pool: str
    may_stay: bool = False
    """Whether its own pool may take it: it has the room already, and is the best if it fits."""
    only: str | None = None
    """The one pool, or backend, that may take it."""
    barred: dict[str, str] = {}
    """Pools that may not, and why."""

    @property
    def backend(self) -> str:
        """host@backend"""
        return self.pool.partition("#")[0]


class Supply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where what a new volume is to hold comes from."""

    pool: str
    """Preferred if it fits."""
    elsewhere: bool = False
    """Whether other backends may take a copy of it."""

    @property
    def backend(self) -> str:
        """host@backend"""
        return self.pool.partition("#")[0]


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """Everything about a volume that decides where it goes."""

    size_gib: int
    zones: list[str] = []
    """Any of these; empty: anywhere."""
    extra_specs: dict[str, str] = {}
    """Of its type."""
    metadata: dict[str, str] = {}
    hints: dict[str, Any] = {}
    """Cinder's scheduler hints, as they came."""
    places: dict[str, str] = {}
    """Pools of the volumes that hints name, by volume id; those that are nowhere are absent."""
    tried: list[Tried] = []
    encrypted_by_backend: bool = False
    """Whether its type leaves encryption to the backend (control location back-end)."""
    origin: Origin | None = None
    """Where it is now; None: nowhere yet."""
    supply: Supply | None = None
    """Where what it is made from is; None: it is made from nothing that a backend has."""

    @cached_property
    def wants_thick(self) -> bool:
        """Whether the type forbids thin provisioning."""
        return self.extra_specs.get("provisioning:type") == "thick"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Which filters and weighers count, in order; a weigher with its multiplier."""

    copies_stay: bool = True
    """Whether what is made from something stays on the backend of that."""
    filters: Sequence[str] = ("AvailabilityZoneFilter", "CapacityFilter", "CapabilitiesFilter")
    weighers: Mapping[str, float] = msgspec.field(default_factory=lambda: {"CapacityWeigher": 1.0})
