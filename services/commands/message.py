"""The command about user messages."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from domain.aggregates.message import Message, message_id
from domain.event import Moment
from services.unit_of_work import UnitOfWork


class DismissMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The message about an event, `<aggregate id>:<version>`, is not shown any more."""

    failure: str
    at: Moment


async def dismiss_message(cmd: DismissMessage, work: UnitOfWork) -> None:
    """Raises NotFound if it was dismissed before."""
    message = await work.load(Message, message_id(cmd.failure))
    message.dismiss(cmd.failure, cmd.at)
    await work.commit(message)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    DismissMessage: dismiss_message,
}
