"""Backups of encrypted volumes: each has a key of its own, and none stays behind it."""

import pytest

from domain.aggregates.backup.importing import Record, record_of
from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.errors import InUse, InvalidRequest
from services.commands.backup import ResetBackup
from services.commands.backup_records import ImportBackup
from services.commands.backup_work import FinishImport
from services.commands.giving_up import GiveUp
from tests.services.processes.deaths import Given, Then, die_everywhere
from tests.services.processes.keeping import (
    BACKUP,
    INCREMENT,
    assert_kept,
    assert_nothing_waits,
    back_up,
    delete,
    filled,
    held,
    hold,
    restore,
    the_backup,
)
from tests.services.processes.lateness import ALLOWED
from tests.services.processes.ring import PATIENCE_S, Process, Ring
from tests.services.processes.sealed import LUKS, an_encrypted_volume, assert_keys, key_id
from tests.support.around import Outage, around
from tests.support.builders import PROJECT, USER, a_moment, an_id

DAY_S = 86_400.0


async def with_a_backup(content: str = "a") -> Ring:
    """One that is available."""
    ring = await an_encrypted_volume(content)
    await back_up(ring)
    await ring.go_on()
    await assert_kept(ring, content)
    return ring


# deaths


async def a_request() -> Ring:
    ring = await an_encrypted_volume()
    await back_up(ring)
    return ring


async def made(ring: Ring) -> None:
    await assert_kept(ring, "a")
    await assert_keys(ring, await key_id(ring), (await the_backup(ring)).encryption_key_id)


async def a_restore() -> Ring:
    ring = await with_a_backup()
    hold(ring, "zz")
    await restore(ring)
    return ring


async def restored(ring: Ring) -> None:
    """The volume holds that again, with another key than it had; which is gone."""
    await made(ring)
    assert held(ring) == filled("a")
    volume = await ring.volume()
    assert (volume.status, volume.key_name is None) == ("available", False)


async def a_new_volume() -> Ring:
    ring = await with_a_backup()
    await ring.create(2, backup_id=BACKUP, size_gib=3)
    return ring


async def made_anew(ring: Ring) -> None:
    assert (await ring.volume(2)).state == "available" and held(ring, 2) == filled("a")
    of_backup = (await the_backup(ring)).encryption_key_id
    await assert_keys(ring, await key_id(ring), await key_id(ring, 2), of_backup)


async def a_deletion() -> Ring:
    ring = await with_a_backup()
    await delete(ring)
    return ring


async def deleted(ring: Ring) -> None:
    assert (await the_backup(ring)).state == "deleted" and ring.shelf.files == {}
    await assert_nothing_waits(ring)
    await assert_keys(ring, await key_id(ring))


async def a_cancelled_request() -> Ring:
    ring = await a_request()
    await delete(ring, force=True)
    return ring


LIVES = [
    pytest.param(a_request, made, "after copy_key", id="made"),
    pytest.param(a_restore, restored, "after copy_key", id="restored"),
    pytest.param(a_new_volume, made_anew, "after copy_key", id="into a new volume"),
    pytest.param(a_deletion, deleted, "after delete", id="deleted"),
    pytest.param(a_cancelled_request, deleted, "after append", id="cancelled"),
]


@pytest.mark.parametrize(("given", "then", "point"), LIVES)
async def test_wherever_a_process_dies_every_backup_has_its_key_and_none_is_shared_or_left(
    given: Given, then: Then, point: str
):
    assert point in await die_everywhere(given, then)


async def test_a_volume_has_another_key_after_each_restore_and_none_after_its_end():
    ring = await with_a_backup()
    had = {await key_id(ring)}
    for _ in range(2):
        await restore(ring)
        await ring.go_on()
        await restored(ring)
        had.add(await key_id(ring))
    assert len(had) == 3
    await ring.delete()
    await ring.go_on()
    await assert_keys(ring, (await the_backup(ring)).encryption_key_id)


# what fails


async def test_a_backup_for_which_there_is_no_key_is_in_error_and_leaves_none():
    ring, away = await a_request(), Outage("key manager", "copy_key")
    away.away = True
    await ring.go_on(Process(ring, "worker", keys=around(ring.keys, before=away.before)))
    failed = await the_backup(ring)
    assert failed.status == "error" and "its key was not made" in (failed.fail_reason or "")
    assert ring.clock.now_s >= PATIENCE_S
    await assert_nothing_waits(ring)
    await assert_keys(ring, await key_id(ring))
    await delete(ring)
    await ring.go_on()
    await deleted(ring)


async def test_a_volume_for_which_there_is_no_key_is_not_written_to_and_keeps_the_one_it_has():
    ring, away = await with_a_backup(), Outage("key manager", "copy_key")
    hold(ring, "zz")
    await restore(ring)
    away.away = True
    await ring.go_on(Process(ring, "worker", keys=around(ring.keys, before=away.before)))
    assert (await ring.volume()).status == "error_restoring" and held(ring) == filled("zz")
    await made(ring)


ENDS = {
    "given up": GiveUp(id=BACKUP, kind="backup", allowed=ALLOWED, at=a_moment(10 * DAY_S)),
    "reset": ResetBackup(id=BACKUP, project_id=PROJECT, status="error", at=a_moment()),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("meanwhile", ["made", "restored", "restored with its key"])
async def test_what_is_given_up_while_it_waits_lets_its_key_go(end: str, meanwhile: str):
    ring = await (a_request() if meanwhile == "made" else a_restore())
    if meanwhile == "restored with its key":
        for kind, delivery in await ring.deliveries():
            if kind == "encryption-keys":
                await ring.process().handle(kind, delivery)
    await ring.world.another_process().run(ENDS[end])
    await ring.go_on()
    of_backup = (await the_backup(ring)).encryption_key_id
    assert (of_backup is None) == (meanwhile == "made")
    await assert_keys(ring, await key_id(ring), *([of_backup] if of_backup else []))


async def test_a_volume_deleted_by_force_while_it_is_restored_leaves_only_the_backups_key():
    ring = await a_restore()
    await ring.delete(force=True)
    await ring.go_on()
    await assert_keys(ring, (await the_backup(ring)).encryption_key_id)


# what is refused, and what is not


async def test_a_volume_keeps_its_key_as_long_as_its_snapshots_need_it():
    ring = await with_a_backup()
    await ring.snapshot()
    await ring.go_on()
    with pytest.raises(InUse, match="its snapshot"):
        await restore(ring)
    await ring.delete_snapshot()
    await ring.go_on()
    await restore(ring)
    await ring.go_on()
    await made(ring)


async def test_what_is_encrypted_otherwise_cannot_take_it():
    ring = await with_a_backup()
    plain = await ring.world.has_a_type(name="plain")
    before = await ring.store.last_position()
    with pytest.raises(InvalidRequest, match="not encrypted as"):
        await ring.create(2, backup_id=BACKUP, volume_type_id=plain.type_id)
    assert await ring.store.last_position() == before
    await ring.create(3, volume_type_id=plain.type_id)
    await ring.go_on()
    with pytest.raises(InvalidRequest, match="not encrypted as"):
        await restore(ring, number=3)


async def test_an_increment_has_a_key_of_its_own_and_outlives_its_volume():
    ring = await with_a_backup("abcd")
    hold(ring, "abXd")
    await back_up(ring, INCREMENT, second=60, incremental=True, candidates=(BACKUP,))
    await ring.go_on()
    await assert_kept(ring, "abXd", INCREMENT)
    owned = [(await the_backup(ring, id)).encryption_key_id for id in (BACKUP, INCREMENT)]
    await assert_keys(ring, await key_id(ring), *owned)
    await ring.delete()
    await ring.go_on()
    await ring.create(2, backup_id=INCREMENT)
    await ring.go_on()
    assert held(ring, 2) == filled("abXd")
    await assert_keys(ring, await key_id(ring, 2), *owned)


# records


async def import_(ring: Ring, record: Record) -> None:
    command = ImportBackup(
        record=record, project_id=PROJECT, user_id=USER, key=an_id(0xE1), at=a_moment()
    )
    await ring.world.another_process().run(command)


async def test_who_imports_a_backup_gets_a_key_of_its_own_if_the_key_manager_has_that():
    elsewhere = await with_a_backup()
    record = record_of(await the_backup(elsewhere))
    ring = await an_encrypted_volume("zz")
    ring.keys, ring.shelf = elsewhere.keys, elsewhere.shelf
    await import_(ring, record)
    await ring.go_on()
    imported = await the_backup(ring)
    assert (imported.status, imported.encryption) == ("available", LUKS)
    theirs, ours = record.encryption_key_id or "", imported.encryption_key_id or ""
    assert theirs != ours
    assert (await ring.keys.get(theirs)).material == (await ring.keys.get(ours)).material

    ring = await an_encrypted_volume("zz")
    ring.shelf = elsewhere.shelf
    await import_(ring, record)
    await ring.go_on()
    failed = await the_backup(ring)
    assert failed.status == "error" and "its key was not made" in (failed.fail_reason or "")
    await assert_keys(ring, await key_id(ring))
    assert key_of(BACKUP) not in {*await ring.keys.keys()}


async def test_an_import_that_fails_before_its_key_is_there_waits_for_none():
    record = record_of(await the_backup(await with_a_backup()))
    ring = await an_encrypted_volume("zz")
    await import_(ring, record)
    failed = FinishImport(id=BACKUP, failure="it is not there", at=a_moment())
    await ring.world.another_process().run(failed)
    await ring.go_on()
    assert (await the_backup(ring)).status == "error"
    key = EncryptionKey.from_history(an_id(0xE1), await ring.store.events(an_id(0xE1)))
    assert key.state == "destroyed"
    await assert_keys(ring, await key_id(ring))


async def test_a_record_that_says_half_of_how_it_is_encrypted_is_refused():
    ring = await an_encrypted_volume()
    record = Record(
        id=BACKUP, volume_id=an_id(1), size_gib=2, container="c", content_at=a_moment().at,
        availability_zone="nova", encryption_key_id="stray",
    )  # fmt: skip
    with pytest.raises(InvalidRequest, match="its record says both"):
        await import_(ring, record)
