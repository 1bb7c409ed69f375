"""Backends as their workers reach them, and what is watched of what happens on them."""

import asyncio
from collections.abc import Callable, Mapping

from adapters.drivers.contract import DriverFailure, Source, VolumeSpec
from adapters.drivers.memory import Fault, Faults, MemoryBackend, Operation, Work
from adapters.drivers.memory_pool import NOTHING, MemoryPool
from tests.simulation.chance import Chances
from tests.simulation.wire import Mortal, for_ever

FOR_EVER_S = 1e6

Watch = Callable[[str, str, Source], None]
"""Is told what happens (`made`, `half made`, `gone`…), in which `host@backend#pool`, to what."""


class WatchedPool(MemoryPool):
    """Tells of what changes on it."""

    def __init__(self, name: str, capacity_gib: float, *, host: str, watch: Watch) -> None:
        super().__init__(name, capacity_gib)
        self._host, self._watch = f"{host}#{name}", watch

    def create(self, spec: Source, *, whole: bool, content: Mapping[int, bytes] = NOTHING) -> None:
        there = self._is_whole(spec)
        super().create(spec, whole=whole, content=content)
        if not there:
            self._watch("made" if whole else "half made", self._host, spec)

    def break_off(self, spec: VolumeSpec, *, content: Mapping[int, bytes], written: int) -> None:
        super().break_off(spec, content=content, written=written)
        self._watch(f"written up to {written}", self._host, spec)

    def replace(self, spec: VolumeSpec, content: Mapping[int, bytes]) -> None:
        super().replace(spec, content)
        self._watch("overwritten", self._host, spec)

    def delete(self, spec: Source, *, whole: bool) -> None:
        there = self.found(spec) is not None
        super().delete(spec, whole=whole)
        if there:
            self._watch("gone" if whole else "half gone", self._host, spec)

    def extend(self, spec: VolumeSpec, new_size_gib: int, *, whole: bool) -> None:
        super().extend(spec, new_size_gib, whole=whole)
        self._watch(f"{'' if whole else 'half '}extended to {new_size_gib}", self._host, spec)

    def _is_whole(self, spec: Source) -> bool:
        found = self.found(spec)
        return found is not None and found.whole


def a_backend(host: str, capacities_gib: Mapping[str, float], watch: Watch) -> MemoryBackend:
    """One whose pools are watched."""
    backend = MemoryBackend({})
    for name, gib in capacities_gib.items():
        backend.pools[name] = WatchedPool(name, gib, host=host, watch=watch)
    return backend


class Misfortunes(Faults):
    """What each call of one process to a backend meets."""

    def __init__(self, who: Mortal, chances: Chances, backend: str) -> None:
        super().__init__()
        self._who, self._chances, self._backend = who, chances, backend

    async def meet(self, operation: Operation) -> Fault | None:
        if not self._who.machine.alive:
            await for_ever()
        where = f"{self._who.name}: {operation} on {self._backend}"
        slow = self._strikes("driver is slow", where)
        await asyncio.sleep(self._chances.between(1.0, 15.0) if slow else self._chances.latency_s())
        if self._strikes("driver hangs", where):
            await asyncio.sleep(FOR_EVER_S)
        for kind, work in _DEATHS.items():
            if self._strikes(kind, where):
                self._who.die()
                return Fault(failure=DriverFailure("nobody hears this", True), work=work)
        for kind, work in _FAILURES.items():
            if self._strikes(kind, where):
                elsewhere = self._chances.times.random() < 0.7
                return Fault(failure=DriverFailure(kind, elsewhere), work=work)
        return None

    def _strikes(self, kind: str, where: str) -> bool:
        return self._chances.strikes(kind, where)


_DEATHS: Mapping[str, Work] = {
    "driver dies before": Work.NONE,
    "driver dies half-way": Work.HALF,
    "driver dies after": Work.ALL,
}
_FAILURES: Mapping[str, Work] = {
    "driver fails": Work.NONE,
    "driver fails half-way": Work.HALF,
    "driver fails after all": Work.ALL,
}
