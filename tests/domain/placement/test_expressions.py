"""Expressions of backends, and the query that a request may carry."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.placement.expression import BadExpression, Scope, evaluate
from domain.placement.json_query import BadQuery, holds, parsed

SCOPE: Scope = {
    "stats": {"free_capacity_gb": 5.5, "total_capacity_gb": 10, "host": "a@b#c"},
    "volume": {"size": 3},
    "capabilities": {"fast": True, "tier": "gold"},
    "extra": {"iops": "700"},
}

VALUES = [
    ("1 + 2 * 3 ^ 2", 19),
    ("(1 + 2) * 3", 9),
    ("-2 ^ 2", -4),
    ("7 / 2", 3.5),
    ("10 - 2 - 3", 5),
    ("- volume.size + 1", -2),
    ("volume.size < 5 and stats.free_capacity_gb > 4", True),
    ("volume.size > 5 or capabilities.fast", True),
    ("volume.size > 5 || volume.size == 3", True),
    ("volume.size == 3 && 1 <> 1", False),
    ("1 < 2 < 3", True),
    ("1 < 3 < 2", False),
    ("not 1 == 2", False),  # not binds tighter than ==, as in Cinder
    ("!(1 == 2)", True),
    ("(volume.size > 5) ? 10 : 20", 20),
    ("max(4, volume.size, 6) + min(1, 2) + abs(-3)", 10),
    ("capabilities.tier == 'gold'", True),
    ('capabilities.tier == "lead"', False),
    ("extra.iops >= 700", True),
    ("stats.host == 'a@b#c'", True),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_expressions_mean_what_they_mean_to_cinder(expression, value):
    assert evaluate(expression, SCOPE) == value


BAD = [
    "", "1 +", "volume", "volume.nothing", "nothing.size", "1 / 0", "9 ^ 9 ^ 9 ^ 9", "9 ^ 9999999",
    "'a' * 999999999", "'a' + 1", "__import__('os')", "volume.__class__", "max()", "open(1)",
    "1; 2", "lambda: 1", "[1]", "(" * 100 + "1", "1 " + "+ 1 " * 2000,
]  # fmt: skip


@pytest.mark.parametrize("expression", BAD)
def test_what_is_no_expression_or_has_no_value_is_refused(expression):
    with pytest.raises(BadExpression):
        evaluate(expression, SCOPE)


@given(st.text(alphabet="0123456789 .+-*/^()<>=!&|?:'\"abstminxvolumesize,", max_size=60))
def test_nothing_else_ever_comes_out_of_it(expression):
    with suppress(BadExpression):
        evaluate(expression, SCOPE)


REPORTED = {"free": 5, "name": "gold", "capabilities": {"qos": True, "deep": {"x": 1}}}

QUERIES = [
    (["=", "$free", 5], True),
    (["=", "$free", 5, 6], False),
    (["=", "$free"], False),
    ([">", "$free", 4], True),
    (["<", "$free", 6, 4], False),
    (["<=", "$free", 5], True),
    ([">=", "$free", 6], False),
    (["in", "$name", "silver", "gold"], True),
    (["in", "$name", "silver"], False),
    (["not", ["=", "$free", 5]], False),
    (["not", ["=", "$free", 5], ["=", "$free", 6]], True),
    (["and", ["=", "$free", 5], ["=", "$capabilities.qos", True]], True),
    (["or", ["=", "$free", 6], ["=", "$capabilities.deep.x", 1]], True),
    (["=", "$nothing", "$nothing"], False),
    (["=", "$free.deeper", 5], False),
    ([], True),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_queries_mean_what_they_mean_to_cinder(query, expected):
    assert holds(query, REPORTED) is expected


@pytest.mark.parametrize("query", ["x", {"a": 1}, ["?", 1], [["="], 1], ["<", "$free", "text"]])
def test_what_is_no_query_is_refused(query):
    with pytest.raises(BadQuery):
        holds(query, REPORTED)


def test_a_query_nested_too_deep_is_refused():
    query: object = ["=", 1, 1]
    for _ in range(100):
        query = ["and", query]
    with pytest.raises(BadQuery):
        holds(query, REPORTED)


def test_clients_send_queries_as_text():
    assert parsed('["=", "$free", 5]') == ["=", "$free", 5]
    with pytest.raises(BadQuery):
        parsed("[")
