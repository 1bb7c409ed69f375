"""The decision itself: every pool is filtered, those left are weighed, the best one wins."""

from collections.abc import Mapping, Sequence

import msgspec

from domain.placement.capacity import NOTHING, ceiling_gib
from domain.placement.decision import Decision, Verdict, told, why_none
from domain.placement.filters import ALWAYS, FILTERS, Promised, Refuses
from domain.placement.pool import Pool
from domain.placement.request import Request, Rules
from domain.placement.weighers import WEIGHERS, scaled

DEFAULT_RULES = Rules()
NONE_PROMISED: Promised = {}

CLOSED = "ServiceFilter"
"""Who refuses the pools of backends that administrators closed, whatever is enabled."""


def place(
    pools: Sequence[Pool],
    request: Request,
    *,
    rules: Rules = DEFAULT_RULES,
    promised: Promised = NONE_PROMISED,
    closed: Mapping[str, str] = {},
) -> Decision:
    """The pool of the greatest weight that every filter passes; ties keep the order of pools.

    `promised` is what the log says is promised on pools already, `closed` why nothing new can go
    to a backend (host@backend).
    """
    filters = _prepared(request, rules, promised)
    if closed:
        filters.insert(0, (CLOSED, lambda pool: closed.get(pool.backend)))
    groups: dict[str, list[int]] = {"": []}
    reasons: dict[int, str] = {}
    for index, pool in enumerate(pools):
        for name, refuses in filters:
            reason = refuses(pool)
            if reason is not None:
                groups.setdefault(name, []).append(index)
                reasons[index] = reason
                break
        else:
            groups[""].append(index)
    fit = [pools[index] for index in groups[""]]
    raws, totals = _weighed(fit, request, rules, promised)
    near = request.origin or request.supply
    own = near.pool if near is not None else None
    ranked = sorted(  # stable: first wins; staying costs nothing, and copying the least there
        range(len(fit)), key=lambda i: (fit[i].name == own, totals[i]), reverse=True
    )
    rank = {groups[""][place]: place for place in ranked}
    kept, untold = told({**groups, "": list(rank)})
    refused_by = {index: name for name, indexes in groups.items() if name for index in indexes}

    def verdict(index: int) -> Verdict:
        pool, place = pools[index], rank.get(index)
        if place is None:
            by, reason = refused_by[index], reasons[index]
            return Verdict(pool=pool.name, zone=pool.zone, refused_by=by, reason=reason)
        weight, raw = round(totals[place], 6), [raw[place] for raw in raws]
        return Verdict(pool=pool.name, zone=pool.zone, weight=weight, raw=raw)

    candidates = [verdict(index) for index in kept]
    decision = Decision(candidates=candidates, request=request, untold=untold)
    if not fit:
        return msgspec.structs.replace(decision, reason=why_none(candidates, of=len(pools)))
    best = fit[ranked[0]]
    given = promised.get(best.name, NOTHING).gib
    return msgspec.structs.replace(
        decision,
        chosen=verdict(groups[""][ranked[0]]),
        weighers=list(rules.weighers),
        ceiling_gib=ceiling_gib(best, given, thick=request.wants_thick),
    )


def _prepared(request: Request, rules: Rules, promised: Promised) -> list[tuple[str, Refuses]]:
    names = dict.fromkeys((*ALWAYS, *rules.filters))
    made = ((name, FILTERS[name](request, promised)) for name in names)
    return [(name, refuses) for name, refuses in made if refuses is not None]


def _weighed(
    pools: Sequence[Pool], request: Request, rules: Rules, promised: Promised
) -> tuple[list[list[float]], list[float]]:
    """What each weigher says of each pool, and the sum of the scaled weights of each pool."""
    totals = [0.0] * len(pools)
    if not pools:
        return [], totals
    raws = [WEIGHERS[name](pools, request, promised) for name in rules.weighers]
    for raw, multiplier in zip(raws, rules.weighers.values(), strict=True):
        totals = [total + multiplier * s for total, s in zip(totals, scaled(raw), strict=True)]
    return raws, totals
