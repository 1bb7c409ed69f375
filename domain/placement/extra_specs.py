"""What volume types ask of backends: the operators of extra specs (scheduler-and-drivers 3)."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

Matches = Callable[[Any], bool]
"""Whether a reported value is what is wanted."""

MISSING = object()

_YES = frozenset({"1", "t", "true", "on", "y", "yes"})

_SAME_PROTOCOL: Mapping[str, Sequence[str]] = {
    name.lower(): names
    for names in (
        ("iSCSI", "iscsi"),
        ("FC", "fc", "fibre_channel"),
        ("NFS", "nfs"),
        ("NVMe-oF", "nvme-of", "NVMeOF", "nvmeof"),
    )
    for name in names
}
"""All names of a protocol by each of them, in lower case."""


class Spec(msgspec.Struct, frozen=True):
    """One extra spec that concerns capabilities: the names that lead to the value, and the test."""

    key: str
    path: tuple[str, ...]
    wanted: str | None
    matches: Matches


def specs_of(extra_specs: Mapping[str, str]) -> list[Spec]:
    """Those that are unscoped or in the scope `capabilities:`; other scopes are others' business.

    What is left of a name is split at its colons: each part leads one level deeper.
    """
    found = []
    for key, wanted in extra_specs.items():
        scope, colon, rest = key.partition(":")
        if colon and scope != "capabilities":
            continue
        path = tuple(rest.split(":")) if colon else (key,)
        matches = _protocol(wanted) if path == ("storage_protocol",) else matcher(wanted)
        found.append(Spec(key, path, wanted, matches))
    return found


def unmet(spec: Spec, capabilities: Mapping[str, Any]) -> str | None:
    """Why the capabilities are not what the spec wants, or None. Of a list, any element will do."""
    value = capabilities.get(spec.path[0], MISSING)
    for name in spec.path[1:]:
        value = value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
    if value is MISSING:
        return f"does not report {spec.key}, wanted {spec.wanted!r}"
    reported = value if isinstance(value, (list, tuple)) else (value,)
    if any(map(spec.matches, reported)):
        return None
    return f"reports {spec.key} {value!r}, wanted {spec.wanted!r}"


def matcher(wanted: str | None) -> Matches:
    """The test that a requirement is: its first word may be an operator."""
    if wanted is None:
        return lambda value: value is None
    words = wanted.split()
    first, rest = (words[0], words[1:]) if words else ("", [])
    if first == "<or>":
        return _one_of(rest[::2])
    make = _OPERATORS.get(first)
    if make is None:
        return _plain(wanted)
    if not rest:  # an operator that compares with nothing
        return lambda value: False
    test = make(rest[0])
    return lambda value: value is not None and test(value)


def is_yes(value: Any) -> bool:
    """The meaning of a boolean in words."""
    return str(value).strip().lower() in _YES


def _numbers(compare: Callable[[float, float], bool]) -> Callable[[str], Matches]:
    def make(word: str) -> Matches:
        wanted = _number(word)
        return lambda value: (
            wanted is not None and (n := _number(value)) is not None and compare(n, wanted)
        )

    return make


def _strings(compare: Callable[[str, str], bool]) -> Callable[[str], Matches]:
    return lambda word: lambda value: isinstance(value, str) and compare(value, word)


def _within(word: str) -> Matches:
    return lambda value: word in value if isinstance(value, (str, Mapping)) else str(value) == word


def _is(word: str) -> Matches:
    wanted = is_yes(word)
    return lambda value: is_yes(value) is wanted


def _one_of(words: Sequence[str]) -> Matches:
    allowed = frozenset(words)
    return lambda value: value is not None and str(value) in allowed


def _plain(wanted: str) -> Matches:
    yes = is_yes(wanted)
    truth = yes or wanted.strip().lower() in ("0", "f", "false", "off", "n", "no")
    return lambda value: (
        (truth and value is yes) if isinstance(value, bool) else str(value) == wanted
    )


def _protocol(wanted: str | None) -> Matches:
    """As any other, but all names of one protocol are equal."""
    matches = matcher(wanted)
    return lambda value: any(map(matches, _SAME_PROTOCOL.get(str(value).lower(), (value,))))


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


_OPERATORS: Mapping[str, Callable[[str], Matches]] = {
    "=": _numbers(operator.ge),  # sic: Cinder's = is at least
    "==": _numbers(operator.eq),
    "!=": _numbers(operator.ne),
    ">=": _numbers(operator.ge),
    "<=": _numbers(operator.le),
    "s==": _strings(operator.eq),
    "s!=": _strings(operator.ne),
    "s<": _strings(operator.lt),
    "s<=": _strings(operator.le),
    "s>": _strings(operator.gt),
    "s>=": _strings(operator.ge),
    "<in>": _within,
    "<is>": _is,
}
