"""Backups: the store against the log, and what they are read through on backends."""

from collections.abc import Awaitable, Callable, Iterator

from adapters.backup_store.port import BackupStore, BackupStoreFailure, Location
from domain.aggregates.backup import Backup
from domain.errors import NotFound
from services.audit.replay import Replay
from services.audit.report import Finding, Note

PART = "backup store"
KEPT = frozenset({"available", "restoring", "writing"})
"""Of a backup in one of these states the store has all."""
BEING_MADE = frozenset({"making", "cancelling"})


def captures(replay: Replay, where: str) -> set[str]:
    """The objects on a pool through which backups that are being made may be read."""
    return {
        f"snapshot-{each.id}"
        for each in _backups(replay)
        if each.state in BEING_MADE and each.snapshot_id is None and each.host == where
    }


class BackupAudit:
    """The store, held against a replay that may go on while this looks.

    What looks wrong is only suspected: the log is read on, the store is listed anew, and what then
    still looks wrong is a finding. What the log never heard of is told, and no finding: several
    installations may share a store.
    """

    def __init__(self, replay: Replay, catch_up: Callable[[], Awaitable[None]]) -> None:
        self._replay = replay
        self._catch_up = catch_up
        self.compared = 0
        """How many backups were seen."""
        self.findings: list[Finding] = []
        self.notes: list[Note] = []
        self.unchecked: list[Note] = []

    async def check(self, store: BackupStore, *, chunks: bool = False) -> None:
        """Looks at what the store has; with `chunks` it reads and compares all of it, too."""
        try:
            await self._listed(store)
            if chunks:
                await self._read(store)
        except BackupStoreFailure as failure:
            self.unchecked.append(Note(kind="backups", id=PART, detail=failure.reason))

    async def _listed(self, store: BackupStore) -> None:
        held = await store.held()
        self.compared = len(held)
        missing, orphans = self._missing(held), self._orphans(held)
        if missing or orphans:
            await self._catch_up()
            held = await store.held()
            missing &= self._missing(held)
            orphans &= self._orphans(held)
        for location in sorted(missing):
            self._find("backup.missing", location, "is available, and the store does not have it")
        for location in sorted(orphans):
            self._find("backup.orphan", location, "is deleted, and the store has something of it")
        for location in sorted(held):
            if location.id not in self._replay.aggregates:
                detail = f"{location} is in the store, and not one of this log"
                self.notes.append(Note(kind="backups", id=str(location.id), detail=detail))

    async def _read(self, store: BackupStore) -> None:
        for backup in list(_backups(self._replay)):
            if backup.state not in KEPT:
                continue
            location = _location(backup)
            try:
                damages = await store.verify(location)
            except NotFound:  # it is missing, or was deleted meanwhile
                continue
            for damage in damages:
                self._find("backup.damaged", location, str(damage))

    def _missing(self, held: dict[Location, bool]) -> set[Location]:
        due = {_location(each) for each in self._known() if each.state in KEPT}
        return {location for location in due if not held.get(location)}

    def _orphans(self, held: dict[Location, bool]) -> set[Location]:
        gone = {_location(each) for each in self._known() if each.state == "deleted"}
        return gone & held.keys()

    def _known(self) -> Iterator[Backup]:
        damaged = self._replay.damaged
        return (each for each in _backups(self._replay) if each.id not in damaged)

    def _find(self, kind: str, location: Location, detail: str) -> None:
        self.findings.append(Finding(kind=kind, id=str(location.id), detail=detail))


def _location(backup: Backup) -> Location:
    return Location(backup.container, backup.id)


def _backups(replay: Replay) -> Iterator[Backup]:
    for each in replay.of_kind(Backup.kind):
        assert isinstance(each, Backup)
        yield each
