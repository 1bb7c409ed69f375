"""Running a case to its end: trouble first, then calm, and then everything must be as it should."""

import asyncio
import gc
import sqlite3
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import AbstractContextManager, suppress
from functools import cache
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import msgspec
import structlog

from services.processes import uploading
from tests.simulation import verdict
from tests.simulation.chance import Case
from tests.simulation.clients import client
from tests.simulation.loop import Livelock
from tests.simulation.processes import Process
from tests.simulation.world import World, template

CLIENTS = 4
WISHES = 25
"""Of each client."""

SENT_BYTES = 4_096
"""Of each GiB of a volume that becomes an image: more than any volume holds here."""

LOOK_S = 5.0
REST_S = 600.0
"""Some of the longest deadlines, after which everything is at rest."""

AWAY_S = 90.0
"""Longer than all deadlines that one thing can miss, one after the other."""

SWEEP_S = 3_700.0
"""Longer than leftovers may stay where they are (services/processes/sweep.py)."""


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a run."""

    case: Case
    violations: list[str]
    story: list[str]
    struck: list[str]
    """Every fault, as `<kind>:<number>`."""
    wished: list[int]
    """The numbers of all wishes."""
    commands: Counter[str]
    """Done, by name."""
    events: int
    simulated_s: float
    cpu_s: float = 0.0

    @property
    def faults(self) -> Counter[str]:
        """By kind."""
        return Counter(name.partition(":")[0] for name in self.struck)

    @property
    def digest(self) -> str:
        """Two runs that have the same one were the same in everything that was told of them."""
        return sha256("\n".join(self.story).encode()).hexdigest()[:16]


def run(case: Case, *, wishes: int = WISHES) -> Outcome:
    """Plays the case. The same case has the same outcome."""
    began, collecting, before = time.process_time(), gc.isenabled(), structlog.get_config()
    gc.disable()  # what is collected when must not depend on what was run before
    try:
        with tempfile.TemporaryDirectory() as directory, _small_gib():
            outcome = _played(case, wishes, directory)
    finally:
        asyncio.set_event_loop(None)
        structlog.configure(processors=[_unheard])
        _bury()
        structlog.configure(**before)
        if collecting:
            gc.enable()
    outcome.cpu_s = time.process_time() - began
    return outcome


def _small_gib() -> AbstractContextManager[Any]:
    """An upload sends every byte of a volume: there are only so few to each GiB here."""
    return patch.object(uploading, "GIB", SENT_BYTES)


def _played(case: Case, wishes: int, directory: str) -> Outcome:
    views = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    _template().backup(views)
    world = World(case, views=views, directory=directory)
    structlog.configure(processors=[_into(world)], cache_logger_on_first_use=False)
    asyncio.set_event_loop(world.loop)
    world.loop.set_exception_handler(lambda loop, context: None)
    try:
        with suppress(_Over):
            world.loop.run_until_complete(_whole(world, wishes))
    except Livelock as livelock:
        world.violated(f"livelock: {livelock}")
    return _outcome(world)


def _outcome(world: World) -> Outcome:
    done = Counter(
        type(asked.command).__name__
        for asked in world.history.asked
        if asked.until is not None and asked.refusal is None
    )
    return Outcome(
        case=world.case,
        violations=list(world.violations),
        story=list(world.story),
        struck=world.chances.struck,
        wished=world.wished,
        commands=done,
        events=len(world.store._log),
        simulated_s=world.loop.now_s,
    )


def _unheard(logger: Any, method: str, entry: structlog.types.EventDict) -> str:
    """What the dead say."""
    raise structlog.DropEvent


def _bury() -> None:
    """Lets go of all that still hangs somewhere: the ends of its blocks have nobody to tell."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings(action="ignore"):
            gc.collect()
    finally:
        sys.unraisablehook = hook


class _Over(Exception):
    """There is a violation: whatever follows may follow from it."""


async def _whole(world: World, wishes: int) -> None:
    await world.has_images()
    for process in world.processes:
        process.start()
    befalling = asyncio.create_task(world.befall())
    clients = [asyncio.create_task(client(world, n, wishes)) for n in range(CLIENTS)]
    while not all(each.done() for each in clients):
        await asyncio.sleep(LOOK_S)
        _check(world)
    for each in clients:
        each.result()
    befalling.cancel()
    left = world.left()
    world.tell("CALM")
    world.calm_down()
    await _without(left, world)
    await _until_rest(world)
    world.tell("AN HOUR LATER")
    world.loop.jump(SWEEP_S)
    await asyncio.sleep(60.0)
    await _until_rest(world)
    for restless in _unrest(world):
        world.violated(f"never at rest: {restless}")
    _check(world)
    for wrong in await verdict.wrongs(world):
        world.violated(wrong)


async def _without(left: list[Process], world: World) -> None:
    """Whatever waits for who is away is given up. Then they come back."""
    if not left:
        return
    for process in left:
        process.leave()
    for _ in range(int(AWAY_S / LOOK_S)):
        await asyncio.sleep(LOOK_S)
        _check(world)
    for missed in verdict.overdue(world):
        world.violated(missed)
    for process in left:
        process.come_back()


async def _until_rest(world: World) -> None:
    """Time passes until nothing is owed to anybody. An operator retries what was parked."""
    until = world.loop.now_s + REST_S
    while world.loop.now_s < until:
        await asyncio.sleep(LOOK_S)
        _check(world)
        for parked in await world.bus.parked():
            world.tell(f"operator retries {parked.consumer} {parked.subject}: {parked.error}")
            await world.bus.retry_parked(parked.id)
        if not _unrest(world):
            return


def _unrest(world: World) -> list[str]:
    """What still has to happen."""
    replay = world.watch.replay
    found = [f"{each.kind} {each.id} is {each.state}" for each in replay.restless()]
    if not all(process.machine.alive for process in world.processes):
        found.append("not all processes run")
    position = world.bus._broker.log.end[0]
    if position != len(world.store._log):
        found.append(f"the stream ends at {position}, the log at {len(world.store._log)}")
    return found + verdict.behind(world)


def _check(world: World) -> None:
    if world.violations:
        raise _Over


def _into(world: World) -> structlog.types.Processor:
    """What our processes log is part of the story."""

    def tell(logger: Any, method: str, entry: structlog.types.EventDict) -> str:
        if method not in ("debug", "info"):
            said = " ".join(f"{k}={v}" for k, v in entry.items() if k not in ("event", "exc_info"))
            world.tell(f"log: {entry['event']} {said}")
        raise structlog.DropEvent

    return tell


@cache
def _template() -> sqlite3.Connection:
    made = template()
    gc.collect()
    gc.freeze()  # what is there now stays: looking through it after every run only costs time
    return made
