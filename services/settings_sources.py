"""Where settings come from: file, environment and flags, each checked, then merged.

Knows no setting by name: a tree of msgspec structs says which exist. A section is a struct, a map
of names to structs is a set of named things (backends), all else is a value.
"""

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

PREFIX = "LAPILLI_"
CONFIG_VARIABLE = "LAPILLI_CONFIG"

_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@\s]+@")


class SettingsError(Exception):
    """A setting that cannot be used: where it was found, which it is, and what was expected."""

    def __init__(self, *, source: str, key: str, value: object, expected: str) -> None:
        self.source, self.key, self.value, self.expected = source, key, value, expected
        shown = _PASSWORD.sub(r"\1:***@", repr(value))
        super().__init__(f"{key} = {shown} ({source}): expected {expected}")


class Setting(msgspec.Struct, frozen=True):
    """One value that can be set, as the reference page and the command line show it."""

    key: str  # dotted: api.port; a part that the operator chooses is *: backends.*.driver
    kind: inspect.Type
    default: Any
    meaning: str
    flag: str  # "" where there is none

    @property
    def variable(self) -> str:
        """The environment variable; for a named thing, that of the whole map as JSON."""
        return PREFIX + self.key.split(".*")[0].replace(".", "_").upper()

    @property
    def expected(self) -> str:
        return describe(self.kind)


def settings_in(
    tree: type[msgspec.Struct], *, flags: Mapping[str, str], prefix: str = ""
) -> Iterator[Setting]:
    """Every setting, in order. `flags` has those whose flag is not --section-field."""
    for field in msgspec.structs.fields(tree):
        key = prefix + field.encode_name
        kind, meaning = _bare(inspect.type_info(field.type))
        match kind:
            case inspect.StructType(cls=section):
                yield from settings_in(section, flags=flags, prefix=f"{key}.")
            case inspect.DictType(value_type=inspect.StructType(cls=named)):
                yield from settings_in(named, flags={}, prefix=f"{key}.*.")
            case _:
                default = field.default
                if field.default_factory is not msgspec.NODEFAULT:
                    default = field.default_factory()
                flag = "" if "*" in key else flags.get(key, "--" + re.sub(r"[._]", "-", key))
                yield Setting(key=key, kind=kind, default=default, meaning=meaning, flag=flag)


def from_file(path: Path, source: str) -> tuple[str, Mapping[str, Any]]:
    """The source's name and the tables of a TOML file; `source` is what named the file."""
    try:
        with path.open("rb") as file:
            return f"file {path}", tomllib.load(file)
    except OSError as failure:
        expected = f"a readable TOML file ({failure.strerror})"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        expected = f"valid TOML ({failure})"
    raise SettingsError(source=source, key="config", value=str(path), expected=expected)


def from_environment(
    environ: Mapping[str, str], known: list[Setting]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """One layer for each LAPILLI_ variable. Lists are comma-separated, named things are JSON."""
    keys = {setting.variable: setting.key.split(".*")[0] for setting in known}
    kinds = {setting.variable: setting.kind for setting in known}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        source, text = f"environment variable {variable}", environ[variable]
        key = keys.get(variable)
        if key is None:
            raise _unknown(variable, text, source=source, known=keys)
        value: Any = text
        if key not in {setting.key for setting in known}:
            try:
                value = msgspec.json.decode(text)
            except msgspec.DecodeError as failure:
                raise SettingsError(
                    source=source, key=key, value=text, expected=f"JSON ({failure})"
                ) from None
        elif isinstance(kinds[variable], inspect.VarTupleType):
            value = _items(text)
        yield source, _nested(key, value)


def from_flags(
    flags: Mapping[str, Any], known: list[Setting]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """One layer for each flag, by dotted key. None means that the flag was not given."""
    names = {setting.key: setting for setting in known if setting.flag}
    for key, value in flags.items():
        if value is None:
            continue
        if key not in names:
            raise _unknown(key, value, source="command line", known=names)
        if isinstance(value, str) and isinstance(names[key].kind, inspect.VarTupleType):
            value = _items(value)
        yield f"flag {names[key].flag}", _nested(key, value)


def checked(raw: Any, *, against: Any, source: str, key: str = "") -> Any:
    """`raw` with every value converted to its type. Raises SettingsError at the first bad one."""
    kind, _ = _bare(inspect.type_info(against))
    match kind:
        case inspect.StructType(cls=section):
            table = _table(raw, source=source, key=key)
            fields = {field.encode_name: field.type for field in msgspec.structs.fields(section)}
            for name in table:
                if name not in fields:
                    known = [_join(key, field) for field in fields]
                    raise _unknown(_join(key, name), table[name], source=source, known=known)
            return {
                name: checked(value, against=fields[name], source=source, key=_join(key, name))
                for name, value in table.items()
            }
        case inspect.DictType(key_type=naming, value_type=inspect.StructType(cls=named)):
            pattern = getattr(naming, "pattern", None) or ""
            table = _table(raw, source=source, key=key)
            for name in table:
                if not re.search(pattern, name):
                    expected = f"a name that matches {pattern}"
                    raise SettingsError(source=source, key=key, value=name, expected=expected)
            return {
                name: checked(value, against=named, source=source, key=_join(key, name))
                for name, value in table.items()
            }
        case _:
            refusal = SettingsError(source=source, key=key, value=raw, expected=describe(kind))
            try:
                value = msgspec.convert(raw, against, strict=False)
            except msgspec.ValidationError:
                raise refusal from None
            if isinstance(value, float) and not math.isfinite(value):
                raise refusal
            return value


def laid_over(
    below: Mapping[str, Any], above: Mapping[str, Any], tree: type[msgspec.Struct]
) -> dict[str, Any]:
    """Both, `above` winning. Sections merge; a map of named things is replaced whole."""
    merged = dict(below)
    for field in msgspec.structs.fields(tree):
        name = field.encode_name
        if name not in above:
            continue
        match _bare(inspect.type_info(field.type))[0]:
            case inspect.StructType(cls=section):
                merged[name] = laid_over(below.get(name, {}), above[name], section)
            case _:
                merged[name] = above[name]
    return merged


def describe(kind: inspect.Type) -> str:
    """What a value of this kind looks like, in words: "an integer from 0 to 65535"."""
    match kind:
        case inspect.Metadata(type=inner):
            return describe(inner)
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case inspect.VarTupleType(item_type=item):
            return "a list, each " + describe(item)
        case inspect.IntType():
            return "an integer" + _range(kind)
        case inspect.FloatType():
            return "a number" + _range(kind)
        case inspect.UnionType(types=types):
            return " or ".join(map(describe, types)).replace("one of ", "")
        case inspect.DictType():
            return "a table"
        case inspect.StrType(pattern=str() as pattern):
            return f"text that matches {pattern}"
        case _:
            return "text"


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge} to {kind.le}"
    if kind.gt is not None:
        return f" above {kind.gt}"
    return f" of at least {kind.ge}" if kind.ge is not None else ""


def _bare(kind: inspect.Type) -> tuple[inspect.Type, str]:
    if isinstance(kind, inspect.Metadata):
        return kind.type, (kind.extra_json_schema or {}).get("description", "")
    return kind, ""


def _table(raw: Any, *, source: str, key: str) -> Mapping[str, Any]:
    if isinstance(raw, Mapping):
        return raw
    raise SettingsError(source=source, key=key, value=raw, expected="a table of settings")


def _unknown(
    key: str, value: object, *, source: str, known: Mapping[str, Any] | list[str]
) -> SettingsError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    expected = "a setting that exists" + (f"; did you mean {near[0]}?" if near else "")
    return SettingsError(source=source, key=key, value=value, expected=expected)


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _nested(key: str, value: Any) -> Mapping[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    nested: Mapping[str, Any] = value
    return nested


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
