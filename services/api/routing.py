"""Routes: what each resource answers, and finding the route of a request.

A route is declared once; the router and /openapi.json read the same declaration. Cinder's two forms
of every path, with and without the project, are one route here: the router takes the project off.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from starlette.responses import Response

from services.api.call import Call

Handler = Callable[[Call], Awaitable[Response]]

PREFIX = "v3"
_PROJECT = re.compile(r"[0-9a-f-]+")


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter; `kind` is its type, from which its schema follows."""

    name: str
    meaning: str
    kind: Any = str
    since: int = 0


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path.

    `{name}` in the path is a segment, `{name...}` all that is left. `since` is the microversion
    that brought it; before, there is no such route.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    status: int = 200
    since: int = 0
    query: tuple[Parameter, ...] = ()
    body: Any = None
    answer: Any = None
    refuses: tuple[int, ...] = ()
    """Codes that this route may answer besides those that every route may."""
    versioned: bool = True
    """Below /v3, for callers that are known; else at the root, for everybody."""
    variant: str = ""
    """What sets it apart from the handler's other paths."""


class Found(msgspec.Struct):
    """A route with what the path says about it; the route is None where there is none."""

    route: Route | None
    parts: dict[str, str]
    project: str | None = None


class _Node:
    """A segment of paths: what may follow, and the routes that end here, by method."""

    __slots__ = ("name", "next", "routes", "tail", "variable")

    def __init__(self) -> None:
        self.next: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.name = ""
        self.tail: _Node | None = None
        self.routes: dict[str, Route] = {}


class Router:
    """Finds routes segment by segment, in about a microsecond whatever their number."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._versioned, self._root = _Node(), _Node()
        for route in routes:
            self._add(route)

    def find(self, method: str, path: str) -> Found:
        """The route, the parts of its path, and the project if the path names one."""
        segments = path.split("/")[1:]
        if segments[0] != PREFIX or len(segments) == 1 or segments == [PREFIX, ""]:
            return self._walk(self._root, segments, method)
        project = None
        below = segments[1:]
        if below[0] not in self._versioned.next and _PROJECT.fullmatch(below[0]):
            project, below = below[0], below[1:]
        found = self._walk(self._versioned, below, method)
        found.project = project
        return found

    def _add(self, route: Route) -> None:
        node = self._versioned if route.versioned else self._root
        for segment in route.path.split("/")[1:]:
            if segment.endswith("...}"):
                node.tail = node.tail or _Node()
                node = node.tail
                node.name = segment[1:-4]
            elif segment.startswith("{"):
                node.variable = node.variable or _Node()
                node = node.variable
                node.name = segment[1:-1]
            else:
                node = node.next.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        node.routes[route.method] = route

    def _walk(self, node: _Node, segments: list[str], method: str) -> Found:
        parts: dict[str, str] = {}
        last = len(segments) - 1
        for place, segment in enumerate(segments):
            if place == last and segment not in node.next and node.tail is None:
                segment = segment.removesuffix(".json")
            following = node.next.get(segment)
            if following is None and node.variable is not None and segment:
                following = node.variable
                parts[following.name] = segment
            if following is None:
                return self._tail(node, segments[place:], parts, method)
            node = following
        return Found(node.routes.get(method), parts)

    def _tail(self, node: _Node, left: list[str], parts: dict[str, str], method: str) -> Found:
        if node.tail is None or left == [""]:
            return Found(None, parts)
        parts[node.tail.name] = "/".join(left)
        return Found(node.tail.routes.get(method), parts)
