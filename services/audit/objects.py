"""Objects on backends: each against what the log says may or must be there."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

import msgspec

from adapters.drivers.contract import Connected, Driver, DriverFailure
from domain.aggregates.move import Move
from domain.aggregates.remnant import Remnant
from domain.aggregates.volume import Volume
from domain.aggregates.volume.exporting import exported
from services.audit.replay import Replay
from services.audit.report import Finding, Note

PREFIX = "volume-"
MUST = frozenset({"available", "error_extending"})
"""A volume in one of these states has an object."""
MAY = frozenset(
    {
        "placed",
        "provisioning",
        "downloading",
        "error",
        "cancelling",
        "deleting",
        "removing",
        "error_deleting",
        "unreachable",
    }
)
"""In these it may: something is under way, or nobody knows what the backend did last."""
COMING = frozenset({"placed", "moving", "completing"})
"""Where a move in one of these states leads, the volume's object may be as well."""


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """A configured backend: `host@backend`, and its driver unless there is a reason `why_not`."""

    host: str
    pools: Sequence[str]
    driver: Driver | None
    why_not: str = ""


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
        missing = {id for id in before.must if f"{PREFIX}{id}" not in objects}
        orphans = {name for name in objects if _id(name) not in before.all}
        if not missing and not orphans:
            return
        await self._catch_up()
        after = self._expected(where)
        missing &= after.must
        orphans = {name for name in orphans if _id(name) not in after.all}
        if missing or orphans:
            objects = await driver.objects(pool)
        for id in sorted(missing):
            if f"{PREFIX}{id}" not in objects:
                detail = f"the volume is available, and {where} has no {PREFIX}{id}"
                self._find("object.missing", str(id), detail)
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
        must, may = set(), set()
        for volume in self._volumes():
            if volume.host == where and volume.state in MUST:
                must.add(volume.id)
            elif volume.host == where and volume.state in MAY:
                may.add(volume.id)
        for move in self._replay.of_kind(Move.kind):
            assert isinstance(move, Move)
            if move.host == where and move.state in COMING:
                may.add(UUID(move.volume_id))
        for remnant in self._replay.of_kind(Remnant.kind):
            assert isinstance(remnant, Remnant)
            if remnant.host == where and remnant.state == "left":
                may.add(UUID(remnant.volume_id))
        # what cannot be read may be anything, anywhere
        damaged = self._replay.damaged
        return _Expected(frozenset(must - damaged), frozenset(must | may | damaged))

    def _volumes(self) -> Iterable[Volume]:
        return (each for each in self._replay.aggregates.values() if isinstance(each, Volume))

    def _whose(self, name: str) -> str:
        id = _id(name)
        volume = self._replay.aggregates.get(id) if id else None
        if not isinstance(volume, Volume):
            return "no volume in the log has this id"
        return f"its volume is {volume.state}" + (f" on {volume.host}" if volume.host else "")

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
    """Volumes that must have an object in a pool, and all that may have one."""

    must: frozenset[UUID]
    all: frozenset[UUID]


def _id(name: str) -> UUID | None:
    """The volume that an object is of; None if it is of none."""
    if name.startswith(PREFIX):
        with suppress(ValueError):
            return UUID(name.removeprefix(PREFIX))
    return None
