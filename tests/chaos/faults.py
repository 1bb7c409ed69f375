"""Which faults there are in a run, and when: a seed draws all of them beforehand."""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from math import inf

import msgspec

from tests.chaos.deployment import Stricken
from tests.chaos.strikes import ALL, KINDS, NotThere, who

PAUSE_S = 2.0
"""Between the beginnings of two faults, on average."""
USUAL_S, LONGEST_S = 2.5, 20.0
LOOK_AGAIN_S = 0.3
"""When something cannot be over yet."""


class Fault(msgspec.Struct, frozen=True):
    """One, as it was drawn."""

    at_s: float
    kind: str
    where: str
    lasts_s: float


def drawn(seed: int, seconds: float, *, networked: bool) -> list[Fault]:
    """The faults of so many seconds, in order."""
    chance = random.Random(f"{seed} faults")
    kinds = {name: kind for name, kind in KINDS.items() if networked or not kind.networked}
    names, weights = list(kinds), [kind.often for kind in kinds.values()]
    faults: list[Fault] = []
    now = 0.0
    while True:
        now += chance.expovariate(1 / PAUSE_S)
        if now > seconds:
            return faults
        [kind] = chance.choices(names, weights)
        where = chance.choice(kinds[kind].where)
        lasts_s = min(LONGEST_S, 0.1 + chance.expovariate(1 / USUAL_S))
        faults.append(Fault(now, kind, where, lasts_s))


class Playing:
    """Makes faults happen in their time, and ends them."""

    def __init__(self, on: Stricken, tell: Callable[[str], None]) -> None:
        self.struck: Counter[str] = Counter()
        """How many there were of each kind."""
        self._on = on
        self._tell = tell
        self._open: list[_Struck] = []

    def play(self, faults: Sequence[Fault]) -> None:
        """Returns when all of them are over; those that cannot begin are passed over.

        Raises AssertionError if a process ends that nobody struck.
        """
        began = time.monotonic()
        waiting = deque(faults)
        while waiting or self._open:
            first = min(self._open, key=lambda each: each.until_s, default=None)
            begins_s = waiting[0].at_s if waiting else inf
            ends_s = first.until_s if first else inf
            time.sleep(max(0.0, min(begins_s, ends_s) - (time.monotonic() - began)))
            if first and ends_s <= begins_s:
                if (waiting or self._open != [first]) and not self._may_end(first):
                    first.until_s = time.monotonic() - began + LOOK_AGAIN_S
                else:
                    self._end(first)
            else:
                self._begin(waiting.popleft(), now_s=time.monotonic() - began)

    def _begin(self, fault: Fault, *, now_s: float) -> None:
        self._check_nothing_ended()
        kind = KINDS[fault.kind]
        try:
            name = who(self._on, fault.where)
            if any(each.name == name and each.networked == kind.networked for each in self._open):
                raise NotThere(f"{name} is struck already")
            strike = kind.strike(self._on, name)
            strike.__enter__()
        except NotThere as nobody:
            self._tell(f"passed over: {fault.kind} ({fault.where}): {nobody}")
            return
        led = f", {fault.where}" if name != fault.where else ""
        self._tell(f"{fault.kind}: {name}{led}, for {fault.lasts_s:.1f} s")
        self.struck[fault.kind] += 1
        self._open.append(
            _Struck(
                name=name,
                kind=fault.kind,
                networked=kind.networked,
                until_s=now_s + fault.lasts_s,
                strike=strike,
            )
        )

    def _may_end(self, struck: "_Struck") -> bool:
        return KINDS[struck.kind].may_end(self._on, struck.name)

    def _end(self, struck: "_Struck") -> None:
        struck.strike.__exit__(None, None, None)
        self._open.remove(struck)
        self._tell(f"over: {struck.kind}: {struck.name}")

    def _check_nothing_ended(self) -> None:
        struck = {each.name for each in self._open if not each.networked}
        for name, program in self._on.programs.items():
            assert program.running or name in struck, f"{name} ended:\n{program.log_tail(60)}"
        for name, broker in self._on.cluster.brokers.items():
            assert broker.running or struck & {name, ALL}, f"{name} ended: see {broker.log}"


class _Struck(msgspec.Struct, kw_only=True, eq=False):
    """A fault that is not over."""

    name: str
    kind: str
    networked: bool
    until_s: float
    strike: AbstractContextManager[None]
