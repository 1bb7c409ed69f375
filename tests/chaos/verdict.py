"""What must hold at the end, when nothing has gone wrong for long enough."""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
import nats
from nats.js.api import ConsumerConfig

from adapters.bus.nats_publisher import ID
from adapters.bus.port import Bus
from adapters.event_store.port import EventStore
from domain.aggregate import Aggregate
from domain.aggregates.quota_reservation import Refused
from domain.aggregates.volume import Volume
from domain.event import Event, Recorded
from services import composition, settings
from services.api.faults import UNEXPECTED
from services.audit.objects import MUST
from services.audit.replay import Replay
from services.audit.stored import LogOfStore
from services.notifications.envelope import STREAM
from services.notifications.telling import Notifications
from tests.chaos.deployment import Stricken
from tests.chaos.known import Answer, Known, Thing, all_of, digest
from tests.chaos.load import Load
from tests.support import invariants

PATIENCE_S, QUIET_S = 300.0, 75.0
"""How long all may take to come to rest, and how long nothing may happen meanwhile. Waited out only
when a promise is broken."""
HAS_NOTHING_TO_DO = frozenset({"limit", "look", "detach", "attach"})
"""Wishes that may be fulfilled already."""
KINDS = ("volumes", "snapshots", "backups")

Log = Sequence[Recorded[Event]]


class Verdict(msgspec.Struct):
    """What was found."""

    violations: list[str] = []
    events: int = 0
    parked: int = 0
    """How many messages an operator had to give back."""
    rested_s: float = 0.0
    """How long it took until everything was at rest."""


async def judged(on: Stricken, load: Load) -> Verdict:
    """Waits until all is at rest, gives back what was parked, and holds all against the log."""
    verdict = Verdict()
    _settle(on, verdict)
    configured = settings.load(environ=on.env)
    store = composition.open_store(configured)
    try:
        log = await store.log(0, 10**9)
        replay = Replay()
        for entry in await LogOfStore(store).after(0, 10**9):
            replay.take(entry)
        verdict.events = len(log)
        found = verdict.violations
        found += invariants.over_quota(log, limits=composition.default_limits(configured))
        found += [f"a client was at a loss: {odd}" for odd in load.failed]
        found += answers_wrong(load.answers, log)
        found += fates_wrong(load.known, load.answers, replay.aggregates)
        found += _contents(on, load, replay.aggregates)
        async with composition.open_bus(configured, name="chaos") as bus:
            found += await _streams(on, store, bus)
    finally:
        await store.close()
    return verdict


async def _streams(on: Stricken, store: EventStore, bus: Bus) -> list[str]:
    """What the streams lack, or have too much. Nothing tells when all of the log is published,
    so they are given the time in which something has to happen."""
    until = time.monotonic() + QUIET_S
    while True:
        published, told = await _ids(on, "LAPILLI"), await _ids(on, f"LAPILLI_{STREAM.upper()}")
        log = await store.log(0, 10**9)
        telling = Notifications(store=store, bus=bus, clock=composition.now, keep_s=1e9)
        found = [*invariants.not_copied([int(id) for id in published], end=len(log))]
        found += await invariants.not_told(telling, log, told)
        if not found or time.monotonic() > until:
            return found
        await asyncio.sleep(1.0)


def _settle(on: Stricken, verdict: Verdict) -> None:
    """Until `lapilli verify --at-rest` finds nothing, and nothing is parked."""
    began = moved = time.monotonic()
    position = 0
    while True:
        on.assert_running()
        found = _verified(on)
        if found.parked:
            verdict.parked += len(found.parked)
            on.cli("parked", "retry", "--all")
        elif not found.wrong:
            break
        if found.position > position:
            position, moved = found.position, time.monotonic()
        if time.monotonic() > min(began + PATIENCE_S, moved + QUIET_S):
            verdict.violations += [*found.wrong, *found.parked]
            break
        time.sleep(1.0)
    verdict.rested_s = time.monotonic() - began


class _Found(msgspec.Struct):
    """What `lapilli verify` says."""

    wrong: list[str]
    parked: list[str] = []
    position: int = 0


def _verified(on: Stricken) -> _Found:
    verified = on.cli("verify", "--at-rest", "--json")
    try:
        report = json.loads(verified.stdout)["report"]
    except (ValueError, KeyError):
        return _Found([f"verify ended with {verified.returncode}: {verified.stderr[-500:]}"])
    wrong = [*report["findings"], *report["unchecked"]]
    parked = [each for each in report["notes"] if each["kind"] in ("parked", "bus")]
    return _Found([*map(_line, wrong)], [*map(_line, parked)], report["position"])


def _line(found: Mapping[str, str]) -> str:
    return f"{found['kind']}: {found['id']} {found['detail']}"


def answers_wrong(answers: Iterable[Answer], log: Log) -> Iterator[str]:
    """Whoever was told that something will happen finds it in the log; whoever was refused,
    nothing."""
    caused: dict[str, list[str]] = defaultdict(list)
    for recorded in log:
        if not isinstance(recorded.event, Refused):
            caused[recorded.moment.request_id].append(recorded.event.type_name)
    for answer in answers:
        effects = caused[answer.request_id]
        if answer.status == 500 and UNEXPECTED in str(answer.body):
            yield f"nobody foresaw {answer.words}"
        elif answer.method == "GET":
            continue
        elif answer.status < 300 and not effects and answer.what not in HAS_NOTHING_TO_DO:
            yield f"accepted, and nothing happened: {answer.words}"
        elif 400 <= answer.status < 500 and answer.status != 409 and effects:
            yield f"refused, and it happened: {answer.words}: {effects[:5]}"


def fates_wrong(
    known: Sequence[Known], answers: Iterable[Answer], aggregates: Mapping[UUID, Aggregate]
) -> Iterator[str]:
    """What was made is there unless somebody tried to delete it; what was deleted is gone."""
    volumes = all_of(known, "volumes")
    for kind in KINDS:
        for id, thing in all_of(known, kind).items():
            found = aggregates.get(UUID(id))
            if found is None:
                yield f"{kind} {id} was accepted, and is not in the log"
            elif found.state == "deleted" and not _tried(thing, volumes):
                yield f"{kind} {id} is gone, which nobody asked for"
    for answer in answers:
        if answer.method == "DELETE" and answer.status == 202:
            kind, id = answer.path.partition("?")[0].split("/")[1:]
            state = aggregates[UUID(id)].state if UUID(id) in aggregates else "unknown"
            if state not in ("deleted", "error_deleting"):
                yield f"accepted, and not done: {answer.words}: it is {state}"


def _tried(thing: Thing, volumes: Mapping[str, Thing]) -> bool:
    """Snapshots go with their volumes."""
    whole = volumes.get(thing.of)
    return thing.tried or (whole is not None and whole.tried)


def _contents(on: Stricken, load: Load, aggregates: Mapping[UUID, Aggregate]) -> Iterator[str]:
    """Every volume that can be used holds what it was made from, and has its size."""
    for id, thing in all_of(load.known, "volumes").items():
        volume = aggregates.get(UUID(id))
        if not isinstance(volume, Volume) or volume.state not in MUST or not volume.host:
            continue
        backend, _, pool = volume.host.partition("@")[2].partition("#")
        path = on.directory / "data" / backend / pool / f"volume-{id}"
        if not path.exists() or path.stat().st_size != volume.size_gib * 2**30:
            yield f"volume {id} is available, and {path} is not there, or not of its size"
        elif digest_of(path) not in thing.contents:
            yield f"volume {id} does not hold what it was made from"


def digest_of(path: Path) -> str:
    """Of what is not a hole at its end."""
    file = os.open(path, os.O_RDONLY)
    try:
        end, length = 0, os.fstat(file).st_size
        while end < length:
            try:
                start = os.lseek(file, end, os.SEEK_DATA)
            except OSError:  # only holes from here on
                break
            end = os.lseek(file, start, os.SEEK_HOLE)
        return digest(os.pread(file, end, 0))
    finally:
        os.close(file)


async def _ids(on: Stricken, stream: str) -> list[str]:
    """Of every message of the stream, in its order."""
    client = await nats.connect(on.cluster.url.split(","))
    try:
        jetstream = client.jetstream()
        count = (await jetstream.stream_info(stream)).state.messages
        config = ConsumerConfig(headers_only=True)
        reading = await jetstream.subscribe("", stream=stream, ordered_consumer=True, config=config)
        messages = [await reading.next_msg(timeout=30) for _ in range(count)]
        return [(message.headers or {})[ID] for message in messages]
    finally:
        await client.close()
