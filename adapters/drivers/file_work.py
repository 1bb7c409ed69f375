"""How the file driver gets its work done: in threads, by one at a time for each object."""

import asyncio
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from adapters.drivers.content import Block, Blocks, InThread
from adapters.drivers.contract import SnapshotSpec, Source, VolumeSpec
from adapters.drivers.failures import failures
from adapters.drivers.feed import BrokenOff, Feed
from adapters.drivers.file_content import blocks_of
from adapters.drivers.file_pools import FilePools
from adapters.drivers.locks import Claim, ObjectLocks, holding

CONCURRENT_CALLS = 8  # threads; they mostly wait for fsync
CONCURRENT_WRITES = 4  # volumes whose content comes from elsewhere, or is copied byte by byte
CONCURRENT_READS = 4

T = TypeVar("T")


class FileWork:
    """Calls raise DriverFailure for what the operating system says."""

    def __init__(self, pools: FilePools) -> None:
        self._pools = pools
        self._locks = ObjectLocks()
        self._threads = ThreadPoolExecutor(CONCURRENT_CALLS, thread_name_prefix="file-driver")
        # Those who read wait for nobody, so that those who write what they read come to an end
        # whoever waits for these.
        self._readers = ThreadPoolExecutor(CONCURRENT_READS, thread_name_prefix="file-reader")
        self.writers = ThreadPoolExecutor(CONCURRENT_WRITES, thread_name_prefix="file-writer")
        """For what takes as long as its content is large."""

    async def close(self) -> None:
        """Finish what has begun."""
        for threads in (self._threads, self.writers, self._readers):
            await asyncio.to_thread(threads.shutdown)

    async def on_object(
        self,
        verb: str,
        spec: Source,
        work: Callable[[Path], T],
        *,
        source: Source | None = None,
        threads: ThreadPoolExecutor | None = None,
    ) -> T:
        """Does it with the object in its place, while nobody else does anything to that, nor to
        what it is made from."""
        directory = self._pools.directory(spec.pool)
        claims = [Claim(directory, spec.id)]
        if source:
            quick = self._pools.share_blocks(spec.pool, source.pool)
            threads = self._threads if quick else self.writers
            # Who copies a volume byte by byte may have to make its clients wait, for itself alone.
            shared = quick or isinstance(source, SnapshotSpec)
            claims.append(Claim(self._pools.directory(source.pool), source.id, shared))

        def locked() -> T:
            trouble = failures(f"cannot {verb} {spec.object_name}", directory)
            with trouble, holding(*claims):
                return work(directory / spec.object_name)

        # The lock on disk alone would do; waiting here does not keep a thread. A cancelled call
        # goes on in its thread, still excluding others by the lock on disk.
        async with self._locks.of(f"{spec.pool}/{spec.object_name}"):
            return await self.in_thread(locked, threads)

    async def fed(
        self,
        verb: str,
        spec: VolumeSpec,
        content: Blocks,
        work: Callable[[Path, Iterator[Block]], None],
    ) -> None:
        """`on_object` with what the content brings. Raises what that raises."""
        feed = Feed(content)

        def fed(path: Path) -> None:
            with closing(iter(feed)) as blocks:
                work(path, blocks)

        try:
            await self.on_object(verb, spec, fed, threads=self.writers)
        except BrokenOff as broken:
            raise broken.cause from None
        finally:
            feed.end()

    def blocks(self, path: Callable[[], Path], first_bytes: int) -> Blocks:
        """What is not zero of the first bytes of a file."""

        def read() -> Generator[Block, None, None]:
            where = path()
            with failures(f"cannot read {where.name}", where.parent):
                yield from blocks_of(where, first_bytes=first_bytes)

        return InThread(read(), self._readers)

    async def in_thread(
        self, work: Callable[[], T], threads: ThreadPoolExecutor | None = None
    ) -> T:
        """Does it in one of the threads, by default of those for what does not take long."""
        return await asyncio.get_running_loop().run_in_executor(threads or self._threads, work)
