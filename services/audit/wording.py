"""Events in words and as plain data."""

import re
from typing import Any

import msgspec

from domain.aggregates.volume import Placed, Source
from domain.event import Event
from domain.placement import Decision
from domain.quota import TYPED
from services.audit.stored import Entry

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

MOST_REFUSALS = 10
"""How many refused pools one line names."""

SURROUNDING = frozenset({"project_id", "user_id", "reservation_id", "largest_gib", "zones", "most"})
"""Fields that only repeat what is known from elsewhere when an event is read among others."""


def details(event: Event) -> str:
    """What an event carries, in one line: the fields that say something."""
    parts = []
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name == "number":
            parts.append(_placement_number(event, value))
            continue
        if name in SURROUNDING or value is None or value is False or value in ({}, [], ()):
            continue
        parts.append(placement(value) if isinstance(value, Decision) else _said(name, value))
    return ", ".join(part for part in parts if part)


def placement(decision: Decision) -> str:
    """Why the others were not chosen."""
    refused = [v for v in decision.candidates if v.refused_by is not None]
    words = f"{decision.fit} of {decision.considered} pools fit"
    reasons = "; ".join(f"{v.pool}: {v.reason or v.refused_by}" for v in refused[:MOST_REFUSALS])
    if len(refused) > MOST_REFUSALS:
        reasons += f"; … {len(refused) - MOST_REFUSALS} more, see `lapilli why`"
    return f"{words} ({reasons})" if reasons else words


def _placement_number(event: Event, number: int) -> str:
    """Not worth a word as long as the first backend makes it."""
    first = number == 1 and isinstance(event, Placed)
    return "" if first else f"placement {number} of {getattr(event, 'most', number)}"


def plain(entry: Entry) -> dict[str, Any]:
    """An entry for programs."""
    type_name, _, schema_version = entry.topic.rpartition(".v")
    known: dict[str, Any] = {
        "position": entry.position,
        "id": f"{entry.aggregate_id}:{entry.version}",
        "type": type_name,
        "schema_version": int(schema_version) if schema_version.isdigit() else None,
        "aggregate_id": str(entry.aggregate_id),
        "version": entry.version,
    }
    if entry.recorded is None:
        return {**known, "problem": entry.problem}
    moment = entry.recorded.moment
    return {
        **known,
        "time": moment.at,
        "request_id": moment.request_id,
        "user_id": moment.actor.user_id,
        "project_id": moment.actor.project_id,
        "cause": moment.cause,
        "data": msgspec.to_builtins(entry.recorded.event),
    }


def _said(name: str, value: Any) -> str:
    match name, value:
        case "tried", (list() | tuple()):
            return "tried " + "; ".join(f"{each.pool}: {each.reason}" for each in value)
        case "subject", str():
            return f"for {_short(value)}"
        case "size_gib", int():
            return f"{value} GiB"
        case ("amounts", dict()):
            variants = tuple(f"{resource}_" for resource in TYPED)  # they repeat the others
            plain_ones = {k: v for k, v in value.items() if not k.startswith(variants)}
            return " ".join(f"{k} {v}" for k, v in plain_ones.items())
        case ("overs", list()):
            return "; ".join(
                f"{over.resource}: {over.requested} on top of {over.consumed}, limit {over.limit}"
                for over in value
            )
        case _, dict():
            return f"{name} " + " ".join(f"{k}={v}" for k, v in value.items())
        case _, list() | tuple():
            return f"{name} {' '.join(map(str, value))}"
        case "attempt", int():
            return f"attempt {value}"
        case _, Source():
            return f"from {value.kind} {_short(value.id)}"
        case _, msgspec.Struct():
            return _said(name, msgspec.to_builtins(value))
        case _, True:
            return name
        case _, str():
            return f"{name} {_short(value)}"
        case _:
            return f"{name} {value}"


def _short(value: str) -> str:
    """Ids by their first digits; what has blanks in it, in quotes."""
    if _UUID.fullmatch(value):
        return value[:8]
    return repr(value) if not value or " " in value else value
