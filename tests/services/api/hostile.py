"""What nobody in their right mind sends, for every place of a request where something is sent."""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec

HUGE = "x" * 60_000

VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "beyond 32 bits": 2**31,
    "beyond 64 bits": 2**64,
    "beyond everything": 10**400,
    "fraction": 1.5,
    "large fraction": 1e308,
    "empty": "",
    "blank": " \t\n",
    "256 characters": "x" * 256,
    "huge": HUGE,
    "NUL": "a\0b",
    "lone surrogate": "\ud800",
    "volcano": "\U0001f30b" * 255,
    "wide": "\ufdfa" * 250,
    "right to left": "\u202egnihton",
    "line ends": "a\r\nX-Evil: b",
    "null as a word": "null",
    "number as a word": "1",
    "up": "../../../etc/passwd",
    "sql": "'; DROP TABLE volumes; --",
    "format": "%s%n{0}{x.__class__}",
    "list": [],
    "list of lists": [[[]], {}],
    "object": {},
    "empty key": {"": ""},
    "evil key": {"\ud800": "\0"},
    "huge key": {HUGE: HUGE},
    "many keys": {f"key {number}": "x" for number in range(500)},
    "deep": None,
}
for _ in range(150):
    VALUES["deep"] = {"a": [VALUES["deep"]]}

SEGMENTS = [
    "%00", "%ff", "%C0%80", "%ED%A0%80", "%F0%9F%8C%8B", "..", "%2e%2e", "%2F", "%5C", "null",
    "-1", "*", "%25s", "{}", "x" * 5000, "%0d%0aX-Evil:%20b", "0" * 36, "{volume_id}", " ",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "urn:uuid:00000000-0000-4000-0000-0000000", ".json",
]  # fmt: skip

TEXTS = [
    "", "null", "None", "-1", "0", "1e9", "99999999999999999999999", "%00", "%ff", "%ED%A0%80",
    "['\\ud800']", "['\\x00']", "'\\ud800'", "{'\\ud800':'\\ud800'}", "{'a':['b']}", "{1:2}",
    "{'a':1}", "[[[]]]", "[None]", "[1,2.5,True]", "{" * 2000, "[" * 2000, "'" * 3, "b'x'",
    "[" + "1," * 3000 + "]", "(1", "9" * 4000, "lambda:0", "gt:", "gt:0001-01-01T00:00:00%2B23:59",
    "9999-12-31T23:59:59-23:59", "created_at:sideways", ",", ":", "a:b:c", "created_at,", "1%00",
    "%F0%9F%8C%8B", "\u0661", "{'a':'%00'}", "x" * 9000, "..", "%25", "%", "inf", "NaN", "1.5",
    "{**{}}", "{{}}", "{[]:1}",
]  # fmt: skip


def sample(kind: Any, **known: str) -> Any:
    """A body of this type with everything that there can be in it; words are `known` by field."""
    (schema,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    return _sample(schema, parts, "", known)


def mutants(body: Any) -> Iterator[tuple[str, Any]]:
    """The body with each part of it in turn replaced, left out, or given company."""
    for path in _paths(body):
        where = ".".join(path) or "all"
        for name, value in VALUES.items():
            yield f"{where}: {name}", _with(body, path, value)
        if path:
            yield f"{where}: missing", _without(body, path)
            yield f"{where}: under another name", _with(_without(body, path), (*path[:-1], "x"), 1)
        if isinstance(_at(body, path), dict):
            yield f"{where}: with more", _with(body, (*path, "evil\ud800"), 1)


def _sample(schema: dict[str, Any], parts: dict[str, Any], name: str, known: dict[str, str]) -> Any:
    if "$ref" in schema:
        return _sample(parts[schema["$ref"]], parts, name, known)
    if "anyOf" in schema:
        return _sample(schema["anyOf"][0], parts, name, known)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            named = schema.get("properties", {})
            inner = {key: _sample(part, parts, key, known) for key, part in named.items()}
            more = schema.get("additionalProperties")
            return {**inner, "k": _sample(more, parts, "k", known)} if more else inner
        case "array":
            return [_sample(schema.get("items", {}), parts, name, known)]
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return False
        case "null":
            return None
    return known.get(name, "word")


def _paths(body: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield before
    if isinstance(body, dict):
        for key, inner in body.items():
            yield from _paths(inner, (*before, key))


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        body = body[key]
    return body


def _with(body: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(body)
    _at(changed, path[:-1])[path[-1]] = value
    return changed


def _without(body: Any, path: tuple[str, ...]) -> Any:
    changed = copy.deepcopy(body)
    del _at(changed, path[:-1])[path[-1]]
    return changed
