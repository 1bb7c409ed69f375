"""Other processes at the same database: they race, flood it until they are killed, or kill
themselves at a chosen step.

Usage: python -m tests.adapters.event_store.other_process create|race|flood|die URL [NUMBER]
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.adapters.event_store.contract import created, outcomes, renamed
from tests.adapters.event_store.databases import held_writer, sql_store

GROUP = 3
"""How many commands share the transaction in which a process dies."""


def at_the_start() -> None:
    """Waits for the others."""
    print("ready", flush=True)
    sys.stdin.readline()


async def create(url: str) -> None:
    store = sql_store(url)
    with store._engine.connect():  # so that nothing but the creating is left to do
        pass
    at_the_start()
    store.create_tables()
    await store.close()
    print("created")


async def race(url: str, number: int) -> None:
    """Creates 40 volumes of its own, and one that everybody wants to rename."""
    store = sql_store(url)
    at_the_start()
    own = range(number * 1000, number * 1000 + 40)
    answers = await asyncio.gather(
        *(store.append(created(i)) for i in own),
        store.append(renamed(1, name=f"by {number}")),
        return_exceptions=True,
    )
    await store.close()
    print(*outcomes(answers))


async def flood(url: str) -> None:
    """Creates volumes for ever, ten at a time, and tells of each one once it is stored."""
    store = sql_store(url)
    for first in count(1, 10):
        tens = range(first, first + 10)
        await asyncio.gather(*(store.append(created(i, project_id=f"p{i}")) for i in tens))
        print(*tens, flush=True)


def die(url: str) -> None:
    """Stores a group as often as it has steps, killed one step later each time; tells how often."""
    for step in count():
        child = os.fork()  # this process has no threads and no connections: forking it is safe
        if child == 0:
            asyncio.run(_group(url, step))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            continue
        if status:
            raise SystemExit(f"step {step}: status {status}")
        print(step)
        return


async def _group(url: str, step: int) -> None:
    store = sql_store(url)
    numbers = range(step * 100 + 1, step * 100 + 1 + GROUP)
    with held_writer(store) as held:
        appends = [asyncio.create_task(store.append([]))]  # makes the writer stand there
        await held.standing()
        appends += [
            asyncio.create_task(store.append(created(i, project_id=f"p{i}"))) for i in numbers
        ]
        await asyncio.sleep(0)
        _kill_at(step, store._engine.dialect)
        held.let_go()
        await asyncio.gather(*appends)


def _kill_at(step: int, dialect: Any) -> None:
    """Lets this process be killed before its step-th statement or commit, or after a commit."""
    taken = count()

    def passed() -> None:
        if next(taken) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def step_by_step(*arguments: Any, **keywords: Any) -> Any:
            passed()
            answer = call(*arguments, **keywords)
            if call.__name__ == "do_commit":
                passed()
            return answer

        return step_by_step

    for name in ("do_execute", "do_executemany", "do_commit"):
        setattr(dialect, name, watched(getattr(dialect, name)))


def main(role: str, url: str, number: str = "0") -> None:
    match role:
        case "create":
            asyncio.run(create(url))
        case "race":
            asyncio.run(race(url, int(number)))
        case "flood":
            asyncio.run(flood(url))
        case "die":
            die(url)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
