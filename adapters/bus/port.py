"""What Lapilli asks of a message bus; memory.py and nats.py keep the same contract."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from domain import errors

ERROR_LIMIT = 4_000
"""How many characters of an error `Bus.park` keeps; escaped, they must fit NATS's 64 KiB header."""


class Unavailable(errors.Unavailable):
    """The bus did not answer in time, or not at all. Trying again later is harmless."""

    def __init__(self, reason: str) -> None:
        super().__init__(part="message bus", reason=reason)


class OutOfOrder(Exception):
    """The log stream does not end where the publisher thought: it has lost its place.

    `found` is the position the stream ended at when this was noticed. Nothing from
    `expected` on was stored by this call; ask `last_position` and go on from there.
    """

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"log stream ends at position {found}, not at {expected}")
        self.expected = expected
        self.found = found


class NotFound(errors.NotFound):
    """No message with this id is parked (any more)."""

    def __init__(self, id: int) -> None:
        super().__init__(kind="parked_message", id=str(id))


class Message(msgspec.Struct, frozen=True):
    """One event of the log, or what is told because of it, as it is published."""

    position: int
    """Log position, from 1."""
    subject: str
    """`lapilli.<aggregate>.<event>.<backend or _>.<aggregate id>`, or `lapilli_<stream>.…`"""
    payload: bytes
    part: int = 0
    """Which one it is of several about one position, in order."""
    own_id: str = ""
    """The de-duplication id where that is not the position."""

    @property
    def id(self) -> str:
        """By which subscribers know it again."""
        return self.own_id or str(self.position)

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in the order of its stream."""
        return self.position, self.part


def ends_within(end: tuple[int, int], messages: Sequence[Message], after: int) -> bool:
    """Whether a stream that ends at this place can be followed by, or has some of, `messages`."""
    return end[0] == after or bool(messages and (after, 0) < end <= messages[-1].place)


class Parked(msgspec.Struct, frozen=True):
    """A delivery that its consumer gave up on, kept until an operator retries it."""

    id: int
    consumer: str
    subject: str
    payload: bytes
    error: str
    parked_at: datetime
    deliveries: int


class Delivery(Protocol):
    """A message in the hands of a consumer, who settles it with `ack`, `retry` or `Bus.park`.

    Unsettled, it is delivered again once `ack_wait_s` has passed since its delivery or the
    last `working`. Settling is best effort: when the connection is lost on the way the message
    simply comes again, so these three never raise `Unavailable`.
    """

    @property
    def subject(self) -> str: ...

    @property
    def payload(self) -> bytes: ...

    @property
    def deliveries(self) -> int:
        """How often this message has been delivered: 1 the first time."""
        ...

    async def ack(self) -> None:
        """Done: never deliver it again."""
        ...

    async def retry(self, delay_s: float) -> None:
        """Deliver it again, not before `delay_s` seconds from now."""
        ...

    async def working(self) -> None:
        """Still at it: start `ack_wait_s` afresh."""
        ...


class Inbox(Protocol):
    """A durable subscription. Inboxes of one name, in any process, share its messages."""

    async def next(self, limit: int) -> Sequence[Delivery]:
        """Wait for at least one delivery; then all that are here, at most `limit`.

        Ask for as many as can be handled now: up to `limit` are taken from the other inboxes of
        the name, and their `ack_wait_s` runs. An interrupted bus only makes it wait longer.
        Cancelling it loses nothing. After `close`, also for a caller already waiting: an empty
        sequence.
        """
        ...

    async def close(self) -> None:
        """Stop receiving. What was delivered and not settled goes to the name's other inboxes."""
        ...


class Subscription(Protocol):
    """An interest in a signal."""

    async def close(self) -> None: ...


class Board(Protocol):
    """Telemetry under keys, each entry forgotten `ttl_s` seconds after its last `put`."""

    async def put(self, key: str, value: bytes) -> None: ...

    async def all(self) -> dict[str, bytes]:
        """Every entry not expired, in key order."""
        ...

    async def remove(self, key: str) -> None:
        """Forget the entry; nothing happens if there is none."""
        ...


class Stream(Protocol):
    """What follows the log, in its order: the log stream, or one that is derived from it."""

    async def last_position(self) -> int:
        """Log position of the last message in the stream; 0 when it is empty or new."""
        ...

    async def publish(self, messages: Sequence[Message], after: int) -> None:
        """Append messages that follow each other to a stream that ends at position `after`.

        All are stored when this returns. When it raises, some first ones of them may be stored,
        never one without those before it. A stream that ends further on, but not beyond the last
        of `messages`, has the first ones already: only those after its end are appended. Raises
        OutOfOrder if it ends anywhere else.
        """
        ...


class DerivedStream(Stream, Protocol):
    """A stream beside the log stream, of what is told because of the log."""

    async def insert(self, message: Message) -> None:
        """Store one message out of turn; the stream's last position stays what it was."""
        ...


class Bus(Stream, Protocol):
    """The log stream, and all that is around it.

    Every coroutine here raises `Unavailable` if the bus cannot be reached in time.

    The exceptions: `Inbox.next` outlives an interruption by waiting, `signal` is lost in it.
    Names of streams, inboxes, signals, leases and boards, and keys on boards, are letters, digits
    and any of `_-=@#:`; keys may also have slashes, and dots inside (ValueError).
    """

    def stream(self, name: str, keep_s: float) -> DerivedStream:
        """The stream of messages under `lapilli_<name>.…`, made when it is first used.

        It forgets messages `keep_s` seconds after they were stored, and the oldest ones sooner
        where there are too many.
        """
        ...

    async def inbox(
        self, name: str, subjects: Sequence[str], ack_wait_s: float, max_pending: int
    ) -> Inbox:
        """The durable inbox `name`, from the oldest message of the log stream on.

        `subjects` are filters, in which `*` stands for one token and a last `>` for one or more;
        no two may overlap (ValueError); without any it hears only what is retried to it. No more
        than `max_pending` messages of the log are unsettled at any time. The latest caller's
        filters and limits hold for all of the name.
        """
        ...

    async def park(self, consumer: str, delivery: Delivery, error: str, at: datetime) -> None:
        """Keep the message aside with its error (the first ERROR_LIMIT characters), then ack it.

        A crash in between delivers the message again, which may park it a second time.
        """
        ...

    async def parked(self) -> list[Parked]:
        """All that is parked, oldest first."""
        ...

    async def retry_parked(self, id: int) -> None:
        """Deliver a parked message to its own consumer only, as new, and stop keeping it aside.

        Raises NotFound.
        """
        ...

    async def signal(self, name: str, payload: bytes = b"") -> None:
        """Tell whoever listens now; never raises.

        May be lost: use it to hurry somebody who would look anyway.
        """
        ...

    async def on_signal(self, name: str, callback: Callable[[bytes], None]) -> Subscription: ...

    async def lease(self, name: str, holder: str, ttl_s: float) -> bool:
        """Take or renew a lease for `ttl_s` seconds; True if `holder` has it now.

        Every caller of one name passes the same `ttl_s`.
        """
        ...

    async def release(self, name: str, holder: str) -> None:
        """Give up a lease taken over this connection, if `holder` still has it."""
        ...

    async def board(self, name: str, ttl_s: float) -> Board: ...

    def connected(self) -> bool: ...

    async def close(self) -> None: ...
