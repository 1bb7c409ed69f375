"""Real NBD clients, as processes: QEMU's qemu-io and libnbd's nbdinfo, from Debian's packages."""

import asyncio
import os
import random
import shutil
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

PATIENCE_S = 50.0


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips where one of them is not installed."""
    missing = [program for program in programs if not shutil.which(program)]
    reason = f"{', '.join(missing)} not installed (Debian: nbdkit, qemu-utils, libnbd-bin)"
    return pytest.mark.skipif(bool(missing), reason=reason)


def an_address() -> str:
    """A loopback address of one's own, all of whose ports are free: tests run side by side."""
    return f"127.{'.'.join(str(random.randint(1, 254)) for _ in range(3))}"


def only(monkeypatch: pytest.MonkeyPatch, directory: Path, *programs: str) -> None:
    """Let these be the only programs on the path."""
    directory.mkdir(exist_ok=True)
    for program in programs:
        found = shutil.which(program)
        assert found
        (directory / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(directory))


async def _run(*command: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode()


def _qemu_io(uri: str, *options: str) -> list[str]:
    return [_where("qemu-io"), "-f", "raw", *options, uri]


def _where(program: str) -> str:
    """Found when this was imported: a test may have changed the path since."""
    return PROGRAMS[program]


PROGRAMS = {name: shutil.which(name) or name for name in ("qemu-io", "nbdinfo")}


class Refused(Exception):
    """What the client said when it did not succeed."""


async def io(uri: object, *commands: str, read_only: bool = False) -> str:
    """Run commands of qemu-io on a connection of its own. Raises Refused."""
    options = [word for command in commands for word in ("-c", command)]
    status, said = await _run(*_qemu_io(str(uri), *(["-r"] if read_only else []), *options))
    if status or "failed" in said or "error" in said:
        raise Refused(said)
    return said


async def size_bytes(uri: object) -> int:
    """The size that a new connection sees. Raises Refused."""
    status, said = await _run(_where("nbdinfo"), "--size", str(uri))
    if status:
        raise Refused(said)
    return int(said)


class Session:
    """A client that stays connected."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def does(self, command: str) -> str:
        """What qemu-io says to one command that is done in this session. Raises Refused."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin and stdout
        stdin.write(f"{command}\n".encode())
        async with asyncio.timeout(PATIENCE_S):
            await stdin.drain()
            said = (await stdout.readline()).decode()
            if "bytes at offset" in said:
                said += (await stdout.readline()).decode()
        if "failed" in said or "error" in said or not said:
            raise Refused(said)
        return said


@asynccontextmanager
async def session(uri: object) -> AsyncIterator[Session]:
    """A qemu-io that connects once, and is asked one thing after the other."""
    process = await asyncio.create_subprocess_exec(
        *_qemu_io(str(uri)), stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    try:
        connected = Session(process)
        await connected.does("read 0 512")
        yield connected
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def exporting(file: Path) -> list[int]:
    """The processes that have this file among their arguments."""
    return sorted(_exporting(os.fsencode(file)))


def _exporting(file: bytes) -> Iterator[int]:
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                arguments = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if file in arguments:
                yield int(process.name)
