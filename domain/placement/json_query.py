"""The scheduler hint `query`: a nested JSON expression over what pools report.

For example ["and", [">=", "$free_capacity_gb", 1024], ["=", "$capabilities.qos", true]].
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

MOST_DEPTH = 50


class BadQuery(ValueError):
    """It is not an expression, or compares what cannot be compared."""


def parsed(query: Any) -> Any:
    """The query as a nested list; clients send it as a string. Raises BadQuery."""
    if isinstance(query, str):
        try:
            return msgspec.json.decode(query)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadQuery(str(error)) from None
    return query


def holds(query: Any, values: Mapping[str, Any], *, depth: int = 0) -> bool:
    """Whether a parsed query is true of these values. Raises BadQuery."""
    if not query:
        return True
    if not isinstance(query, list) or depth > MOST_DEPTH:
        raise BadQuery(f"{str(query)[:100]} is not an expression")
    word, *rest = query
    compare = _WORDS.get(word) if isinstance(word, str) else None
    if compare is None:
        raise BadQuery(f"{str(word)[:100]} is not an operator")
    told = (_told(argument, values, depth) for argument in rest)
    try:
        return compare([value for value in told if value is not None])
    except TypeError as error:
        raise BadQuery(str(error)) from None


def _told(argument: Any, values: Mapping[str, Any], depth: int) -> Any:
    """What an argument stands for; None drops out, as what is not reported does."""
    if isinstance(argument, list):
        return holds(argument, values, depth=depth + 1)
    if not isinstance(argument, str) or not argument.startswith("$"):
        return argument if argument != "" else None
    value: Any = values
    for name in argument[1:].split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _all_to_first(compare: Callable[[Any, Any], bool]) -> Callable[[Sequence[Any]], bool]:
    """Whether the first compares so with every other one, of which there must be some."""
    return lambda told: len(told) > 1 and all(compare(told[0], other) for other in told[1:])


_WORDS: Mapping[str, Callable[[Sequence[Any]], bool]] = {
    "=": _all_to_first(operator.eq),
    "<": _all_to_first(operator.lt),
    ">": _all_to_first(operator.gt),
    "<=": _all_to_first(operator.le),
    ">=": _all_to_first(operator.ge),
    "in": lambda told: len(told) > 1 and told[0] in told[1:],
    "not": lambda told: not all(told),  # any of those that it turns round
    "and": all,
    "or": any,
}
