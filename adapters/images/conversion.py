"""Images of other formats than raw become disks: by qemu-img, which is given next to nothing.

It reads the one file, of a format that it is told, and writes to nobody but us. It cannot write a
file, nor take more memory or processor time than the limits here.
"""

import json
import os
import shutil
import signal
import socket
from collections.abc import Generator
from contextlib import closing, suppress
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import Any

from adapters.drivers.contract import OpenFile
from adapters.images import nbd_target
from adapters.images.blocks import Piece
from adapters.images.formats import Found
from adapters.images.unacceptable import ImageUnacceptable
from domain.errors import Unavailable

PART = "image conversion"
NO_PROGRAM = "there is no qemu-img on this machine: install the package qemu-utils"

MEMORY_KIB = 2**20
"""Of address space: a GiB. Conversion of any image needs about a quarter of that."""

PROCESSOR_S, PROCESSOR_S_PER_GIB = 60, 30
"""Several times what decompressing takes on a slow machine."""

LIMITED = (
    'ulimit -c 0 && ulimit -f "$1" && ulimit -v "$2" && ulimit -t "$3" && shift 3 && exec "$@"'
)
"""No core; POSIX, so that it holds before the program starts."""

FILE_BLOCK_BYTES = 512
"""What POSIX's `ulimit -f` counts in."""

QEMU_NAMES = {"vhd": "vpc"}
GIB = 2**30


def installed() -> bool:
    """As of now: it may be installed while we run."""
    return shutil.which("qemu-img") is not None


def limited(disk_bytes: int, *, file_bytes: int = 0) -> list[str]:
    """The beginning of a command that works on a disk of so many bytes, and may write so many into
    any file."""
    processor_s = PROCESSOR_S + PROCESSOR_S_PER_GIB * disk_bytes // GIB
    limits = (-(-file_bytes // FILE_BLOCK_BYTES), MEMORY_KIB, processor_s)
    return ["/bin/sh", "-c", LIMITED, "sh", *map(str, limits)]


def words_of(status: int, said: str) -> str:
    """Why it failed."""
    ended = f"ended by signal {-status}" if status < 0 else "failed"
    return " ".join(said.removeprefix("qemu-img: ").split())[-300:] or ended


def converted(image: OpenFile, found: Found, *, patience_s: float) -> Generator[Piece, None, None]:
    """The disk of an image that `formats.inspect_open` found to be acceptable, in its order; each
    piece is there until the next is asked for. Blocks the thread.

    Raises ImageUnacceptable if qemu-img cannot read it, Unavailable if there is no qemu-img or it
    is silent for `patience_s`.
    """
    ours, its = socket.socketpair()
    with closing(ours):
        with closing(its):
            process = _started(image.fileno(), found, its.fileno())
        try:
            try:
                yield from nbd_target.written(ours, size=found.virtual_size, patience_s=patience_s)
            except (nbd_target.Refused, OSError) as failure:
                if isinstance(failure, TimeoutError):
                    raise Unavailable(part=PART, reason="qemu-img stands still") from None
                _check(process, patience_s)  # its own words say more
                raise ImageUnacceptable(f"qemu-img cannot convert it: {failure}") from None
            _check(process, patience_s)
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stderr
            process.stderr.close()


def _started(image: int, found: Found, connection: int) -> "Popen[str]":
    program = shutil.which("qemu-img")
    if program is None:
        raise Unavailable(part=PART, reason=NO_PROGRAM)
    file = {"driver": "file", "filename": f"/dev/fd/{image}"}
    source: dict[str, Any] = {"driver": QEMU_NAMES.get(found.format, found.format), "file": file}
    if found.format == "qcow2":
        source |= {"backing": None}
    target = f"driver=raw,file.driver=nbd,file.server.type=fd,file.server.str={connection}"
    return Popen(
        [
            *limited(found.virtual_size),
            # In order and no zeros: to a target that is told to be zero they are not written
            *(program, "convert", "-n", "--target-is-zero"),
            *("--target-image-opts", f"json:{json.dumps(source)}", target),
        ],
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        text=True,
        errors="replace",
        pass_fds=[connection, image],
        start_new_session=True,  # to be ended with whatever it started
    )


def _check(process: "Popen[str]", patience_s: float) -> None:
    """Raises ImageUnacceptable with what it said, unless it has succeeded."""
    try:
        _, said = process.communicate(timeout=patience_s)
    except TimeoutExpired:
        raise Unavailable(part=PART, reason="qemu-img does not end") from None
    status = process.returncode
    if status:
        raise ImageUnacceptable(f"qemu-img cannot convert it: {words_of(status, said)}")
