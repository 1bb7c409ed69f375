"""Any sequence of calls has the same outcome on the file driver as on the driver in memory."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.drivers.contract import Driver, DriverFailure, VolumeSpec
from adapters.drivers.file import FileDriver
from adapters.drivers.memory import MemoryBackend, MemoryDriver
from tests.adapters.drivers.contract import POOLS, a_volume

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
