"""A durable pull consumer on JetStream, and a second one for what is retried from parking."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from adapters.bus.nats_api import nanoseconds, status
from adapters.bus.port import Unavailable

SUBJECT = "Lapilli-Subject"
"""Header with the subject a message had in the log stream."""

_EXPIRES_S = 30.0
_HEARTBEAT_S = 2.0
_SILENCE_S = 2.5 * _HEARTBEAT_S
"""Without a sign for so long, a pull has been forgotten by the server.

So it is with one that reached its consumer just before the consumer was deleted: nats-server says
409 to the pulls it has taken up, and nothing to those still queued (2.15.1: `stopWithFlags` in
consumer.go).
"""
_LONGEST_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


class NatsDelivery:
    __slots__ = ("_client", "_reply", "payload", "subject", "until")

    def __init__(self, client: Client, message: Msg, until: float) -> None:
        self._client = client
        self._reply = message.reply
        self.subject: str = (message.headers or {}).get(SUBJECT, message.subject)
        self.payload: bytes = message.data
        self.until = until
        """Loop time at which it is delivered again, somewhere."""

    @property
    def deliveries(self) -> int:
        # $JS.ACK.<stream>.<consumer>.<deliveries>… or $JS.ACK.<domain>.<account>.<stream>.…
        tokens = self._reply.split(".")
        return int(tokens[4] if len(tokens) == 9 else tokens[6])

    async def ack(self) -> None:
        await self._answer(b"+ACK")

    async def retry(self, delay_s: float) -> None:
        await self._answer(b'-NAK {"delay": %d}' % nanoseconds(delay_s))

    async def working(self) -> None:
        await self._answer(b"+WPI")

    async def _answer(self, word: bytes) -> None:
        with contextlib.suppress(errors.Error):
            await self._client.publish(self._reply, word)


class _Pull:
    """What was asked of one consumer and has not come yet."""

    def __init__(self, stream: str, consumer: str, client: Client) -> None:
        self.broken = False
        """The consumer may be gone: make sure of it before asking again."""
        self.outstanding = 0
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox: str = client.new_inbox()
        self._generation = 0
        self._heard = 0.0
        self._subscription: Subscription | None = None

    async def open(self, receive: Callable[[Msg], Awaitable[None]]) -> None:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=receive)

    async def close(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(errors.Error):
                await self._subscription.unsubscribe()

    async def ask(self, count: int) -> None:
        self._hear()
        self.outstanding += count
        request = {
            "batch": count,
            "expires": nanoseconds(_EXPIRES_S),
            "idle_heartbeat": nanoseconds(_HEARTBEAT_S),
        }
        try:
            await self._client.publish(
                self._next, msgspec.json.encode(request), reply=f"{self._inbox}.{self._generation}"
            )
        except errors.Error:
            self.forget()

    def forget(self) -> None:
        """Nothing asked for so far will come."""
        self.broken = True
        self.outstanding = 0
        self._generation += 1

    def received(self) -> None:
        self._hear()
        self.outstanding = max(0, self.outstanding - 1)

    def told(self, message: Msg) -> None:
        """A word from the server about a pull: still there, over, or lost."""
        if message.subject != f"{self._inbox}.{self._generation}":
            return
        self._hear()
        match status(message):
            case "100":
                pass
            case "408":
                missing = int((message.headers or {}).get("Nats-Pending-Messages", "0"))
                self.outstanding = max(0, self.outstanding - missing)
            case _:
                _log.debug("%s: %s", self._next, message.headers)
                self.forget()

    def silent_at(self) -> float:
        """The loop time from which on silence means that the pull is lost."""
        return self._heard + _SILENCE_S

    def _hear(self) -> None:
        self._heard = asyncio.get_running_loop().time()


class NatsInbox:
    """Takes from the server what `next` asks for, and no more."""

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        streams: tuple[str, str],
        ack_wait_s: float,
        ensure: Callable[[], Awaitable[Any]],
    ) -> None:
        self._client = client
        self._name = name
        self._ack_wait_s = ack_wait_s
        self._ensure = ensure
        self._log, self._retries = (_Pull(stream, name, client) for stream in streams)
        self._here: deque[NatsDelivery] = deque()
        self._changed = asyncio.Event()
        self._setbacks = 0
        self._closed = False

    async def open(self) -> None:
        for pull in (self._log, self._retries):
            await pull.open(self._receiver(pull))

    async def next(self, limit: int) -> Sequence[NatsDelivery]:
        while not self._closed:
            self._changed.clear()
            if self._client.is_connected:
                await self._ask(limit)
            if ready := self._take(limit):
                return ready
            await self._change()
        return ()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._changed.set()
        for pull in (self._log, self._retries):
            await pull.close()
        while self._here:
            await self._here.popleft().retry(0)

    def interrupted(self) -> None:
        """The connection is new: the server may have forgotten what was asked on the old."""
        self._log.forget()
        self._retries.forget()
        self._changed.set()

    def _receiver(self, pull: _Pull) -> Callable[[Msg], Awaitable[None]]:
        time = asyncio.get_running_loop().time

        async def receive(message: Msg) -> None:
            if message.reply:
                pull.received()
                self._here.append(NatsDelivery(self._client, message, time() + self._ack_wait_s))
            else:
                pull.told(message)
            if not pull.broken:
                self._setbacks = 0
            self._changed.set()

        return receive

    def _take(self, limit: int) -> list[NatsDelivery]:
        now = asyncio.get_running_loop().time()
        while self._here and self._here[0].until <= now:
            self._here.popleft()
        return [self._here.popleft() for _ in range(min(limit, len(self._here)))]

    async def _ask(self, limit: int) -> None:
        """Top up the pulls to `limit`, in requests of no less than half of it."""
        broken = self._log.broken or self._retries.broken
        if broken and (self._here or not await self._repaired()):
            return
        missing = limit - len(self._here) - self._log.outstanding
        if missing > 0 and (missing * 2 >= limit or self._log.outstanding == 0):
            await self._log.ask(missing)
        if self._retries.outstanding == 0:
            await self._retries.ask(1)

    async def _repaired(self) -> bool:
        """Whether the consumers are there again, tried at a slowing pace."""
        if self._setbacks:
            pause_s = min(_LONGEST_PAUSE_S, 0.01 * 2 ** min(self._setbacks, 10))
            await asyncio.sleep(pause_s)
        self._setbacks += 1
        try:
            await self._ensure()
        except Unavailable as unavailable:
            _log.info("inbox %s keeps waiting: %s", self._name, unavailable.reason)
            self._changed.set()
            return False
        for pull in (self._log, self._retries):
            pull.broken = False
            pull.outstanding = 0
        return True

    async def _change(self) -> None:
        """Wait until something arrives, or has not for too long."""
        asked = [pull for pull in (self._log, self._retries) if pull.outstanding]
        silent_at = min((pull.silent_at() for pull in asked), default=None)
        if not self._client.is_connected:
            silent_at = None
        try:
            async with asyncio.timeout_at(silent_at):
                await self._changed.wait()
        except TimeoutError:
            _log.warning("inbox %s: no sign from the server, asking again", self._name)
            self.interrupted()
