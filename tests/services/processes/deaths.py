"""Letting processes die at every point of their work, one after the other."""

from collections.abc import Awaitable, Callable
from itertools import count

from tests.services.processes.ring import Ring
from tests.support.around import Crash, Life

Given = Callable[[], Awaitable[Ring]]
Then = Callable[[Ring], Awaitable[None]]


async def die_everywhere(given: Given, then: Then) -> list[str]:
    """A process dies at each point in turn, and another one goes on; the points."""
    points: list[str] = []
    for end in count():
        died_at = await _outlive(given, then, end)
        if not died_at:
            return points
        points += died_at
    raise AssertionError


async def die_everywhere_twice(given: Given, then: Then) -> int:
    """The one that goes on dies as well, at each point in turn; how many pairs there are."""
    pairs = 0
    for first in count():
        for second in count():
            died_at = await _outlive(given, then, first, second)
            if len(died_at) < 2:
                break
            pairs += 1
        if not died_at:
            return pairs
    raise AssertionError


async def _outlive(given: Given, then: Then, *ends: int) -> list[str]:
    """Lives that end so, then one that does not. Where they ended: fewer if the work was done."""
    ring, died_at = await given(), list[str]()
    for number, end in enumerate(ends):
        life = Life(ends_at=end)
        try:
            await ring.go_on(ring.process(f"worker-{number}", life=life))
            break
        except Crash as crash:
            died_at.append(str(crash))
    await ring.go_on(ring.process("survivor"))
    try:
        await then(ring)
    except AssertionError as broken:
        broken.add_note(f"died at {list(zip(ends, died_at, strict=False))}")
        raise
    return died_at
