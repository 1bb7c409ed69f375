"""Appends to a stream in the order of the log, hundreds of messages in flight at a time.

Every message says which stream sequence and which message it must follow, so what is sent after
one that failed fails too, however many publishers there are. JetStream's own de-duplication by
message id is not relied upon: it forgets after a window, and remembers what was purged from the
stream.

In a replicated stream it must not be said which message is followed: one that finds another there
stops the stream for ever, on every replica (2.15.1: `processJetStreamMsg` in stream.go, and what
becomes of its error in `monitorStream` of jetstream_cluster.go). The sequence alone is as good for
the log, of which every publisher puts the same event there; other streams are published to one
message at a time.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

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
    Stored,
    read_ack,
)
from adapters.bus.port import Message, OutOfOrder, Unavailable, ends_within

ID = "Nats-Msg-Id"
PLACE = "Lapilli-Place"
"""Header with log position and part, where they are not the message's id."""

_IN_FLIGHT = 512
"""Messages; nats-server takes 10,000 per stream before it refuses more."""
DUPLICATE_WINDOW_S = 0.1
"""The shortest there is: for so long, what was purged from the stream cannot be stored again."""
_PAUSES_S = (0.0, 0.0, DUPLICATE_WINDOW_S, 2 * DUPLICATE_WINDOW_S)
"""Before each attempt to publish, all of which failed though the stream ends where it should."""
_LOST_PLACE = (STREAM_NOT_FOUND, WRONG_LAST_ID, WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_CONSTANT)

_log = logging.getLogger(__name__)


class _End(msgspec.Struct, frozen=True):
    """Where the stream ends: the last sequence, and place and id of the last message."""

    sequence: int
    place: tuple[int, int] = (0, 0)
    id: str = ""


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
    """One stream, as its configuration says; it is made, and made anew when it is lost."""

    def __init__(
        self, jetstream: JetStream, config: dict[str, Any], *, copies_log: bool = False
    ) -> None:
        self._jetstream = jetstream
        self._config = config
        self._replicated = config["num_replicas"] > 1
        self._in_flight = _IN_FLIGHT if copies_log or not self._replicated else 1
        self._end: _End | None = None
        self._inbox: str = jetstream.client.new_inbox()
        self._open = False
        self._lots: dict[str, _Acks] = {}
        self._lot = 0

    async def open(self) -> None:
        """Brings the stream in line with its configuration. Raises Unavailable."""
        try:
            await self._jetstream.client.subscribe(f"{self._inbox}.*", cb=self._receive)
        except errors.Error as error:
            raise Unavailable(str(error)) from error
        self._open = True
        await self._jetstream.ensure_stream(self._config)

    def interrupted(self) -> None:
        for acks in self._lots.values():
            acks.lose()

    async def last_position(self) -> int:
        return (await self._find_end()).place[0]

    async def publish(self, messages: Sequence[Message], after: int) -> None:
        for pause_s in _PAUSES_S:
            await asyncio.sleep(pause_s)
            end = self._end
            if end is None or end.place[0] != after:
                end = await self._find_end()
            try:
                return await self._append(messages, after, end)
            except _LostPlace:
                continue
        raise Unavailable("the stream takes no message where it says it ends")

    async def insert(self, message: Message) -> None:
        while True:
            end = await self._find_end()
            position, part = end.place
            out_of_turn = msgspec.structs.replace(
                message, position=position, part=part, own_id=message.id
            )
            try:
                await self._send([out_of_turn], end)
                return
            except _LostPlace:
                continue  # somebody else's was stored in between

    async def _append(self, messages: Sequence[Message], after: int, end: _End) -> None:
        """Send those of the messages that the stream, which ends at `end`, does not have."""
        if not ends_within(end.place, messages, after):
            raise OutOfOrder(after, end.place[0])
        missing = [message for message in messages if message.place > end.place]
        for start in range(0, len(missing), self._in_flight):
            lot = missing[start : start + self._in_flight]
            self._end = None  # unknown while in flight, and if we never hear
            await self._send(lot, end)
            end = _End(end.sequence + len(lot), lot[-1].place, lot[-1].id)
        self._end = end

    async def _send(self, lot: Sequence[Message], end: _End) -> None:
        client = self._jetstream.client
        self._lot += 1
        reply = f"{self._inbox}.{self._lot}"
        self._lots[reply] = acks = _Acks(end.sequence + 1, len(lot))
        try:
            async with asyncio.timeout(self._jetstream.timeout_s):
                last_id = end.id
                for sequence, message in enumerate(lot, end.sequence):
                    headers = {ID: message.id, "Nats-Expected-Last-Sequence": str(sequence)}
                    if message.own_id:
                        headers[PLACE] = f"{message.position}.{message.part}"
                    if last_id and not self._replicated:
                        # The sequence alone may be right again after another's message took the
                        # place of the one before, or in a stream that was made anew.
                        headers["Nats-Expected-Last-Msg-Id"] = last_id
                    last_id = message.id
                    await client.publish(message.subject, message.payload, reply, headers)
                await acks.done
        except (errors.Error, TimeoutError) as error:
            raise Unavailable(str(error) or "the stream does not answer") from error
        finally:
            del self._lots[reply]

    async def _receive(self, message: Msg) -> None:
        acks = self._lots.get(message.subject)
        if acks is not None:
            acks.take(message)

    async def _find_end(self) -> _End:
        """Ask the stream where it ends; a missing stream is made anew."""
        if not self._open:
            await self.open()
        stream, [subjects] = self._config["name"], self._config["subjects"]
        try:
            info = await self._jetstream.ask(f"STREAM.INFO.{stream}", refusals=[STREAM_NOT_FOUND])
            last = await self._jetstream.message(stream, last_by_subj=subjects)
        except Refused:
            _log.warning("stream %s is missing, making it anew", stream)
            await self._jetstream.remake_stream(self._config)
            return _End(0)
        # In this order: what arrives in between makes the sequence too low, which is refused.
        sequence = info["state"]["last_seq"]
        return _End(sequence) if last is None else _End(sequence, _place(last), last.headers[ID])


def _place(stored: Stored) -> tuple[int, int]:
    position, _, part = stored.headers.get(PLACE, stored.headers[ID]).partition(".")
    return int(position), int(part or 0)
