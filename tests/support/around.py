"""Real parts whose every call can be watched, held up, refused or not survived."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

from domain.errors import Unavailable

T = TypeVar("T")
Hook = Callable[[str], Awaitable[None]]
"""Is told the name of the method that is called."""


async def _nothing(method: str) -> None:
    pass


def around(real: T, *, before: Hook = _nothing, after: Hook = _nothing) -> T:
    """The same part, with something happening before and after each of its coroutines
    and streams."""
    return cast(T, _Around(real, before, after))


class _Around:
    def __init__(self, real: object, before: Hook, after: Hook) -> None:
        self._real, self._before, self._after = real, before, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if inspect.isasyncgenfunction(found):

            async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
                await self._before(name)
                async for each in found(*args, **kwargs):
                    yield each
                await self._after(name)

            return self._remembered(name, stream)
        if not inspect.iscoroutinefunction(found):
            return found  # asked for again each time, since it may be a value that changes

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._before(name)
            answer = await found(*args, **kwargs)
            await self._after(name)
            return answer

        return self._remembered(name, call)

    def _remembered(self, name: str, wrapped: Any) -> Any:
        """Asked for again, it is an attribute and not looked for."""
        self.__dict__[name] = wrapped
        return wrapped


class Outage:
    """Whether a part is away; `before` and `after` are hooks for `around`.

    Away `after` a call is an answer that is lost: what was asked for is done.
    """

    def __init__(self, part: str, *methods: str) -> None:
        self.away = False
        self.refused = 0
        self._part, self._methods = part, methods

    async def before(self, method: str) -> None:
        if self.away and (not self._methods or method in self._methods):
            self.refused += 1
            raise Unavailable(part=self._part, reason="away")

    after = before


class Crash(BaseException):
    """The process dies here. Nothing may catch it but the test."""


class Life:
    """A process's life as the points that it passes; it ends at one of them, or never."""

    def __init__(self, *, ends_at: int | None = None) -> None:
        self.passed = 0
        self.ended_at: str | None = None
        self._ends_at = ends_at

    @property
    def ends_here(self) -> bool:
        """Whether the next point is the last."""
        return self.passed == self._ends_at

    def point(self, name: str) -> None:
        """Raises Crash at the end, and for ever after: the dead do nothing."""
        if self.ended_at is None and self.ends_here:
            self.ended_at = name
        if self.ended_at is not None:
            raise Crash(self.ended_at)
        self.passed += 1

    async def before(self, method: str) -> None:
        self.point(f"before {method}")

    async def after(self, method: str) -> None:
        self.point(f"after {method}")
