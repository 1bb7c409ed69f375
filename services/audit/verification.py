"""Proving that everything agrees with the log, while the service runs or stands still."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from adapters.backup_store.port import BackupStore
from adapters.bus.port import Parked
from adapters.event_store.port import EventStore
from adapters.key_manager.port import KeyManager
from domain.aggregate import Aggregate
from domain.aggregates import AGGREGATES
from domain.errors import Unavailable
from domain.event import Event, Recorded
from projections.views import Views
from services.audit import catalogue, image_cache, keys, quota, read_models
from services.audit.backups import BackupAudit
from services.audit.dependence import DependenceAudit
from services.audit.objects import Backend, ObjectAudit
from services.audit.promises import PromiseAudit
from services.audit.replay import Replay
from services.audit.report import Finding, Note, Report
from services.audit.stored import StoredLog
from services.unit_of_work import SNAPSHOT_EVERY

BATCH = 2_000
"""Entries read at a time."""

Progress = Callable[[str, int, int], None]
"""Told what is being checked, how much of it is done, and how much there is."""


class Takes(Protocol):
    """What is compared with the log as it is read."""

    def take(self, recorded: Recorded[Event]) -> None:
        """The next event of the log."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be held against the log. `parked` raises Unavailable if nobody can tell."""

    log: StoredLog
    store: EventStore
    views: Views
    backends: Sequence[Backend]
    keys: KeyManager
    backups: BackupStore | None = None
    """None: nobody looks at the store of backups."""
    parked: Callable[[], Awaitable[Sequence[Parked]]]


async def verify(
    parts: Parts,
    *,
    at: datetime,
    at_rest: bool = False,
    chunks: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Replays the whole log and compares. With `at_rest`, whatever is not at rest is a finding;
    with `chunks`, all that backups hold is read and compared, too.

    Raises Unavailable if the log or the ledger cannot be read.
    """
    return await _Verification(parts, progress).run(at=at, at_rest=at_rest, chunks=chunks)


class _Verification:
    """One run. Read models, names and ledger are read first, each with its position and the ledger
    last; the log, which is at least as far, then tells what they had to be there."""

    def __init__(self, parts: Parts, progress: Progress) -> None:
        self._parts = parts
        self._progress = progress
        self._replay = Replay()
        self._findings: list[Finding] = []
        self._notes: list[Note] = []
        self._unchecked: list[Note] = []
        self._compared: dict[str, int] = {}

    async def run(self, *, at: datetime, at_rest: bool, chunks: bool) -> Report:
        models = await self._read_models()
        pools = PromiseAudit(*await self._parts.store.promises())
        names = catalogue.NameAudit(*await self._parts.store.names())
        needs = DependenceAudit(*await self._parts.store.dependence())
        ledger = quota.LedgerAudit(*await self._parts.store.ledger())
        await self._replay_log(ledger, (names, pools, needs, *models))
        end = self._replay.position
        self._findings += [*quota.reservations(self._replay, at), *ledger.findings()]
        self._findings += keys.ties(self._replay)
        self._findings += [*catalogue.ties(self._replay), *names.findings(), *pools.findings()]
        self._findings += [*catalogue.closures(self._replay), *needs.findings()]
        self._findings += image_cache.ties(self._replay)
        self._notes += image_cache.beyond(self._replay, self._parts.backends)
        self._compared["ledger rows"] = ledger.compared()
        self._compared["names"] = names.compared()
        self._compared["pools"] = pools.compared()
        self._compared["dependents"] = needs.compared()
        for model in models:
            self._findings += model.findings(end)
            self._notes += model.notes(end)
            self._compared[f"rows of {model.projection.name}"] = model.compared()
        await self._snapshots()
        await self._objects()
        await self._keys()
        await self._backups(chunks=chunks)
        self._rest(at, required=at_rest)
        await self._parked()
        return Report(
            at=at,
            position=self._replay.position,
            events=self._replay.events,
            aggregates=self._replay.counts(),
            compared=self._compared,
            findings=[*self._replay.findings, *self._findings],
            notes=self._notes,
            unchecked=self._unchecked,
        )

    async def _read_models(self) -> list[read_models.ReadModelAudit]:
        try:
            models, unread = await read_models.read(self._parts.views)
        except Unavailable as error:
            self._unchecked.append(Note(kind="projection", id="all", detail=error.reason))
            return []
        self._unchecked += unread
        return models

    async def _replay_log(
        self,
        ledger: quota.LedgerAudit,
        others: Sequence[Takes],
    ) -> None:
        """Up to the ledger's position, where the log's last commit was then; it was read last."""
        while self._replay.position < ledger.position:
            for entry in await self._parts.log.after(self._replay.position, BATCH):
                if entry.position > ledger.position:
                    return
                self._replay.take(entry)
                if entry.recorded is not None:
                    ledger.take(entry.position, entry.recorded.event)
                    for each in others:
                        each.take(entry.recorded)
            self._progress("log", self._replay.position, ledger.position)

    async def _catch_up(self) -> None:
        """Reads the log on to its present end."""
        end = await self._parts.store.last_position()
        while self._replay.position < end:
            for entry in await self._parts.log.after(self._replay.position, BATCH):
                self._replay.take(entry)

    async def _snapshots(self) -> None:
        """Every stored snapshot is what its events lead to."""
        long = [
            each
            for each in self._replay.aggregates.values()
            if each.version >= SNAPSHOT_EVERY and each.id not in self._replay.damaged
        ]
        for aggregate in long:
            await self._snapshot(aggregate)
        self._compared["snapshots"] = len(long)

    async def _snapshot(self, aggregate: Aggregate) -> None:
        cls = AGGREGATES[aggregate.kind]
        stored = await self._parts.store.snapshot(aggregate.id)
        if stored is None or stored.topic != cls.snapshot_topic:
            return
        history = await self._parts.store.events(aggregate.id, limit=stored.version)
        due = cls.from_history(aggregate.id, history)
        try:
            same = msgspec.json.decode(stored.state, type=cls) == due
        except msgspec.MsgspecError:
            same = False
        if not same:
            detail = f"the snapshot at version {stored.version} is not what its events lead to"
            finding = Finding(kind="snapshot.differs", id=str(aggregate.id), detail=detail)
            self._findings.append(finding)

    async def _objects(self) -> None:
        audit = ObjectAudit(self._replay, self._catch_up)
        total = sum(len(backend.pools) for backend in self._parts.backends)
        done = 0

        def looked(_: str) -> None:
            nonlocal done
            done += 1
            self._progress("pools", done, total)

        await audit.check(self._parts.backends, looked)
        self._findings += audit.findings
        self._notes += audit.notes
        self._unchecked += audit.unchecked
        self._compared["objects"] = audit.compared
        self._compared["connections"] = audit.connections

    async def _keys(self) -> None:
        audit = keys.KeyAudit(self._replay, self._catch_up)
        await audit.check(self._parts.keys)
        self._findings += audit.findings
        self._unchecked += audit.unchecked
        self._compared["keys"] = audit.compared

    async def _backups(self, *, chunks: bool) -> None:
        if self._parts.backups is None:
            return
        audit = BackupAudit(self._replay, self._catch_up)
        await audit.check(self._parts.backups, chunks=chunks)
        self._findings += audit.findings
        self._notes += audit.notes
        self._unchecked += audit.unchecked
        self._compared["backups"] = audit.compared

    def _rest(self, at: datetime, *, required: bool) -> None:
        for name, detail in self._restless(at):
            if required:
                self._findings.append(Finding(kind="rest.not", id=name, detail=detail))
            else:
                self._notes.append(Note(kind="rest", id=name, detail=detail))

    def _restless(self, at: datetime) -> Iterator[tuple[str, str]]:
        """What is not at rest, and how."""
        for aggregate in self._replay.restless():
            since = self._replay.since.get(aggregate.id)
            age = f" for {(at - since).total_seconds():.1f} s" if since else ""
            yield f"{aggregate.kind} {aggregate.id}", f"is {aggregate.state}{age}"
        for entry in image_cache.leaving(self._replay):
            yield f"volume {entry.volume_id}", "keeps its image no longer, and is not evicted yet"

    async def _parked(self) -> None:
        try:
            parked = await self._parts.parked()
        except Unavailable as error:
            detail = f"whether messages are parked cannot be told: {error.reason}"
            self._notes.append(Note(kind="bus", id="parked", detail=detail))
            return
        for message in parked:
            reason = message.error.splitlines()[0] if message.error else ""
            detail = f"{message.consumer} gave up on {message.subject}: {reason}"
            self._notes.append(Note(kind="parked", id=str(message.id), detail=detail))
