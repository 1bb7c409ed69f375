"""Killing a real process at every step of what it does to files, one step later each time."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[2]

STEPS = [
    "open",
    "mkdir",
    "ftruncate",
    "copy_file_range",
    "write",
    "pwrite",
    "fdatasync",
    "fsync",
    "close",
    "rename",
    "unlink",
    "rmdir",
]


@asynccontextmanager
async def other_process(module: str, *arguments: object) -> AsyncIterator[Process]:
    """`python -m module`, with its standard input and output; killed in the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, arguments), stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: Process) -> str:
    """The next line of its output."""
    assert process.stdout
    return (await process.stdout.readline()).decode().strip()


async def killed_at_every_step(
    module: str, operation: str, root: Path, *, least: int = 5
) -> list[Path]:
    """The directories left by processes killed before the first, second, … and no step: of a module
    that does `die_everywhere` when told `die`."""
    async with other_process(module, "die", operation, root) as process:
        steps = int(await said(process))
        assert await process.wait() == 0
    assert steps >= least
    return [root / str(step) for step in range(steps + 1)]


def before_every_step(act: Callable[[str], None]) -> None:
    """Have `act` called, with its name, before each call that can change a file."""

    def announced(name: str):
        call = getattr(os, name)

        def step(*arguments, **keywords):
            act(name)
            return call(*arguments, **keywords)

        return step

    for name in STEPS:
        setattr(os, name, announced(name))


def die_at(step: int) -> None:
    """Let this process be killed, as by kill -9, before the given step (counted from 0)."""
    taken = count()

    def act(name: str) -> None:
        if next(taken) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    before_every_step(act)


def die_everywhere(root: Path, drive: Callable[[Path, int], None]) -> None:
    """Drive root/0, root/1, …, each killed at its step, until one has no such step; print it."""
    for step in count():
        directory = root / str(step)
        directory.mkdir(parents=True)
        child = os.fork()  # this process has no threads yet, so forking it is safe
        if child == 0:
            drive(directory, step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            continue
        if status:
            raise SystemExit(f"step {step}: status {status}")
        print(step)
        return
