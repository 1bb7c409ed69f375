"""The store of backups held against the log: what is missing, left over or damaged is found."""

from adapters.backup_store.port import Location
from adapters.backup_store.store import ChunkedBackupStore
from domain.containers import DEFAULT_CONTAINER
from services.audit import quota
from services.audit.backups import BackupAudit, captures
from services.audit.replay import Replay
from services.audit.stored import LogOfStore
from tests.services.processes.keeping import (
    BACKUP,
    a_ring_with_a_backup,
    a_ring_with_content,
    back_up,
    delete,
)
from tests.services.processes.ring import BACKEND, POOL, Ring
from tests.support.builders import a_moment, an_id

PLACE = Location(DEFAULT_CONTAINER, BACKUP)


async def audited(ring: Ring, *, chunks: bool = True) -> BackupAudit:
    """What an audit finds now; nothing happens meanwhile."""
    replay = Replay()
    for entry in await LogOfStore(ring.store).after(0, 10_000):
        replay.take(entry)
    assert list(quota.reservations(replay, a_moment().at)) == []

    async def nothing() -> None:
        pass

    audit = BackupAudit(replay, nothing)
    await audit.check(ChunkedBackupStore(ring.shelf, threads=0), chunks=chunks)
    return audit


async def found(ring: Ring, *, chunks: bool = True) -> list[str]:
    return [each.kind for each in (await audited(ring, chunks=chunks)).findings]


async def test_what_agrees_is_no_finding_and_what_others_made_is_told():
    ring = await a_ring_with_a_backup()
    assert await found(ring) == []
    ring.shelf.files[Location(DEFAULT_CONTAINER, an_id(9))] = {"x": b""}
    audit = await audited(ring)
    assert audit.findings == [] and [note.id for note in audit.notes] == [str(an_id(9))]


async def test_what_is_missing_or_left_over_or_damaged_is_found():
    ring = await a_ring_with_a_backup()
    files = dict(ring.shelf.files[PLACE])
    chunk = next(name for name in sorted(files) if name != "manifest.json")
    ring.shelf.files[PLACE][chunk] = b"?" * len(files[chunk])
    assert await found(ring, chunks=False) == []
    [damaged] = (await audited(ring)).findings
    assert damaged.kind == "backup.damaged" and chunk in damaged.detail
    del ring.shelf.files[PLACE]
    assert await found(ring) == ["backup.missing"]
    ring.shelf.files[PLACE] = files
    await delete(ring)
    await ring.go_on()
    ring.shelf.files[PLACE] = files
    assert await found(ring) == ["backup.orphan"]


async def test_what_one_is_read_through_may_be_on_its_backend_while_it_is_made():
    ring = await a_ring_with_content()
    await back_up(ring)
    replay, where = Replay(), f"{BACKEND}#{POOL}"
    seen = []
    await ring.go_on()
    for entry in await LogOfStore(ring.store).after(0, 10_000):
        replay.take(entry)
        if (entry.topic, captures(replay, where)) not in seen:
            seen.append((entry.topic, captures(replay, where)))
    during = {topic for topic, names in seen if names == {f"snapshot-{BACKUP}"}}
    assert {"backup.creation_started.v1", "backup.captured.v1"} <= during
    assert "backup.created.v1" not in during
