"""Disks become images of other formats than raw: by qemu-img, which is given next to nothing.

It reads one file and writes another, both of which we hold open: neither needs a name, so nothing
is left of them when we die. It has limits as when it converts the other way.
"""

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress

from adapters.images import conversion
from domain.errors import Unavailable

FORMATS = {
    "qcow2": ("qcow2", ()),
    "vmdk": ("vmdk", ()),
    "vdi": ("vdi", ()),
    "vhd": ("vpc", ("-o", "force_size=on")),  # else as large as cylinders and heads make it
    "vhdx": ("vhdx", ()),
    "ploop": ("parallels", ()),
}
"""By Glance's disk formats: qemu-img's, and what it has to be told besides."""

MORE_BYTES = 256 * 2**20
"""What an image may have beside the bytes of its disk and a sixteenth of them: one of Parallels
grows by 128 MiB at a time."""

LOOK_S = 1.0
"""How often it is asked whether the image is wanted still."""


class MakingFailed(Exception):
    """There is no such image, for this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def made(
    disk: int, image: int, *, disk_format: str, size: int, still: Callable[[], Awaitable[None]]
) -> None:
    """Writes the image of a disk of `size` bytes; both are open files.

    Raises MakingFailed if qemu-img cannot, Unavailable if there is none, and what `still` raises,
    which ends it.
    """
    process = await _started(disk, image, disk_format, size)
    ending = asyncio.ensure_future(process.communicate())
    try:
        while not ending.done():
            await still()
            await asyncio.wait({ending}, timeout=LOOK_S)
        _, said = ending.result()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await ending
    if process.returncode:
        raise MakingFailed(
            f"qemu-img cannot make it: {conversion.words_of(process.returncode, said.decode())}"
        )


async def _started(disk: int, image: int, disk_format: str, size: int) -> Process:
    program = shutil.which("qemu-img")
    if program is None:
        raise Unavailable(part=conversion.PART, reason=conversion.NO_PROGRAM)
    called, options = FORMATS[disk_format]
    files = [f"/dev/fd/{file}" for file in (disk, image)]
    return await asyncio.create_subprocess_exec(
        *conversion.limited(size, file_bytes=size + size // 16 + MORE_BYTES),
        *(program, "convert", "-f", "raw", "-O", called, *options, *files),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        pass_fds=[disk, image],
        start_new_session=True,  # to be ended with whatever it started
    )
