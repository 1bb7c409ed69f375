"""Objects on backends: each against what the log says may or must be there."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

import msgspec

from adapters.drivers.contract import Connected, Driver, DriverFailure
from domain.aggregates.image_cache import Limits
from domain.aggregates.move import Move
from domain.aggregates.remnant import Remnant
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.aggregates.volume.exporting import exported
from services.audit.backups import captures
from services.audit.replay import Replay
from services.audit.report import Finding, Note

PREFIX = "volume-"
MUST = frozenset({"available", "backing_up", "error_extending", "error_restoring"})
"""A volume or snapshot in one of these states has an object."""
NEVER = frozenset({"requested", "deleted"})
"""In these it has none. In all others it may: something is under way, or nobody knows what the
backend did last."""
COMING = frozenset({"placed", "moving", "completing"})
"""Where a move in one of these states leads, the volume's object may be as well."""


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """A configured backend: `host@backend`, and its driver unless there is a reason `why_not`."""

    host: str
    pools: Sequence[str]
    driver: Driver | None
    why_not: str = ""
    keeps: Limits | None = None
    """How many images it keeps; None: none, or nobody knows."""


class ObjectAudit:
    """All backends, held against a replay that may go on while this looks.

    A pool is listed while the service works, so what looks wrong is only suspected: the log is
    read on and the pool listed anew, and what then still looks wrong is a finding.
    """

    def __init__(self, replay: Replay, catch_up: Callable[[], Awaitable[None]]) -> None:
        self._replay = replay
        self._catch_up = catch_up
        self.compared = 0
        """How many objects were seen."""
        self.connections = 0
        """How many connections were seen."""
        self.findings: list[Finding] = []
        self.notes: list[Note] = []
        self.unchecked: list[Note] = []

    async def check(
        self, backends: Iterable[Backend], looked: Callable[[str], None] = lambda pool: None
    ) -> None:
        """Looks at every pool; `looked` hears of each when it is done."""
        checked: set[str] = set()
        for backend in backends:
            for pool in backend.pools:
                where = f"{backend.host}#{pool}"
                checked.add(where)
                if backend.driver is None:
                    self.notes.append(Note(kind="backend", id=where, detail=backend.why_not))
                    continue
                try:
                    await self._pool(where, backend.driver, pool)
                except DriverFailure as failure:
                    self.unchecked.append(Note(kind="backend", id=where, detail=failure.reason))
                looked(where)
        self._elsewhere(checked)

    async def _pool(self, where: str, driver: Driver, pool: str) -> None:
        await self._connections(where, driver, pool)
        before = self._expected(where)
        objects = await driver.objects(pool)
        self.compared += len(objects)
        missing, orphans = before.must - objects, objects - before.all
        if not missing and not orphans:
            return
        await self._catch_up()
        after = self._expected(where)
        missing &= after.must
        orphans -= after.all
        if missing or orphans:
            objects = await driver.objects(pool)
        for name in sorted(missing - objects):
            kind, _, id = name.partition("-")
            self._find("object.missing", id, f"the {kind} is available, and {where} has no {name}")
        for name in sorted(orphans & objects):
            detail = f"is on {where}, and {self._whose(name)}"
            self._find("object.orphan", name, detail)

    async def _connections(self, where: str, driver: Driver, pool: str) -> None:
        """Who the backend lets reach its volumes, against who the log says is attached."""
        before = self._reaching(where)
        there = await driver.connections(pool)
        self.connections += len(there)
        missing, extra = before.must - there, there - before.all
        if not missing and not extra:
            return
        await self._catch_up()
        after = self._reaching(where)
        missing, extra = missing & after.must, extra - after.all
        if missing or extra:
            there = await driver.connections(pool)
        for each in sorted(missing - there):
            detail = f"{each.object_name} is attached, and {where} lets nobody reach it for that"
            self._find("connection.missing", str(each.attachment_id), detail)
        for each in sorted(extra & there):
            detail = f"{where} lets somebody reach {each.object_name}, who is not attached"
            self._find("connection.extra", str(each.attachment_id), detail)

    def _find(self, kind: str, id: str, detail: str) -> None:
        self.findings.append(Finding(kind=kind, id=id, detail=detail))

    def _reaching(self, where: str) -> "_Reaching":
        must: set[Connected] = set()
        may: set[Connected] = set()
        for volume in self._volumes():
            for attachment in volume.attachments.values() if volume.host == where else ():
                connected = Connected(f"{PREFIX}{volume.id}", UUID(attachment.id))
                well = volume.state in MUST and volume.id not in self._replay.damaged
                (must if well and exported(attachment) else may).add(connected)
        return _Reaching(frozenset(must), frozenset(must | may))

    def _expected(self, where: str) -> "_Expected":
        must: set[str] = set()
        may: set[str] = set()
        for each in (*self._volumes(), *self._replay.of_kind(Snapshot.kind)):
            assert isinstance(each, Volume | Snapshot)
            if each.host == where and each.state not in NEVER:
                (must if each.state in MUST else may).add(f"{each.kind}-{each.id}")
        for move in self._replay.of_kind(Move.kind):
            assert isinstance(move, Move)
            if move.host == where and move.state in COMING:
                may.add(f"{PREFIX}{move.volume_id}")
        for remnant in self._replay.of_kind(Remnant.kind):
            assert isinstance(remnant, Remnant)
            if remnant.host == where and remnant.state == "left":
                may.add(f"{PREFIX}{remnant.volume_id}")
        may |= captures(self._replay, where)
        # what cannot be read may be anything, anywhere
        damaged = {f"{kind}-{id}" for id in self._replay.damaged for kind in ("volume", "snapshot")}
        return _Expected(frozenset(must - damaged), frozenset(must | may | damaged))

    def _volumes(self) -> Iterable[Volume]:
        return (each for each in self._replay.aggregates.values() if isinstance(each, Volume))

    def _whose(self, name: str) -> str:
        kind, id = _named(name)
        thing = self._replay.aggregates.get(id) if id else None
        if not isinstance(thing, Volume | Snapshot) or thing.kind != kind:
            return f"no {kind} in the log has this id"
        return f"its {kind} is {thing.state}" + (f" on {thing.host}" if thing.host else "")

    def _elsewhere(self, checked: set[str]) -> None:
        """Says which volumes were not looked at, because their pool is not configured here."""
        others: Mapping[str, list[UUID]] = defaultdict(list)
        for volume in self._volumes():
            if volume.host and volume.host not in checked and volume.state in MUST:
                others[volume.host].append(volume.id)
        for where, ids in sorted(others.items()):
            detail = f"is not configured here; {len(ids)} volumes are available there"
            self.notes.append(Note(kind="backend", id=where, detail=detail))


class _Reaching(msgspec.Struct, frozen=True):
    """Connections that a pool must have, and all that it may have."""

    must: frozenset[Connected]
    all: frozenset[Connected]


class _Expected(msgspec.Struct, frozen=True):
    """The names of the objects that must be in a pool, and of all that may be there."""

    must: frozenset[str]
    all: frozenset[str]


def _named(name: str) -> tuple[str, UUID | None]:
    """What an object is of: a volume unless it says otherwise; without id if it is of none."""
    kind, dash, id = name.partition("-")
    with suppress(ValueError):
        if dash and kind in (Volume.kind, Snapshot.kind):
            return kind, UUID(id)
    return Volume.kind, None
