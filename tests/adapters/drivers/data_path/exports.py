"""What tests of the data path look at and do besides."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

from adapters.drivers.file import FileDriver
from tests.adapters.drivers.contract import POOLS
from tests.adapters.drivers.nbd_clients import (
    exporting,
    needs,
)

Opened = Callable[..., FileDriver]
clients = needs("nbdkit", "qemu-nbd", "qemu-io", "nbdinfo")


def exporting_below(directory: Path) -> list[int]:
    return [
        pid
        for pool in POOLS
        for volume in (directory / pool).glob("volume-*")
        for pid in exporting(volume)
    ]


def left(root: Path) -> set[str]:
    """What there is of exports, apart from the file by which drivers know of each other."""
    return {path.name for path in (root / ".nbd").glob("*")} - {"users"}


async def killed(pid: int) -> None:
    """kill -9, and wait for the end."""
    process = os.pidfd_open(pid)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process, ended.set)
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        async with asyncio.timeout(50):
            await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)
