"""A run in words and numbers, for the page and for the terminal."""

from collections import Counter
from collections.abc import Mapping

from tests.chaos.run import Outcome
from tests.chaos.strikes import KINDS

MEANINGS: Mapping[str, str] = {"2": "accepted", "4": "refused", "5": "failed", "0": "no answer"}
"""By the first digit of their status."""


def text(outcome: Outcome) -> str:
    """As a section of the page."""
    case, verdict = outcome.case, outcome.verdict
    asked: dict[str, Counter[str]] = {}
    for key, times in outcome.answers.items():
        wish, _, status = key.rpartition(" ")
        asked.setdefault(wish, Counter())[MEANINGS.get(status[0], "other")] += times
    where = "with a network between them" if case.networked else "on loopback, with no network"
    lines = [
        f"The last long run: {case.seconds:,.0f} seconds of faults, drawn from seed {case.seed},"
        f" {where}; {sum(outcome.faults.values()):,} faults,"
        f" {sum(outcome.answers.values()):,} requests of {case.clients} clients at a time,"
        f" {verdict.events:,} events. All was at rest {verdict.rested_s:.0f} s after the last"
        f" request, {verdict.parked} messages had to be given back by an operator.",
        f"{len(verdict.violations)} promises were broken.",
        "",
        "| fault | times |",
        "| --- | ---: |",
        *(f"| {kind} | {outcome.faults[kind]:,} |" for kind in KINDS),
        "",
        f"| wish, and looking what became of it | {' | '.join(MEANINGS.values())} |",
        f"| --- |{' ---: |' * len(MEANINGS)}",
        *(
            f"| {wish} | {' | '.join(f'{count[each]:,}' for each in MEANINGS.values())} |"
            for wish, count in sorted(asked.items())
        ),
    ]
    lines += ["", *(f"- {violation}" for violation in verdict.violations)]
    return "\n".join(lines).rstrip()
