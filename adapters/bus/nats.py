"""The bus on NATS JetStream.

Streams: LAPILLI is the log, LAPILLI_PARKED what was given up on, LAPILLI_RETRIES what an operator
sent back to its one consumer, which keeps such retries out of the log. Each inbox is a durable
consumer on the first and on the last. LAPILLI_<NAME> are those derived from the log.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from adapters.bus.nats_api import (
    CONSUMER_EXISTS,
    NO_MESSAGE,
    NO_SEQUENCE,
    STREAM_NOT_FOUND,
    JetStream,
    Refused,
    Stored,
    nanoseconds,
)
from adapters.bus.nats_inbox import SUBJECT, NatsInbox
from adapters.bus.nats_keys import Bucket, NatsBoard, release_lease, take_lease
from adapters.bus.nats_publisher import DUPLICATE_WINDOW_S, NatsPublisher
from adapters.bus.port import ERROR_LIMIT, Delivery, Message, NotFound, Parked, Unavailable
from adapters.bus.subjects import check_filters, check_name

LOG = "LAPILLI"
PARKED = "LAPILLI_PARKED"
RETRIES = "LAPILLI_RETRIES"

_MAX_BYTES = 4 * 1024**3
_NOTHING = "lapilli.none"
"""A subject that no event has: nothing of the log passes a filter for it."""
_RECONNECT_WAIT_S = 0.1
_PING_S = 3
"""A server that leaves two of these unanswered is given up for another; one that was cut off says
nothing."""

_log = logging.getLogger(__name__)


class _Client(Client):
    """nats-py gives up for ever on any error that the server reports; we never do."""

    async def _process_err(self, err_msg: str) -> None:
        _log.warning("NATS reports %s", err_msg)
        if "permissions violation" not in err_msg.lower():
            await self._process_op_err(errors.Error(err_msg))

    async def close(self) -> None:
        """What could not be sent before the connection was lost is not sent on it any more: on
        uvloop that raises RuntimeError."""
        if not self.is_connected:
            self._pending = []
            self._pending_data_size = 0
        await super().close()


class NatsSubscription:
    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def close(self) -> None:
        with contextlib.suppress(errors.Error):
            await self._subscription.unsubscribe()


class NatsBus:
    """One connection. Make it with `connect`."""

    def __init__(self, jetstream: JetStream, *, replicas: int, max_bytes: int) -> None:
        self._client = jetstream.client
        self._jetstream = jetstream
        self._replicas = replicas
        self._log_stream: dict[str, Any] = {
            "name": LOG,
            "subjects": ["lapilli.>"],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "max_bytes": max_bytes,
            "num_replicas": replicas,
            "duplicate_window": nanoseconds(DUPLICATE_WINDOW_S),
        }
        self._parked_stream: dict[str, Any] = {
            "name": PARKED,
            "subjects": ["lapilli_parked.>"],
            "storage": "file",
            "retention": "limits",
            "num_replicas": replicas,
        }
        self._retries_stream: dict[str, Any] = {
            "name": RETRIES,
            "subjects": ["lapilli_retries.>"],
            "storage": "file",
            "retention": "workqueue",
            "num_replicas": replicas,
        }
        self._publisher = NatsPublisher(jetstream, self._log_stream, copies_log=True)
        self._derived: dict[str, NatsPublisher] = {}
        self._inboxes: list[NatsInbox] = []
        self._leases: dict[str, Bucket] = {}

    @classmethod
    async def connect(
        cls,
        servers: Sequence[str],
        *,
        name: str,
        replicas: int = 1,
        max_bytes: int = _MAX_BYTES,
        timeout_s: float = 5.0,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        credentials: str | None = None,
    ) -> "NatsBus":
        """Connect, and make the streams or bring them in line with these settings.

        `max_bytes` bounds the log stream, which forgets its oldest messages beyond; `credentials`
        is the path of a .creds file; every later call answers within about `timeout_s` or raises.
        Raises Unavailable. Once connected, it reconnects for ever.
        """
        client = _Client()
        bus = cls(JetStream(client, timeout_s), replicas=replicas, max_bytes=max_bytes)
        try:
            async with asyncio.timeout(timeout_s):
                await client.connect(
                    list(servers),
                    name=name,
                    user=user,
                    password=password,
                    token=token,
                    user_credentials=credentials,
                    connect_timeout=2,
                    reconnect_time_wait=_RECONNECT_WAIT_S,  # type: ignore[arg-type]
                    max_reconnect_attempts=-1,
                    ping_interval=_PING_S,
                    error_cb=_on_error,
                    disconnected_cb=bus._on_disconnected,
                    reconnected_cb=bus._on_reconnected,
                )
            await bus._publisher.open()
            for stream in (bus._parked_stream, bus._retries_stream):
                await bus._jetstream.ensure_stream(stream)
        except (errors.Error, OSError, TimeoutError) as error:
            await bus.close()
            reason = client.last_error or error
            raise Unavailable(f"cannot connect to {', '.join(servers)}: {reason}") from error
        except BaseException:
            await bus.close()
            raise
        return bus

    async def last_position(self) -> int:
        return await self._publisher.last_position()

    async def publish(self, messages: Sequence[Message], after: int) -> None:
        await self._publisher.publish(messages, after)

    def stream(self, name: str, keep_s: float) -> NatsPublisher:
        check_name(name)
        config = {
            **self._log_stream,
            "name": f"{LOG}_{name.upper()}",
            "subjects": [f"lapilli_{name}.>"],
            "max_age": nanoseconds(keep_s),
        }
        return self._derived.setdefault(name, NatsPublisher(self._jetstream, config))

    async def inbox(
        self, name: str, subjects: Sequence[str], ack_wait_s: float, max_pending: int
    ) -> NatsInbox:
        check_name(name)
        check_filters(subjects)
        config = {
            "name": name,
            "durable_name": name,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": nanoseconds(ack_wait_s),
            "max_ack_pending": max_pending,
            "max_deliver": -1,
        }
        of_log = {**config, "filter_subjects": list(subjects) or [_NOTHING]}
        of_retries = {**config, "filter_subject": f"lapilli_retries.{name}"}

        async def ensure(action: str) -> None:
            await self._ensure_consumer(self._log_stream, of_log, action)
            await self._ensure_consumer(self._retries_stream, of_retries, action)

        await ensure("")
        inbox = NatsInbox(
            self._client,
            name,
            streams=(LOG, RETRIES),
            ack_wait_s=ack_wait_s,
            ensure=lambda: ensure("create"),
        )
        try:
            await inbox.open()
        except errors.Error as error:
            raise Unavailable(str(error)) from error
        self._inboxes.append(inbox)
        return inbox

    async def park(self, consumer: str, delivery: Delivery, error: str, at: datetime) -> None:
        check_name(consumer)
        headers = {
            SUBJECT: delivery.subject,
            "Lapilli-Error": json.dumps(error[:ERROR_LIMIT]),  # keeps its line breaks
            "Lapilli-Parked-At": at.isoformat(),
            "Lapilli-Deliveries": str(delivery.deliveries),
        }
        await self._put(
            self._parked_stream, f"lapilli_parked.{consumer}", delivery.payload, headers
        )
        await delivery.ack()

    async def parked(self) -> list[Parked]:
        found: list[Parked] = []
        sequence = 1
        with contextlib.suppress(Refused):
            while stored := await self._jetstream.message(
                PARKED, seq=sequence, next_by_subj="lapilli_parked.>"
            ):
                found.append(_parked(stored))
                sequence = stored.sequence + 1
        return found

    async def retry_parked(self, id: int) -> None:
        try:
            stored = await self._jetstream.message(PARKED, seq=id)
        except Refused:
            stored = None
        if stored is None:
            raise NotFound(id)
        parked = _parked(stored)
        await self._put(
            self._retries_stream,
            f"lapilli_retries.{parked.consumer}",
            parked.payload,
            {SUBJECT: parked.subject},
        )
        with contextlib.suppress(Refused):  # somebody else was retrying it too
            await self._jetstream.ask(
                f"STREAM.MSG.DELETE.{PARKED}", {"seq": id}, refusals=[NO_MESSAGE, NO_SEQUENCE]
            )

    async def signal(self, name: str, payload: bytes = b"") -> None:
        check_name(name)
        if self.connected():
            with contextlib.suppress(errors.Error):
                await self._client.publish(f"lapilli_signal.{name}", payload)

    async def on_signal(self, name: str, callback: Callable[[bytes], None]) -> NatsSubscription:
        check_name(name)

        async def receive(message: Msg) -> None:
            callback(message.data)

        try:
            subscription = await self._client.subscribe(f"lapilli_signal.{name}", cb=receive)
            async with asyncio.timeout(self._jetstream.timeout_s):
                await self._client.flush()  # the server has it: no later signal is missed
        except (errors.Error, TimeoutError) as error:
            raise Unavailable(str(error) or "no answer") from error
        return NatsSubscription(subscription)

    async def lease(self, name: str, holder: str, ttl_s: float) -> bool:
        check_name(name)
        bucket = self._leases.get(name)
        if bucket is None:
            bucket = self._bucket(f"lease_{name}", ttl_s=ttl_s, storage="file")
            await bucket.ensure()
            self._leases[name] = bucket
        return await take_lease(bucket, holder)

    async def release(self, name: str, holder: str) -> None:
        check_name(name)
        bucket = self._leases.get(name)
        if bucket is not None:
            await release_lease(bucket, holder)

    async def board(self, name: str, ttl_s: float) -> NatsBoard:
        check_name(name)
        bucket = self._bucket(f"board_{name}", ttl_s=ttl_s, storage="memory")
        await bucket.ensure()
        return NatsBoard(self._jetstream, bucket)

    def connected(self) -> bool:
        return bool(self._client.is_connected)

    async def close(self) -> None:
        for inbox in self._inboxes:
            await inbox.close()
        with contextlib.suppress(errors.Error, OSError):
            await self._client.close()

    def _bucket(self, name: str, *, ttl_s: float, storage: str) -> Bucket:
        return Bucket(
            self._jetstream,
            f"lapilli_{name}",
            ttl_s=ttl_s,
            storage=storage,
            replicas=self._replicas,
        )

    async def _put(
        self, stream: dict[str, Any], subject: str, payload: bytes, headers: dict[str, str]
    ) -> None:
        """Store one message, in a stream that is made if it is missing."""
        try:
            await self._jetstream.publish(subject, payload, headers, refusals=[STREAM_NOT_FOUND])
        except Refused:
            await self._jetstream.remake_stream(stream)
            await self._jetstream.publish(subject, payload, headers)

    async def _ensure_consumer(
        self, stream: dict[str, Any], config: dict[str, Any], action: str
    ) -> None:
        """Make the consumer; with action `create`, one that differs is left as it is.

        A missing log stream is left to the publisher, which feeds it.
        """
        what = f"CONSUMER.CREATE.{stream['name']}.{config['name']}"
        body = {"stream_name": stream["name"], "config": config, "action": action}
        try:
            await self._jetstream.ask(what, body, refusals=[STREAM_NOT_FOUND, CONSUMER_EXISTS])
        except Refused as refused:
            if refused.code == STREAM_NOT_FOUND and stream is self._log_stream:
                raise Unavailable("there is no log stream until the relay makes it anew") from None
            if refused.code == STREAM_NOT_FOUND:
                await self._jetstream.remake_stream(stream)
                await self._jetstream.ask(what, body)

    async def _on_disconnected(self) -> None:
        if not self._client.is_closed:
            _log.warning("disconnected from NATS")
        for publisher in (self._publisher, *self._derived.values()):
            publisher.interrupted()

    async def _on_reconnected(self) -> None:
        _log.info("connected to NATS again")
        for inbox in self._inboxes:
            inbox.interrupted()


def _parked(stored: Stored) -> Parked:
    return Parked(
        id=stored.sequence,
        consumer=stored.subject.removeprefix("lapilli_parked."),
        subject=stored.headers[SUBJECT],
        payload=stored.payload,
        error=json.loads(stored.headers["Lapilli-Error"]),
        parked_at=datetime.fromisoformat(stored.headers["Lapilli-Parked-At"]),
        deliveries=int(stored.headers["Lapilli-Deliveries"]),
    )


async def _on_error(error: Exception) -> None:
    _log.debug("nats: %s", str(error) or type(error).__name__)
