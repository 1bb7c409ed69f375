"""Many seeds at once, what came of them, and how soon deliberate bugs are found."""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import inf

import msgspec

from services.commands import HANDLERS
from tests.simulation.bugs import BUGS, RARE
from tests.simulation.chance import LIKELY, Case
from tests.simulation.run import Outcome, run
from tests.simulation.shrink import sort_of
from tests.simulation.wishes import ELSEWHERE

RUNS, FOUND = "simulation", "bugs"
"""The parts of the page that are written by this tool."""


class Tally(msgspec.Struct, kw_only=True):
    """What came of a campaign."""

    first: int
    jobs: int
    seeds: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    simulated_s: float = 0.0
    events: int = 0
    wishes: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    commands: Counter[str] = msgspec.field(default_factory=Counter)
    failed: list[tuple[int, str]] = []
    """Seeds with the first promise that each broke."""

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.cpu_s += outcome.cpu_s
        self.simulated_s += outcome.simulated_s
        self.events += outcome.events
        self.wishes += len(outcome.wished)
        self.faults += outcome.faults
        self.commands += outcome.commands
        if outcome.violations:
            self.failed.append((outcome.case.seed, outcome.violations[0][:300]))

    @property
    def never_done(self) -> list[str]:
        """Commands that succeeded in no run."""
        return sorted(
            {each.__name__ for each in HANDLERS.keys() - ELSEWHERE} - self.commands.keys()
        )

    @property
    def text(self) -> str:
        """As a section of the page."""
        each = 1_000 / self.seeds
        lines = [
            f"The last long run played {self.seeds} seeds, from {self.first} on:"
            f" {self.simulated_s / 3600:,.0f} simulated hours, {self.wishes:,} wishes of clients,"
            f" {sum(self.commands.values()):,} commands done, {self.events:,} events,"
            f" {sum(self.faults.values()):,} faults.",
            f"{len(self.failed)} of them broke a promise."
            f" 1,000 seeds take {self.cpu_s * each / 60:.0f} minutes of one processor; these took"
            f" {self.wall_s / 60:.0f} minutes in {self.jobs} processes, on a machine that had more"
            " or less else to do.",
            "",
            "| fault | times |",
            "| --- | ---: |",
            *(f"| {kind} | {self.faults[kind]:,} |" for kind in LIKELY),
            "",
            f"Commands that were never done: {', '.join(self.never_done) or 'none'}.",
        ]
        for seed, violation in self.failed:
            lines += ["", f"- `{again(Case(seed=seed))}`", f"  {violation}"]
        return "\n".join(lines)


def again(case: Case) -> str:
    """The command that plays it again."""
    plain = case == Case(seed=case.seed)
    what = f"--seed {case.seed}" if plain else f"--case '{case.text}'"
    return f".venv/bin/python -m tests.simulation {what}"


def played(seeds: Sequence[int], *, jobs: int | None = None, most_s: float = inf) -> Tally:
    """All of them, or as many as there is time for, in so many processes (None: one a
    processor)."""
    tally = Tally(first=seeds[0], jobs=jobs or os.cpu_count() or 1)
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(tally.jobs) as pool:
        for outcome in pool.imap(_played, seeds):
            tally.add(outcome)
            if outcome.violations:
                print(f"{again(outcome.case)}\n  {outcome.violations[0][:300]}", flush=True)
            if time.perf_counter() - began > most_s:
                break
    tally.wall_s = time.perf_counter() - began
    tally.failed.sort()
    return tally


def _played(seed: int) -> Outcome:
    outcome = run(Case(seed=seed))
    outcome.story = []  # too long to be sent; the seed tells it again
    return outcome


def found_within(name: str, *, first: int, most: int) -> tuple[int, str] | None:
    """How many seeds it takes until the bug is found, and what it breaks; None if it is not. What
    a seed breaks without the bug as well is not the bug's."""
    for number in range(1, most + 1):
        case = Case(seed=first + number - 1)
        with {**BUGS, **RARE}[name]():
            broken = run(case).violations
        if broken and not run(case).violations:
            return number, broken[0]
    return None


class Hunt(msgspec.Struct):
    """How soon each deliberate bug was found: after how many seeds, and what it broke."""

    first: int
    most: int
    found: dict[str, tuple[int, str] | None] = {}

    @property
    def text(self) -> str:
        """As a section of the page."""
        number = sum(each is not None for each in self.found.values())
        return "\n".join(
            [
                f"{number} of {len(self.found)} deliberate bugs were found within {self.most}"
                f" seeds each, from {self.first} on; in CI, all of the first {len(BUGS)}.",
                "",
                "| bug | found after seeds | by |",
                "| --- | ---: | --- |",
                *(f"| {name} | {_said(self.found[name])} |" for name in (*BUGS, *RARE)),
            ]
        )


def _said(found: tuple[int, str] | None) -> str:
    if found is None:
        return "not found | "
    number, violation = found
    return f"{number} | {sort_of(violation).replace('|', ' ').strip()}"


def hunted(*, first: int, most: int, jobs: int | None = None) -> Hunt:
    """Looks for each deliberate bug in so many seeds at most."""
    hunt = Hunt(first=first, most=most)
    looking = partial(_looked, first=first, most=most)
    with multiprocessing.get_context("spawn").Pool(jobs or os.cpu_count() or 1) as pool:
        for name, found in pool.imap_unordered(looking, [*BUGS, *RARE]):
            hunt.found[name] = found
            print(f"{name}: {'NOT FOUND' if found is None else found}", flush=True)
    return hunt


def _looked(name: str, *, first: int, most: int) -> tuple[str, tuple[int, str] | None]:
    return name, found_within(name, first=first, most=most)
