"""What goes wrong, how often, and when: drawn from a seed, told, and left out at will."""

import random
from collections import Counter
from collections.abc import Callable

import msgspec

LIKELY: dict[str, float] = {
    # of every call of the store
    "store conflicts": 0.05,
    "store does not answer": 0.03,
    "store's answer is lost": 0.03,
    "store is slow": 0.03,
    # of every call of the bus, or message
    "bus does not answer": 0.03,
    "bus's answer is lost": 0.03,
    "bus is slow": 0.03,
    "signal is lost": 0.3,
    "ack is lost": 0.2,
    "message is delayed": 0.1,
    "message is delivered to another at the same time": 0.3,
    "messages are reordered": 0.3,
    # of every call of a driver
    "driver is slow": 0.2,
    "driver fails": 0.2,
    "driver fails half-way": 0.2,
    "driver fails after all": 0.2,
    "driver hangs": 0.05,
    "driver dies before": 0.05,
    "driver dies half-way": 0.05,
    "driver dies after": 0.05,
    # of every call of the key manager
    "key manager does not answer": 0.1,
    "key manager's answer is lost": 0.1,
    "key manager is slow": 0.1,
    "key manager refuses": 0.03,
    # of every call of the image service, and every chunk of an image
    "image service does not answer": 0.1,
    "image service's answer is lost": 0.1,
    "image service is slow": 0.1,
    "image arrives damaged": 0.1,
    # of every call of the views' database
    "views do not answer": 0.01,
    "views are slow": 0.03,
    # of every call of anything
    "process dies on the way there": 0.005,
    "process dies on the way back": 0.005,
    # of every second
    "process dies": 0.15,
    "process stands still": 0.15,
    "store is down": 0.02,
    "bus is down": 0.02,
    "key manager is down": 0.02,
    "image service is down": 0.02,
    "stream is lost": 0.03,
    "notifications are lost": 0.01,
    "clock jumps": 0.05,
    # once, at the end
    "backend stays away": 0.5,
}
"""The most likely that each kind of fault is in any run."""


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run, exactly: the same case is the same run, on any machine.

    What a seed draws can be left out, to find out what matters: whole kinds of faults, single
    faults (`<kind>:<number>`), and single wishes of clients by their numbers.
    """

    seed: int
    without: frozenset[str] = frozenset()
    unwished: frozenset[int] = frozenset()

    @property
    def text(self) -> str:
        return msgspec.json.encode(self, order="deterministic").decode()


class Chances:
    """Every kind of fault has a probability of its own in this run, which may be none.

    Each kind draws from numbers of its own, so that leaving one out leaves the others be.
    """

    def __init__(self, case: Case, tell: Callable[[str], None]) -> None:
        self._case = case
        self._tell = tell
        self.calm = False
        """Nothing goes wrong any more."""
        self.struck: list[str] = []
        """Each fault, as `<kind>:<number>`."""
        self._drawn: Counter[str] = Counter()
        self._randoms = {kind: random.Random(f"{case.seed} {kind}") for kind in LIKELY}
        self.likely = {kind: self._drawn_for(kind, most) for kind, most in LIKELY.items()}
        self.times = random.Random(f"{case.seed} times")
        self.order = random.Random(f"{case.seed} order")

    def _drawn_for(self, kind: str, most: float) -> float:
        number = self._randoms[kind].random()
        return 0.0 if kind in self._case.without or number < 0.3 else most * (number - 0.3) / 0.7

    def strikes(self, kind: str, where: str) -> bool:
        """Whether this goes wrong here and now."""
        if self.calm or self._randoms[kind].random() >= self.likely[kind]:
            return False
        self._drawn[kind] += 1
        name = f"{kind}:{self._drawn[kind]}"
        if name in self._case.without:
            return False
        self.struck.append(name)
        self._tell(f"FAULT {name} ({where})")
        return True

    def latency_s(self) -> float:
        """Mostly short."""
        number = self.times.random()
        return 0.0002 + 0.02 * number * number * number

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.times.random()
