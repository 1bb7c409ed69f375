"""No copy ever reads a source that vanishes or changes under it, whatever is asked at once.

Users ask at random moments while workers are at work, everything passes in an order that a seed
decides, and the backends watch what is read from beginning to end. The same schedules show that the
watch is no blind one: where the store keeps nothing that others need, copies are caught at it.
"""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from adapters.drivers.content import BLOCK_BYTES, Blocks
from adapters.drivers.contract import Provisioned, Source, VolumeSpec
from adapters.drivers.memory import MemoryBackend, MemoryDriver
from domain.aggregates.volume import Volume
from domain.dependence import Dependents
from domain.errors import LapilliError
from domain.placement import Rules
from services.commands.extension import ExtendVolume
from services.commands.reverting import RevertVolume
from services.commands.snapshot import DeleteSnapshot
from services.commands.volume import DeleteVolume
from services.processes.runtime import Worker
from tests.services.processes import originals
from tests.services.processes.originals import CONTENT, HERE, SNAPSHOT
from tests.services.processes.ring import WORKLOAD
from tests.services.processes.several import Several
from tests.support.around import Life
from tests.support.builders import PROJECT, a_moment, an_id

SCHEDULES = 60
CHANGED = {BLOCK_BYTES: b"written since".ljust(BLOCK_BYTES, b"\0")}
OWN: dict[str, Any] = {"project_id": PROJECT, "at": a_moment()}
COPIES = range(2, 6)


class Watch(MemoryDriver):
    """Takes its time, and notes what happens to a source while it is read."""

    def __init__(self, backend: MemoryBackend, race: "Race") -> None:
        super().__init__(backend)
        self._race = race

    async def clone_volume(self, spec: VolumeSpec, source: Source) -> Provisioned | None:
        before = self._now(source)
        await self._race.dawdle()
        try:
            return await super().clone_volume(spec, source)
        finally:
            self._compare(source, before)

    async def read(self, source: Source) -> Blocks:
        before = self._now(source)
        async for block in super().read(source):
            await self._race.dawdle()
            yield block
        self._compare(source, before)

    async def revert_volume(self, spec: VolumeSpec, to: Any) -> None:
        await self._race.dawdle()
        await super().revert_volume(spec, to)

    def _now(self, source: Source) -> dict[int, bytes] | None:
        found = self._backend.pool(source.pool).found(source)
        return {**found.first(source.size_gib)} if found and found.whole else None

    def _compare(self, source: Source, before: dict[int, bytes] | None) -> None:
        if before is None or self._now(source) != before:
            self._race.caught.append(source.object_name)


class Race:
    """One schedule: who asks what, who works, and in which order."""

    def __init__(self, ring: Several, seed: int) -> None:
        self.ring, self.random = ring, random.Random(seed)
        self.caught: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def dawdle(self, method: str = "") -> None:
        """Lets others go first."""
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)

    async def run(self) -> None:
        self._workers = {
            m.consumer: Worker(m, bus=self.ring.bus, workload=WORKLOAD)
            for m in self.ring.managers(Life())
        }
        asked = [self._asked(each) for each in self._wishes()]
        while asked or self._tasks:
            if asked and self.random.random() < 0.3:
                self._begin(asked.pop())
            else:
                await self._deliver()
            for _ in range(self.random.randrange(6)):
                await asyncio.sleep(0)
            for task in [task for task in self._tasks if task.done()]:
                self._tasks.discard(task)
                task.result()
        await self.ring.go_on()

    def _wishes(self) -> list[Any]:
        ring = self.ring
        wishes: list[Any] = [
            ring.world.creation(
                number, **originals.source(self.random.choice(("volume", "snapshot")))
            )
            for number in COPIES
        ]
        wishes += [DeleteVolume(id=an_id(1), force=f, **OWN) for f in (False, True)]
        wishes += [RevertVolume(id=an_id(1), snapshot_id=SNAPSHOT, **OWN)] * 2
        wishes += [ExtendVolume(id=an_id(1), new_size_gib=size, **OWN) for size in (3, 4)]
        wishes += [DeleteVolume(id=an_id(2), force=True, **OWN), DeleteSnapshot(id=SNAPSHOT, **OWN)]
        self.random.shuffle(wishes)
        return wishes

    async def _asked(self, wish: Any) -> None:
        """By a user, who may be refused."""
        await self.dawdle()
        try:
            await self.ring.world.another_process().run(wish)
        except LapilliError:
            return

    async def _deliver(self) -> None:
        name = self.random.choice(list(self._workers))
        for delivery in await self.ring.inbox(name, 1):
            self._begin(self._workers[name].handle(delivery))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work))


class KeepsNothing(Dependents):
    """What others need may go."""

    def check(self, wanted: Any) -> None:
        pass


async def raced(seed: int, *, careless: bool = False) -> Race:
    """Both kinds of copies: near, and block by block where the near backend has no room."""
    ring = await originals.a_ring(rules=Rules(copies_stay=False))
    ring.pool(HERE).volumes[f"volume-{an_id(1)}"].content = dict(CHANGED)
    race = Race(ring, seed)
    if careless:
        kept = ring.store._dependents
        ring.store._dependents = KeepsNothing(kept.on)
    ring.driver = lambda backend, faults: Watch(backend, race)
    if seed % 2:
        await originals.fill(ring, HERE, originals.BESIDE)
    await race.run()
    return race


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_defect_23_no_copy_reads_what_vanishes_or_changes(seed):
    race = await raced(seed)
    ring = race.ring
    assert race.caught == []
    _, needs = await ring.store.dependence()
    assert "copy" not in needs.values()
    for number in COPIES:
        copy = await ring.volume(number)
        if not copy.exists:  # it was refused
            continue
        assert copy.at_rest and not copy.holds_source
        if copy.state == "available":
            await assert_is_one_of(ring, copy)
    original = await ring.volume()
    assert original.operation == "idle" and original.under_way is None
    assert await ring.bus.parked() == []
    await ring.assert_sound()


async def assert_is_one_of(ring: Several, copy: Volume) -> None:
    """All of what its source held at some moment, and nothing else."""
    assert copy.source is not None
    allowed = [CONTENT] if copy.source.kind == "snapshot" else [CONTENT, CHANGED]
    there = ring.pool(str(copy.host)).volumes[f"volume-{copy.id}"]
    assert there.whole and there.content in allowed


async def test_where_nothing_is_kept_for_those_who_need_it_copies_are_caught():
    caught = [(await raced(seed, careless=True)).caught for seed in range(30)]
    assert any(caught)
