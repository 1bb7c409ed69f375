"""What an action on a thing is: its name in the body, its arguments, what it does."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from domain.errors import InvalidRequest
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


class Actions:
    """All that can be done to one kind of thing by POST …/action."""

    def __init__(self, name: str, actions: Iterable[Action]) -> None:
        self._actions = {action.name: action for action in actions}
        self.body = msgspec.defstruct(
            name,
            [action.field for action in self._actions.values()],
            namespace={"__doc__": "Exactly one action, by its name."},
            kw_only=True,
        )

    async def act(self, call: Call) -> Response:
        """Runs the one action that the body names. Raises InvalidRequest for an unknown one."""
        body = await call.body(dict[str, Any])
        if len(body) != 1:
            raise InvalidRequest("The body must name exactly one action.")
        (name,) = body
        action = self._actions.get(name)
        if action is None or not call.has(action.since):
            raise InvalidRequest(f"There is no such action: {name[:64]}.")
        return await action.run(call, action.arguments(body))
