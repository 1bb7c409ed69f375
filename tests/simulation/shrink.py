"""Making a case that fails smaller, as long as it fails the same way."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from tests.simulation.chance import Case
from tests.simulation.run import Outcome

T = TypeVar("T", str, int)

_NAMES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


def sort_of(violation: str) -> str:
    """The violation without ids and numbers, by which another one is known to be the same."""
    return _NAMES.sub("…", violation)[:60]


def shrunk(outcome: Outcome, play: Callable[[Case], Outcome], *, most: int = 200) -> Outcome:
    """The smallest failing case found by leaving things out in at most so many runs: kinds of
    faults first, then wishes, then single faults."""
    return _Shrinking(outcome, play, most).done()


class _Shrinking:
    def __init__(self, outcome: Outcome, play: Callable[[Case], Outcome], most: int) -> None:
        self._best, self._play, self._left = outcome, play, most
        self._sort = sort_of(outcome.violations[0])

    def done(self) -> Outcome:
        kinds = sorted(kind for kind, number in self._best.faults.items() if number)
        self._leave_out(kinds, _without)
        self._leave_out(self._best.wished, _unwished)
        self._leave_out(self._best.struck, _without)
        return self._best

    def _leave_out(self, things: Sequence[T], from_: Callable[[Case, Sequence[T]], Case]) -> None:
        """Halves first, then ever smaller parts, until single ones."""
        left = list(things)
        size = max(1, len(left) // 2)
        while left and self._left > 0:
            for part in list(_parts(left, size)):
                if self._fails(from_(self._best.case, part)):
                    left = [each for each in left if each not in part]
            if size == 1:
                return
            size = max(1, size // 2)

    def _fails(self, case: Case) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        outcome = self._play(case)
        fails = self._sort in map(sort_of, outcome.violations)
        if fails:
            self._best = outcome
        return fails


def _parts(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (things[start : start + size] for start in range(0, len(things), size))


def _without(case: Case, names: Sequence[str]) -> Case:
    return msgspec.structs.replace(case, without=case.without | {*names})


def _unwished(case: Case, numbers: Sequence[int]) -> Case:
    return msgspec.structs.replace(case, unwished=case.unwished | {*numbers})
