"""Leases and boards as NATS key-value buckets whose entries expire; `nats kv` can read them."""

import contextlib
from typing import Any

from adapters.bus.nats_api import (
    NO_MESSAGE,
    NO_SEQUENCE,
    STREAM_NOT_FOUND,
    WRONG_LAST_SEQUENCE,
    WRONG_LAST_SEQUENCE_CONSTANT,
    JetStream,
    Refused,
    Stored,
    nanoseconds,
)
from adapters.bus.subjects import check_key

_HOLDER = "holder"


class Bucket:
    """One key-value bucket, made when it is missing."""

    def __init__(
        self, jetstream: JetStream, name: str, *, ttl_s: float, storage: str, replicas: int
    ) -> None:
        self._jetstream = jetstream
        self.stream = f"KV_{name}"
        self.prefix = f"$KV.{name}."
        self._config: dict[str, Any] = {
            "name": self.stream,
            "subjects": [f"{self.prefix}>"],
            "storage": storage,
            "num_replicas": replicas,
            "max_msgs_per_subject": 1,
            "max_age": nanoseconds(ttl_s),
            "duplicate_window": nanoseconds(min(ttl_s, 1.0)),
            "discard": "new",
            "allow_rollup_hdrs": True,
            "allow_direct": True,
        }

    async def ensure(self) -> None:
        await self._jetstream.ensure_stream(self._config)

    async def get(self, key: str) -> Stored | None:
        try:
            return await self._jetstream.message(self.stream, last_by_subj=self.prefix + key)
        except Refused:
            return None

    async def put(self, key: str, value: bytes) -> None:
        try:
            await self._jetstream.publish(self.prefix + key, value, refusals=[STREAM_NOT_FOUND])
        except Refused:
            await self._jetstream.remake_stream(self._config)
            await self._jetstream.publish(self.prefix + key, value)

    async def replace(self, key: str, value: bytes, revision: int) -> bool:
        """Put only if the key is at `revision`, 0 for absent; whether it was."""
        try:
            await self._jetstream.publish(
                self.prefix + key,
                value,
                {"Nats-Expected-Last-Subject-Sequence": str(revision)},
                refusals=[WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_CONSTANT, STREAM_NOT_FOUND],
            )
        except Refused as refused:
            if refused.code == STREAM_NOT_FOUND:
                await self._jetstream.remake_stream(self._config)
                return await self.replace(key, value, 0)
            return False
        return True

    async def remove_revision(self, revision: int) -> None:
        await self._try(f"STREAM.MSG.DELETE.{self.stream}", {"seq": revision})

    async def remove(self, key: str) -> None:
        await self._try(f"STREAM.PURGE.{self.stream}", {"filter": self.prefix + key})

    async def _try(self, what: str, body: object) -> None:
        """Ask for something that may be done already."""
        with contextlib.suppress(Refused):
            await self._jetstream.ask(
                what, body, refusals=[NO_MESSAGE, NO_SEQUENCE, STREAM_NOT_FOUND]
            )


async def take_lease(bucket: Bucket, holder: str) -> bool:
    """Write our name over our own or over nobody's; compare-and-set decides a race."""
    entry = await bucket.get(_HOLDER)
    if entry is None:
        return await bucket.replace(_HOLDER, holder.encode(), 0)
    if entry.payload.decode() != holder:
        return False
    return await bucket.replace(_HOLDER, holder.encode(), entry.sequence)


async def release_lease(bucket: Bucket, holder: str) -> None:
    entry = await bucket.get(_HOLDER)
    if entry is not None and entry.payload.decode() == holder:
        await bucket.remove_revision(entry.sequence)


class NatsBoard:
    def __init__(self, jetstream: JetStream, bucket: Bucket) -> None:
        self._jetstream = jetstream
        self._bucket = bucket

    async def put(self, key: str, value: bytes) -> None:
        check_key(key)
        await self._bucket.put(key, value)

    async def all(self) -> dict[str, bytes]:
        prefix = self._bucket.prefix
        found = await self._jetstream.latest(self._bucket.stream, f"{prefix}>")
        return {subject.removeprefix(prefix): found[subject] for subject in sorted(found)}

    async def remove(self, key: str) -> None:
        await self._bucket.remove(key)
