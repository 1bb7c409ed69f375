"""Volumes made from files of this machine, which are looked at before they appear.

All raise OSError, and what the check does; who makes one holds its lock.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from adapters.drivers import sparse_file
from adapters.drivers.content import BLOCK_BYTES, Block
from adapters.drivers.contract import Check, DriverFailure, OpenFile
from adapters.drivers.durable import appearing, partial_of, remove
from adapters.drivers.file_content import blocks_in, fill
from adapters.drivers.reflink import clone, data_in

STEP_BYTES = 4 * 2**20
"""After how much that was written the check goes on, while a processor still has it at hand."""


SYNC_BYTES = 64 * 2**20
"""How much is worth it to ask the disk for."""


class _Ended(Exception):
    """Nothing more is going to be written."""


def make(file: OpenFile, path: Path, first_bytes: int, size_bytes: int, check: Check) -> None:
    """Make it, unless it is there, with the first bytes of an open file and zeros beyond them.

    Raises DriverFailure if they do not fit, or something else is there.
    """
    if first_bytes > size_bytes:
        raise DriverFailure(f"{first_bytes} bytes do not fit into {size_bytes}", False)
    if sparse_file.is_there(path, size_bytes):
        return
    source = file.fileno()
    remove(partial_of(path))  # of a crash
    with appearing(path) as copy:
        if clone(source, copy):
            os.ftruncate(copy, first_bytes)
            os.ftruncate(copy, size_bytes)
            check.shared()
            return
        os.ftruncate(copy, size_bytes)
        whole_blocks = min(size_bytes, first_bytes + -first_bytes % BLOCK_BYTES)
        with _checking(copy, whole_blocks, check) as checked, _syncing(copy) as synced:
            for position in _copied(source, copy, end=first_bytes):
                checked(position)
                synced(position)
            checked(whole_blocks)
            os.fsync(copy)  # while the rest is checked


@contextmanager
def _checking(copy: int, end: int, check: Check) -> Iterator[Callable[[int], None]]:
    """Has what is written checked beside; to be told how far it has come."""
    written: SimpleQueue[int | None] = SimpleQueue()
    with ThreadPoolExecutor(1, thread_name_prefix="file-check") as beside:
        checking: Future[None] = beside.submit(check.copied, _behind(copy, written, end))

        def reached(position: int) -> None:
            if checking.done():  # so it has found something
                checking.result()
            written.put(position)

        try:
            yield reached
        finally:
            written.put(None)
        checking.result()


@contextmanager
def _syncing(copy: int) -> Iterator[Callable[[int], None]]:
    """Lets the disk write beside, so that it has little left to do in the end."""
    begun: list[Future[None]] = []
    last = 0
    with ThreadPoolExecutor(1, thread_name_prefix="file-sync") as beside:

        def reached(position: int) -> None:
            nonlocal last
            if position - last >= SYNC_BYTES and all(each.done() for each in begun[-1:]):
                begun.append(beside.submit(os.fdatasync, copy))
                last = position

        yield reached
    for each in begun:
        each.result()  # of an error of the disk, only the first who asks is told


def _behind(file: int, written: "SimpleQueue[int | None]", end: int) -> Iterator[Block]:
    """What is in the file up to `end`, as it is written."""
    done = 0
    while done < end:
        position = written.get()
        if position is None:
            raise _Ended
        whole = position - position % BLOCK_BYTES
        if whole > done:
            yield from blocks_in(file, begin=done, end=whole)
            done = whole


def _copied(source: int, copy: int, *, end: int) -> Iterator[int]:
    """Copies all that is not zero, and tells up to where."""
    buffer = bytearray(BLOCK_BYTES)
    for start, stop in data_in(source, end=end):
        told = position = start
        while position < stop:
            count = os.preadv(source, [memoryview(buffer)[: stop - position]], position)
            if not count:
                break  # it became shorter, which the check finds
            fill(copy, position, buffer if count == len(buffer) else buffer[:count])
            position += count
            if position - told >= STEP_BYTES:
                yield (told := position)
