"""What an action on a thing is: its name in the body, its arguments, what it does."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from services.api import bodies, microversions
from services.api.call import Call


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No arguments; null says the same."""


class Action:
    """One member of the body of POST …/action. `run(call, arguments)` does it.

    `kind` is the type of its arguments, which forbids unknown fields; `since` is the
    microversion that brought it.
    """

    def __init__(
        self,
        name: str,
        kind: Any,
        run: Callable[[Call, Any], Awaitable[Response]],
        *,
        since: int = microversions.LOWEST,
    ) -> None:
        self.name, self.run, self.since = name, run, since
        attribute = name.replace("-", "_")
        self.field = attribute, kind | UnsetType, msgspec.field(default=UNSET, name=name)
        self._body = msgspec.defstruct(name, [(attribute, kind, msgspec.field(name=name))])
        self._attribute = attribute

    def arguments(self, body: Mapping[str, Any]) -> Any:
        """What the action is given. Raises InvalidRequest."""
        return getattr(bodies.converted(body, self._body), self._attribute)
