"""A stream of the bus within one process."""

from collections.abc import Callable, Sequence

import msgspec

from adapters.bus.port import Message, OutOfOrder, ends_within


class Published:
    """What connections share of one stream: its messages, and where it ends in the log."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.end = (0, 0)

    def lose(self) -> None:
        """All of it is gone."""
        self.messages.clear()
        self.end = (0, 0)


class MemoryStream:
    """One connection's hold of a stream. `check_open` raises Unavailable once that is closed."""

    def __init__(
        self,
        published: Published,
        check_open: Callable[[], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._published = published
        self._check_open = check_open
        self._changed = changed

    async def last_position(self) -> int:
        self._check_open()
        return self._published.end[0]

    async def publish(self, messages: Sequence[Message], after: int) -> None:
        self._check_open()
        published = self._published
        if not ends_within(published.end, messages, after):
            raise OutOfOrder(after, published.end[0])
        for message in messages:
            if message.place > published.end:
                published.messages.append(message)
                published.end = message.place
        self._changed()

    async def insert(self, message: Message) -> None:
        self._check_open()
        position, part = self._published.end
        self._published.messages.append(
            msgspec.structs.replace(message, position=position, part=part, own_id=message.id)
        )
