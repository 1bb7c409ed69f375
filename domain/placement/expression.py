"""Expressions over what is reported and asked: filter and goodness functions of backends.

The language is Cinder's: numbers, quoted strings, names such as stats.free_capacity_gb, operators
in the order of `_grammar`, tightest first, the functions abs, min and max. An expression is parsed
once, into functions; nothing but these operators can be reached from it.
"""

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any

import pyparsing as pp

Scope = Mapping[str, Mapping[str, Any]]
"""Values by group and name: stats, capabilities, volume, extra, qos."""

Node = Callable[[Scope], Any]

MOST_CHARACTERS = 2_000
MOST_POWER = 1_000


class BadExpression(ValueError):
    """It cannot be parsed, or not be evaluated on these values."""


def evaluate(expression: str, scope: Scope) -> Any:
    """The value of an expression. Raises BadExpression."""
    try:
        return compiled(expression)(scope)
    except BadExpression:
        raise
    except KeyError as unknown:
        raise BadExpression(f"{unknown.args[0]} is not known") from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise BadExpression(str(error)) from None


@lru_cache(maxsize=1_000)
def compiled(expression: str) -> Node:
    """The expression as a function. Raises BadExpression."""
    if len(expression) > MOST_CHARACTERS:
        raise BadExpression(f"it is longer than {MOST_CHARACTERS} characters")
    try:
        node: Node = _GRAMMAR.parse_string(expression, parse_all=True)[0]
    except (pp.ParseException, RecursionError) as error:
        raise BadExpression(f"it cannot be parsed: {error}") from None
    return node


def _number(tokens: pp.ParseResults) -> Node:
    value = float(tokens[0]) if "." in tokens[0] else int(tokens[0])
    return lambda scope: value


def _text(tokens: pp.ParseResults) -> Node:
    value = tokens[0]
    return lambda scope: value


def _name(tokens: pp.ParseResults) -> Node:
    name = tokens[0]
    group, _, key = name.partition(".")

    def look(scope: Scope) -> Any:
        if key not in scope.get(group, {}):
            raise KeyError(name)
        return _as_number(scope[group][key])

    return look


def _as_number(value: Any) -> Any:
    """Extra specs are strings, whatever they say."""
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


def _call(tokens: pp.ParseResults) -> Node:
    function, arguments = _FUNCTIONS[tokens[0]], tokens[1:]
    return lambda scope: function(*[argument(scope) for argument in arguments])


def _unary(operators: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any], Node]:
    def make(tokens: Any) -> Node:
        word, operand = tokens[0]
        apply = operators[word]
        return lambda scope: apply(operand(scope))

    return make


def _binary(operators: Mapping[str, Callable[[Any, Any], Any]]) -> Callable[[Any], Node]:
    """From left to right."""

    def make(tokens: Any) -> Node:
        first, *rest = tokens[0]
        steps = [(operators[word], node) for word, node in zip(rest[::2], rest[1::2], strict=True)]
        return lambda scope: reduce(lambda v, step: step[0](v, step[1](scope)), steps, first(scope))

    return make


def _comparison(tokens: Any) -> Node:
    """a < b < c means a < b and b < c."""
    operands, words = tokens[0][::2], tokens[0][1::2]
    compare = [_COMPARISONS[word] for word in words]

    def holds(scope: Scope) -> bool:
        values = [operand(scope) for operand in operands]
        return all(c(a, b) for c, a, b in zip(compare, values, values[1:], strict=False))

    return holds


def _choice(tokens: Any) -> Node:
    condition, _, one, _, other = tokens[0]
    return lambda scope: one(scope) if condition(scope) else other(scope)


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > MOST_POWER or abs(base) > MOST_POWER**3:
        raise ValueError(f"{base}^{exponent} is too large")
    return base**exponent


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
}
_AND, _OR, _NOT = ("and", "AND", "&&", "&"), ("or", "OR", "||", "|"), ("not", "NOT", "!")


def _product(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError("a text cannot be multiplied")
    return left * right


def _grammar() -> pp.ParserElement:
    pp.ParserElement.enable_packrat()
    number = pp.Regex(r"\d+(\.\d+)?").set_parse_action(_number)
    text = pp.QuotedString('"').set_parse_action(_text) | pp.QuotedString("'").set_parse_action(
        _text
    )
    name = pp.Regex(r"[A-Za-z_]\w*(\.[A-Za-z_][\w:-]*)+").set_parse_action(_name)
    expression = pp.Forward()
    call = pp.one_of(list(_FUNCTIONS)) + pp.Suppress("(")
    call += pp.DelimitedList(expression) + pp.Suppress(")")
    call.set_parse_action(_call)
    one_of = pp.one_of
    right, left = pp.OpAssoc.RIGHT, pp.OpAssoc.LEFT
    expression <<= pp.infix_notation(  # type: ignore[no-untyped-call]
        number | text | call | name,
        [
            ("^", 2, left, _binary({"^": _power})),
            (one_of("+ -"), 1, right, _unary({"+": operator.pos, "-": operator.neg})),
            (one_of("* /"), 2, left, _binary({"*": _product, "/": operator.truediv})),
            (one_of("+ -"), 2, left, _binary({"+": operator.add, "-": operator.sub})),
            (one_of(_NOT), 1, right, _unary(dict.fromkeys(_NOT, operator.not_))),
            (one_of(list(_COMPARISONS)), 2, left, _comparison),
            (("?", ":"), 3, right, _choice),
            (one_of(_AND), 2, left, _binary(dict.fromkeys(_AND, lambda a, b: a and b))),
            (one_of(_OR), 2, left, _binary(dict.fromkeys(_OR, lambda a, b: a or b))),
        ],
    )
    return expression


_GRAMMAR = _grammar()
