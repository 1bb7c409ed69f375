"""Any sequence of calls has the same outcome on the file driver as on the driver in memory."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.drivers.content import BLOCK_BYTES, Block, fingerprint
from adapters.drivers.contract import Driver, DriverFailure, Source, VolumeSpec
from adapters.drivers.file import FileDriver
from adapters.drivers.memory import MemoryBackend, MemoryDriver
from tests.adapters.drivers.content_contract import blocks
from tests.adapters.drivers.contract import POOLS, a_volume
from tests.adapters.drivers.copy_contract import a_snapshot

specs = st.builds(
    lambda number, size_gib, pool: a_volume(id=UUID(int=number), size_gib=size_gib, pool=pool),
    number=st.integers(0, 2),
    size_gib=st.integers(1, 3),
    pool=st.sampled_from(POOLS),
)


class Agreement(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.written = 0
        self.directory = tempfile.TemporaryDirectory()
        self.memory = MemoryDriver(MemoryBackend(dict.fromkeys(POOLS, 1e6)))
        self.open()

    def open(self) -> None:
        self.file = FileDriver(Path(self.directory.name), POOLS)
        self.runner.run(self.file.check())

    def teardown(self) -> None:
        self.runner.run(self.file.close())
        self.runner.close()
        self.directory.cleanup()

    def both(self, call: Callable[[Driver], Awaitable[object]]) -> None:
        async def outcome(driver: Driver) -> bool | None:
            try:
                await call(driver)
            except DriverFailure as failure:
                return failure.retryable_elsewhere
            return None

        assert self.runner.run(outcome(self.file)) == self.runner.run(outcome(self.memory))

    @rule(spec=specs)
    def create(self, spec: VolumeSpec) -> None:
        self.both(lambda driver: driver.create_volume(spec))

    @rule(spec=specs)
    def delete(self, spec: VolumeSpec) -> None:
        self.both(lambda driver: driver.delete_volume(spec))

    @rule(spec=specs, new_size_gib=st.integers(1, 5))
    def extend(self, spec: VolumeSpec, new_size_gib: int) -> None:
        self.both(lambda driver: driver.extend_volume(spec, new_size_gib))

    @rule(spec=specs, number=st.integers(0, 1))
    def snapshot(self, spec: VolumeSpec, number: int) -> None:
        snapshot = a_snapshot(spec, id=UUID(int=10 + number))
        self.both(lambda driver: driver.create_snapshot(snapshot))

    @rule(spec=specs, number=st.integers(0, 1))
    def delete_snapshot(self, spec: VolumeSpec, number: int) -> None:
        snapshot = a_snapshot(spec, id=UUID(int=10 + number))
        self.both(lambda driver: driver.delete_snapshot(snapshot))

    @rule(spec=specs, source=specs)
    def clone(self, spec: VolumeSpec, source: VolumeSpec) -> None:
        self.both(lambda driver: driver.clone_volume(spec, source))

    @rule(spec=specs, of=specs, number=st.integers(0, 1))
    def clone_a_snapshot(self, spec: VolumeSpec, of: VolumeSpec, number: int) -> None:
        snapshot = a_snapshot(of, id=UUID(int=10 + number))
        self.both(lambda driver: driver.clone_volume(spec, snapshot))

    @rule(spec=specs, number=st.integers(0, 1))
    def revert(self, spec: VolumeSpec, number: int) -> None:
        snapshot = a_snapshot(spec, id=UUID(int=10 + number))
        self.both(lambda driver: driver.revert_volume(spec, snapshot))

    @rule(spec=specs, at=st.integers(0, 2), whole=st.booleans(), go_on=st.booleans())
    def write(self, spec: VolumeSpec, at: int, whole: bool, go_on: bool) -> None:
        """Content of its own each time; it comes to its end, or it breaks off."""
        self.written += 1
        block = Block(at * BLOCK_BYTES, bytes([self.written % 255 + 1]) * BLOCK_BYTES)

        async def write(driver: Driver) -> None:
            broken = None if whole else DriverFailure("broken off", False)
            done = await driver.written(spec) if go_on else 0
            content = blocks([block] if block.offset >= done else [], then=broken)
            await driver.write_volume(spec, content, resume_at=done)

        self.both(write)

    @rule(spec=specs)
    def overwrite(self, spec: VolumeSpec) -> None:
        self.written += 1
        block = Block(0, bytes([self.written % 255 + 1]) * BLOCK_BYTES)
        self.both(lambda driver: driver.overwrite_volume(spec, blocks([block])))

    @rule(source=specs, number=st.integers(0, 1))
    def read(self, source: VolumeSpec, number: int) -> None:
        """What is there, unfinished or not; where nothing is, both say so."""
        for each in (source, a_snapshot(source, id=UUID(int=10 + number))):
            found = [self.held(driver, each) for driver in (self.file, self.memory)]
            assert found[0] == found[1]

    def held(self, driver: Driver, source: Source) -> tuple[str | None, str]:
        async def hashes() -> tuple[str | None, str]:
            unfinished = ""
            if isinstance(source, VolumeSpec):
                unfinished = await fingerprint(driver.read_written(source))
            try:
                return await fingerprint(driver.read(source)), unfinished
            except DriverFailure:
                return None, unfinished

        return self.runner.run(hashes())

    @rule()
    def restart(self) -> None:
        self.runner.run(self.file.close())
        self.open()

    @invariant()
    def the_same_volumes_of_the_same_sizes(self) -> None:
        async def seen(driver: Driver) -> list[tuple[set[str], float]]:
            return [
                (await driver.objects(pool.pool_name), pool.provisioned_capacity_gib)
                for pool in (await driver.stats()).pools
            ]

        assert self.runner.run(seen(self.file)) == self.runner.run(seen(self.memory))


TestDriversAgree = Agreement.TestCase
TestDriversAgree.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
