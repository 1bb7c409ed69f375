"""Any event of any declared type, for hypothesis."""

import types
from datetime import UTC, datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from domain.aggregates import AGGREGATES
from domain.event import Actor, Event, Moment, Recorded, event_types

_NUMBERS = st.integers(min_value=-(2**53), max_value=2**53)
_WORDS = st.text(max_size=20)
_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    int: _NUMBERS,
    str: _WORDS,
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
    datetime: _TIMES,
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, among those that JSON can carry."""
    if kind is Any:
        return st.none() | st.booleans() | _NUMBERS | _WORDS | st.lists(_WORDS, max_size=3)
    if kind in _LEAVES:
        return _LEAVES[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = get_type_hints(kind)
        names = [field.name for field in msgspec.structs.fields(kind)]
        return st.builds(kind, **{name: values(fields[name]) for name in names})
    inner = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of(*map(values, inner))
    if get_origin(kind) is Literal:
        return st.sampled_from(inner)
    if get_origin(kind) is list:
        return st.lists(values(inner[0]), max_size=3)
    if get_origin(kind) is dict:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=3)
    raise TypeError(f"no values for {kind}: teach tests/domain/strategies.py")


def moments() -> st.SearchStrategy[Moment]:
    """Any time in UTC, any actor, with and without a cause."""
    actors = st.builds(Actor, _WORDS, _WORDS)
    causes = st.none() | st.text(min_size=1, max_size=20)
    return st.builds(Moment, at=_TIMES, request_id=_WORDS, actor=actors, cause=causes)


def recorded(event: st.SearchStrategy[Event] | None = None) -> st.SearchStrategy[Recorded[Event]]:
    """An event (of any type) somewhere in the log."""
    return st.builds(
        Recorded,
        aggregate_id=st.uuids(),
        version=st.integers(1, 10_000),
        event=any_event() if event is None else event,
        moment=moments(),
        position=st.integers(1, 2**53),
    )


def any_event() -> st.SearchStrategy[Event]:
    """An event of any type that an aggregate declares."""
    return st.one_of(*(values(cls) for cls in event_types().values() if cls.kind in AGGREGATES))
