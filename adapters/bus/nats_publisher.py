"""Appends to the log stream in the order of the log, hundreds of messages in flight at a time.

Every message says which stream sequence it must follow, so what is sent after one that failed
fails too, however many publishers there are. JetStream's own de-duplication by message id is not
relied upon: it forgets after a window, and remembers what was purged from the stream.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from nats import errors
from nats.aio.msg import Msg

from adapters.bus.nats_api import (
    STREAM_NOT_FOUND,
    WRONG_LAST_ID,
    WRONG_LAST_SEQUENCE,
    WRONG_LAST_SEQUENCE_CONSTANT,
    JetStream,
    Refused,
    read_ack,
)
from adapters.bus.port import Message, OutOfOrder, Unavailable

POSITION = "Nats-Msg-Id"

_IN_FLIGHT = 512
"""Messages; nats-server takes 10,000 per stream before it refuses more."""
_LOST_PLACE = (STREAM_NOT_FOUND, WRONG_LAST_ID, WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_CONSTANT)


class _Place(msgspec.Struct, frozen=True):
    """Where the stream ends: the log position of its last message, and the last sequence."""

    position: int
    sequence: int


class _LostPlace(Exception):
    """The stream does not end where we thought."""


class _Acks:
    """The answers to one lot of messages in flight."""

    def __init__(self, first: int, count: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._expected = range(first, first + count)
        self._missing = count

    def lose(self) -> None:
        """The connection is gone: no answers will come."""
        if not self.done.done():
            self.done.set_exception(Unavailable("disconnected"))

    def take(self, message: Msg) -> None:
        if self.done.done():
            return
        ack = read_ack(message)
        if ack.error is not None:
            if ack.error.get("err_code") in _LOST_PLACE:
                self.done.set_exception(_LostPlace())
            else:
                self.done.set_exception(Unavailable(str(ack.error.get("description"))))
        elif ack.duplicate or ack.seq not in self._expected:
            self.done.set_exception(_LostPlace())
        else:
            self._missing -= 1
            if not self._missing:
                self.done.set_result(None)


class NatsPublisher:
    def __init__(
        self, jetstream: JetStream, stream: str, ensure: Callable[[], Awaitable[None]]
    ) -> None:
        self._jetstream = jetstream
        self._stream = stream
        self._ensure = ensure
        self._place: _Place | None = None
        self._inbox: str = jetstream.client.new_inbox()
        self._lots: dict[str, _Acks] = {}
        self._lot = 0

    async def open(self) -> None:
        await self._jetstream.client.subscribe(f"{self._inbox}.*", cb=self._receive)

    def interrupted(self) -> None:
        for acks in self._lots.values():
            acks.lose()

    async def last_position(self) -> int:
        return (await self._find_place()).position

    async def publish(self, messages: Sequence[Message], after: int) -> None:
        place = self._place
        if place is None or place.position != after:
            place = await self._find_place()
        try:
            await self._append(messages, after, place)
        except _LostPlace:
            place = await self._find_place()
            try:
                await self._append(messages, after, place)
            except _LostPlace:
                raise OutOfOrder(after, (await self._find_place()).position) from None

    async def _append(self, messages: Sequence[Message], after: int, place: _Place) -> None:
        """Send those of the messages that the stream, which ends at `place`, does not have."""
        if place.position != after and all(m.position != place.position for m in messages):
            raise OutOfOrder(after, place.position)
        missing = [message for message in messages if message.position > place.position]
        for start in range(0, len(missing), _IN_FLIGHT):
            lot = missing[start : start + _IN_FLIGHT]
            self._place = None  # unknown while in flight, and if we never hear
            await self._send(lot, place)
            place = _Place(lot[-1].position, place.sequence + len(lot))
        self._place = place

    async def _send(self, lot: Sequence[Message], place: _Place) -> None:
        client = self._jetstream.client
        self._lot += 1
        reply = f"{self._inbox}.{self._lot}"
        self._lots[reply] = acks = _Acks(place.sequence + 1, len(lot))
        try:
            async with asyncio.timeout(self._jetstream.timeout_s):
                for sequence, message in enumerate(lot, place.sequence):
                    headers = {
                        POSITION: str(message.position),
                        "Nats-Expected-Last-Sequence": str(sequence),
                    }
                    if sequence == place.sequence and place.position:
                        # The sequence stands for the position also if the stream was made anew.
                        headers["Nats-Expected-Last-Msg-Id"] = str(place.position)
                    await client.publish(message.subject, message.payload, reply, headers)
                await acks.done
        except (errors.Error, TimeoutError) as error:
            raise Unavailable(str(error) or "the log stream does not answer") from error
        finally:
            del self._lots[reply]

    async def _receive(self, message: Msg) -> None:
        acks = self._lots.get(message.subject)
        if acks is not None:
            acks.take(message)

    async def _find_place(self) -> _Place:
        """Ask the stream where it ends; a missing stream is made."""
        try:
            info = await self._jetstream.ask(
                f"STREAM.INFO.{self._stream}", refusals=[STREAM_NOT_FOUND]
            )
            last = await self._jetstream.message(self._stream, last_by_subj="lapilli.>")
        except Refused:
            await self._ensure()
            return _Place(0, 0)
        # In this order: what arrives in between makes the sequence too low, which is refused.
        position = int(last.headers[POSITION]) if last is not None else 0
        return _Place(position, info["state"]["last_seq"])
