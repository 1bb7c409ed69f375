"""The part of the JetStream API that the bus speaks, over one nats-py connection.

Spoken directly: nats-py's own layer costs several times more per message, has no direct batch
reads, and its pulls wait for full batches.
"""

import asyncio
import base64
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.bus.port import Unavailable

CONSUMER_EXISTS = 10148
NAME_IN_USE = 10058
NO_MESSAGE = 10037
NO_SEQUENCE = 10043
STREAM_NOT_FOUND = 10059
WRONG_LAST_ID = 10070
WRONG_LAST_SEQUENCE = 10071
WRONG_LAST_SEQUENCE_CONSTANT = 10164
"""Error codes of nats-server (server/errors.json)."""

_SECOND = 1_000_000_000
"""JetStream counts time in nanoseconds."""
_DELETION_S = 1.0
"""How long nats-server may be busy with the files of a stream it no longer knows; it takes
milliseconds, and nothing tells when it is done."""


class Refused(Exception):
    """JetStream answered with an error that its caller had asked for."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"{description} ({code})")
        self.code = code


class Stored(msgspec.Struct, frozen=True):
    """One message as a stream holds it."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    payload: bytes


class Ack(msgspec.Struct, frozen=True):
    """JetStream's answer to one message published."""

    seq: int = 0
    duplicate: bool = False
    error: dict[str, Any] | None = None


_ack = msgspec.json.Decoder(Ack)


def nanoseconds(seconds: float) -> int:
    return int(seconds * _SECOND)


def status(message: Msg) -> str:
    """The status of a message from the server itself; empty for anybody else's."""
    return (message.headers or {}).get("Status", "")


def read_ack(message: Msg) -> Ack:
    if status(message) == "503":
        return Ack(error={"err_code": STREAM_NOT_FOUND, "description": "stream not found"})
    return _ack.decode(message.data)


class JetStream:
    """Requests that are answered, refused, or `Unavailable` after `timeout_s`."""

    def __init__(self, client: Client, timeout_s: float) -> None:
        self.client = client
        self.timeout_s = timeout_s

    async def ask(
        self, what: str, body: object = None, refusals: Collection[int] = ()
    ) -> dict[str, Any]:
        """Call the API. Raises Refused for the error codes in `refusals`."""
        payload = b"" if body is None else msgspec.json.encode(body)
        answer = await self._request(f"$JS.API.{what}", payload)
        if status(answer) == "503":
            raise Unavailable("JetStream does not answer")
        decoded: dict[str, Any] = msgspec.json.decode(answer.data)
        if "error" in decoded:
            raise _error(decoded["error"], refusals)
        return decoded

    async def publish(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str] | None = None,
        refusals: Collection[int] = (),
    ) -> int:
        """Store one message; its stream sequence. Raises Refused as `ask` does."""
        ack = read_ack(await self._request(subject, payload, headers))
        if ack.error is not None:
            raise _error(ack.error, refusals)
        return ack.seq

    async def ensure_stream(self, config: dict[str, Any]) -> None:
        """Create the stream, or bring the one that exists in line. Safe to do at once by many."""
        name = config["name"]
        try:
            await self.ask(f"STREAM.CREATE.{name}", config, refusals=[NAME_IN_USE])
        except Refused:
            found = (await self.ask(f"STREAM.INFO.{name}"))["config"]
            await self.ask(f"STREAM.UPDATE.{name}", {**found, **config})

    async def remake_stream(self, config: dict[str, Any]) -> None:
        """Create a stream that was found missing, which its deletion may be the reason for.

        Not at once: nats-server forgets a stream first (its consumers' pulls end with 409) and
        renames its directory last. A stream of the same name made in between opens the old files
        and has them taken away: from then on it counts messages that it cannot read and stores no
        new ones, and its consumers leave their places on the disk to the next stream's consumers
        (2.15.1: `stop` in stream.go, `Delete` in filestore.go).
        """
        await asyncio.sleep(_DELETION_S)
        await self.ensure_stream(config)

    async def message(self, stream: str, **which: object) -> Stored | None:
        """One message of the stream, by `seq`, `last_by_subj` or `seq` and `next_by_subj`.

        Asks the stream's leader, so it sees all that was stored before. None if there is none;
        raises Refused if there is no stream.
        """
        try:
            answer = await self.ask(
                f"STREAM.MSG.GET.{stream}", which, refusals=[NO_MESSAGE, STREAM_NOT_FOUND]
            )
        except Refused as refused:
            if refused.code == STREAM_NOT_FOUND:
                raise
            return None
        found = answer["message"]
        return Stored(
            subject=found["subject"],
            sequence=found["seq"],
            headers=_headers(base64.b64decode(found.get("hdrs", ""))),
            payload=base64.b64decode(found.get("data", "")),
        )

    async def latest(self, stream: str, subjects: str) -> dict[str, bytes]:
        """The last payload under each of the subjects, in one request.

        Any replica may answer: what was stored a moment ago may be missing.
        """
        inbox = self.client.new_inbox()
        found: dict[str, bytes] = {}
        complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def receive(answer: Msg) -> None:
            headers = answer.headers or {}
            if "Nats-Subject" in headers and not status(answer):
                found[headers["Nats-Subject"]] = answer.data
            elif not complete.done():
                complete.set_result(None)

        try:
            subscription = await self.client.subscribe(inbox, cb=receive)
            try:
                body = msgspec.json.encode({"multi_last": [subjects]})
                await self.client.publish(f"$JS.API.DIRECT.GET.{stream}", body, reply=inbox)
                async with asyncio.timeout(self.timeout_s):
                    await complete
            finally:
                await subscription.unsubscribe()
        except (errors.Error, TimeoutError) as error:
            raise _unavailable(error) from error
        return found

    async def _request(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None
    ) -> Msg:
        # nats-py waits by asyncio.wait_for, which before Python 3.12 swallows a cancellation that
        # meets the answer: so the cancellation is kept away from it
        asking = asyncio.ensure_future(
            self.client.request(
                subject, payload, timeout=self.timeout_s, headers=dict(headers) if headers else None
            )
        )
        try:
            return await asyncio.shield(asking)
        except errors.NoRespondersError:
            return Msg(self.client, headers={"Status": "503"})
        except (errors.Error, TimeoutError) as error:
            raise _unavailable(error) from error
        finally:
            asking.cancel()


def _error(error: dict[str, Any], refusals: Collection[int]) -> Exception:
    code, description = error.get("err_code", 0), error.get("description", "")
    if code in refusals:
        return Refused(code, description)
    return Unavailable(f"{description} ({code})")


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(str(error) or type(error).__name__)


def _headers(raw: bytes) -> dict[str, str]:
    pairs = (line.partition(": ") for line in raw.decode().split("\r\n")[1:] if line)
    return {name: value for name, _, value in pairs}
