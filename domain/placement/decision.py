"""The outcome of a placement, with everything it was made from."""

from collections.abc import Mapping, Sequence
from itertools import chain, islice, zip_longest

import msgspec

from domain.placement.request import Request

MOST_TOLD = 200
"""Candidates told one by one; a decision among more counts the others, or the log would drown."""

MOST_IN_A_SENTENCE = 20


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was thought of one pool: its weight, or who refused it and why."""

    pool: str
    zone: str
    weight: float = 0.0
    """The sum over the weighers: each raw weight scaled to 0…1, times its multiplier."""
    raw: list[float] = []
    """What each weigher said, in the order of the decision's `weighers`."""
    refused_by: str | None = None
    reason: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of a placement with everything it was made from."""

    candidates: list[Verdict]
    chosen: Verdict | None = None
    reason: str = ""
    request: Request | None = None
    """None in decisions of the time before it was kept."""
    weighers: list[str] = []
    ceiling_gib: float | None = None
    """All that may be promised on the chosen pool, this volume included; None: no limit."""
    untold: dict[str, int] = {}
    """How many more there were: by the filter that refused them, "" for those that fit."""

    @property
    def fit(self) -> int:
        """How many pools could have taken it."""
        return sum(v.refused_by is None for v in self.candidates) + self.untold.get("", 0)

    @property
    def considered(self) -> int:
        """How many pools there were."""
        return len(self.candidates) + sum(self.untold.values())


def told(groups: Mapping[str, Sequence[int]]) -> tuple[list[int], dict[str, int]]:
    """The candidates worth keeping one by one, and how many others there are of each group.

    Each group comes with its best first; they take turns.
    """
    if sum(map(len, groups.values())) <= MOST_TOLD:
        return sorted(chain.from_iterable(groups.values())), {}
    turns = chain.from_iterable(zip_longest(*groups.values()))
    kept = set(islice((index for index in turns if index is not None), MOST_TOLD))
    untold = {name: sum(i not in kept for i in indexes) for name, indexes in groups.items()}
    return sorted(kept), {name: number for name, number in untold.items() if number}


def why_none(verdicts: Sequence[Verdict], *, of: int) -> str:
    """A sentence for whoever asked; `of` is how many there were."""
    if not verdicts:
        return "No backend is available."
    refusals = [f"{v.pool} {v.reason} ({v.refused_by})" for v in verdicts[:MOST_IN_A_SENTENCE]]
    if of > len(refusals):
        refusals.append(f"and {of - len(refusals)} more")
    return f"No backend can take it: {'; '.join(refusals)}."
