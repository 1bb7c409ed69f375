"""Requests that must be refused: in which situation, with what, and why."""

from typing import Any

import msgspec

from tests.services.api.situations import Words
from tests.services.api.stage import OTHER, PROJECT


class Refusal(msgspec.Struct, frozen=True):
    """A request in a situation, and what it is refused with. `{…}` in it is what there is."""

    situation: str
    method: str
    path: str
    body: Any
    code: int
    says: str
    mv: str = "3.71"
    admin: bool = True
    project: str = PROJECT
    headers: dict[str, str] = {}

    def __str__(self) -> str:
        what = "" if not self.body else f" {msgspec.json.encode(self.body).decode()[:60]}"
        who = "" if self.admin else ", a member"
        return f"{self.situation}{who}: {self.method} {self.path}{what}"


def create(situation: str, code: int, says: str, **fields: Any) -> Refusal:
    who = {name: fields.pop(name) for name in ("mv", "admin", "project") if name in fields}
    body = {"volume": {"size": 1, **fields}}
    return Refusal(situation, "POST", "/volumes", body, code, says, **who)


def act(situation: str, action: str, arguments: Any, code: int, says: str, **who: Any) -> Refusal:
    path = "/volumes/{id}/action"
    return Refusal(situation, "POST", path, {action: arguments}, code, says, **who)


def delete(situation: str, code: int, says: str, query: str = "", **who: Any) -> Refusal:
    return Refusal(situation, "DELETE", "/volumes/{id}" + query, None, code, says, **who)


def offer(situation: str, code: int, says: str, **who: Any) -> Refusal:
    body = {"transfer": {"volume_id": "{id}"}}
    return Refusal(situation, "POST", "/volume-transfers", body, code, says, **who)


def accept(situation: str, key: str, code: int, says: str, **who: Any) -> Refusal:
    path, body = "/volume-transfers/{transfer}/accept", {"accept": {"auth_key": key}}
    return Refusal(situation, "POST", path, body, code, says, **{"project": OTHER, **who})


def ask(method: str, path: str, body: Any, code: int, says: str, **more: Any) -> Refusal:
    return Refusal(more.pop("given", "nothing"), method, path, body, code, says, **more)


def filled(value: Any, words: Words) -> Any:
    """With what there is in place of `{…}`."""
    if isinstance(value, str):
        for name, word in words.items():
            value = value.replace(f"{{{name}}}", word)
        return value
    if isinstance(value, dict):
        return {key: filled(inner, words) for key, inner in value.items()}
    return value
