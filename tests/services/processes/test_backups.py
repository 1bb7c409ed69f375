"""Backups through every process: made, restored, deleted, and whoever dies or fails meanwhile."""

import asyncio

import pytest

from adapters.backup_store.port import Location
from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Hold
from domain.aggregates.backup import events
from domain.aggregates.backup.importing import Record
from domain.aggregates.volume import attaching
from domain.containers import DEFAULT_CONTAINER
from domain.errors import InUse, NotAllowed
from services.commands.backup import ResetBackup
from services.commands.backup_records import ImportBackup
from services.commands.backup_work import (
    FinishBackup,
    StartBackup,
    StartBackupDeletion,
    StartRestore,
)
from services.commands.giving_up import GiveUp
from services.processes.backing_up import BackingUp, capture_of
from services.processes.backup_sweep import sweep_backups, sweep_captures
from tests.services.processes.deaths import die_everywhere
from tests.services.processes.keeping import (
    BACKUP,
    GIVEN_UP,
    GONE,
    INCREMENT,
    ONE,
    FullShelf,
    LostShelf,
    a_ring_with_a_backup,
    a_ring_with_content,
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
from tests.services.processes.ring import BACKEND, POOL, Ring
from tests.support.builders import PROJECT, a_moment, an_id

DAY_S = 86_400.0
NO = DriverFailure("the shelf is broken", False)


async def test_defect_03_whoever_dies_while_making_a_backup_it_is_made_once_and_nothing_stays():
    async def asked() -> Ring:
        ring = await a_ring_with_content()
        await back_up(ring)
        return ring

    async def made(ring: Ring) -> None:
        await assert_kept(ring, "ab.c")
        assert await ring.world.usage() == ONE

    points = await die_everywhere(asked, made)
    assert {"after create_snapshot", "after write", "after delete_snapshot"} <= {*points}


async def test_whoever_dies_while_one_is_restored_or_deleted_it_is_done():
    async def restoring() -> Ring:
        ring = await a_ring_with_a_backup()
        hold(ring, "zzzz")
        await restore(ring)
        return ring

    async def restored(ring: Ring) -> None:
        await assert_kept(ring, "ab.c")
        assert held(ring) == filled("ab.c")
        volume = await ring.volume()
        assert (volume.status, volume.metadata["src_backup_id"]) == ("available", str(BACKUP))

    points = await die_everywhere(restoring, restored)
    assert {"before overwrite_volume", "after overwrite_volume"} <= {*points}

    async def deleting() -> Ring:
        ring = await a_ring_with_a_backup()
        await delete(ring)
        return ring

    async def deleted(ring: Ring) -> None:
        assert (await the_backup(ring)).state == "deleted"
        assert ring.shelf.files == {}
        assert await ring.world.usage() == GONE
        await assert_nothing_waits(ring)

    assert "after delete" in await die_everywhere(deleting, deleted)


async def test_the_volume_is_free_and_written_to_while_what_it_held_is_stored():
    ring = await a_ring_with_content("ab")
    held_up = Hold()
    ring.faults.plan("read", Fault(hold=held_up))
    await back_up(ring)
    assert (await ring.volume()).status == "backing-up"
    worker = ring.process()

    working = asyncio.ensure_future(
        worker.handle("backing-up", await ring.the_delivery("backing-up"))
    )
    await held_up.reached.wait()
    assert (await ring.volume()).status == "available"
    assert (await the_backup(ring)).status == "creating"
    hold(ring, "xy")
    with pytest.raises(InUse, match="being made of it"):
        await ring.delete()
    held_up.release()
    await working
    await ring.go_on(worker)
    await assert_kept(ring, "ab")
    await ring.delete()  # what is stored needs no volume


@pytest.mark.parametrize(
    ("goes_wrong", "said"),
    [
        (lambda ring: ring.faults.fail("create_snapshot", NO), "the shelf is broken"),
        (lambda ring: ring.faults.fail("read", NO), "the shelf is broken"),
        (lambda ring: setattr(ring, "shelf", FullShelf(1)), "No space left"),
        (lambda ring: setattr(ring, "shelf", LostShelf()), "No such file"),
    ],
    ids=["no snapshot", "unreadable", "store full", "store away"],
)
async def test_defect_07_a_backup_that_cannot_be_made_leaves_nothing_behind_and_says_why(
    goes_wrong, said
):
    ring = await a_ring_with_content()
    goes_wrong(ring)
    await back_up(ring)
    await ring.go_on()
    failed = await the_backup(ring)
    assert failed.status == "error" and said in (failed.fail_reason or "")
    assert (await ring.volume()).status == "available"
    assert await ring.world.usage() == ONE  # until its user deletes it
    await assert_nothing_waits(ring)
    if not isinstance(ring.shelf, LostShelf):
        await delete(ring)
        await ring.go_on()
        assert (await the_backup(ring)).state == "deleted"
        assert ring.shelf.files == {} and await ring.world.usage() == GONE


async def test_what_it_was_read_through_goes_even_if_the_backend_refuses_at_first():
    ring = await a_ring_with_content()
    ring.faults.fail("delete_snapshot", NO, times=2)
    await back_up(ring)
    await ring.go_on()
    await assert_kept(ring, "ab.c")


async def test_a_damaged_chunk_fails_the_restore_by_name_and_the_backup_is_as_it_was():
    ring = await a_ring_with_a_backup()
    files = ring.shelf.files[Location(DEFAULT_CONTAINER, BACKUP)]
    damaged = sorted(name for name in files if name != "manifest.json")[1]
    files[damaged] = b"?" * len(files[damaged])
    await restore(ring)
    await ring.go_on()
    volume = await ring.volume()
    assert (volume.status, volume.under_way) == ("error_restoring", None)
    assert (await the_backup(ring)).status == "available"
    log = await ring.store.log(0, 10_000)
    [said] = [r.event.reason for r in log if isinstance(r.event, events.RestoreFailed)]
    assert damaged in said
    await assert_nothing_waits(ring)


async def test_an_increment_has_what_changed_and_its_parent_stays_as_long_as_it():
    ring = await a_ring_with_a_backup("abcd")
    hold(ring, "abXd")
    await back_up(ring, INCREMENT, second=60, incremental=True, candidates=(BACKUP,))
    await ring.go_on()
    await assert_kept(ring, "abXd", INCREMENT)
    assert (await the_backup(ring, INCREMENT)).object_count == 1
    with pytest.raises(InUse, match=str(INCREMENT)):
        await delete(ring)
    await restore(ring, INCREMENT)
    await ring.go_on()
    assert held(ring) == filled("abXd")
    for id in (INCREMENT, BACKUP):
        await delete(ring, id)
        await ring.go_on()
        assert (await the_backup(ring, id)).state == "deleted"
    assert ring.shelf.files == {} and await ring.world.usage() == GONE


async def test_defect_18_whoever_dies_a_new_volume_is_made_with_what_it_holds_and_lets_it_go():
    async def asked() -> Ring:
        ring = await a_ring_with_a_backup("a.b")
        await ring.create(2, backup_id=BACKUP, size_gib=3)
        return ring

    async def made(ring: Ring) -> None:
        volume = await ring.volume(2)
        assert (volume.state, volume.holds_source) == ("available", False)
        assert volume.metadata["src_backup_id"] == str(BACKUP)
        assert held(ring, 2) == filled("a.b")
        await delete(ring)

    assert "after write_volume" in await die_everywhere(asked, made)


async def test_a_new_volume_of_a_damaged_backup_is_in_error_and_of_one_it_waits_for_none_is_gone():
    ring = await a_ring_with_a_backup()
    await ring.create(2, backup_id=BACKUP)
    with pytest.raises(InUse, match="is being made from it"):
        await delete(ring)
    files = ring.shelf.files[Location(DEFAULT_CONTAINER, BACKUP)]
    files.pop(sorted(name for name in files if name != "manifest.json")[0])
    await ring.go_on()
    assert (await ring.volume(2)).status == "error"
    assert (await the_backup(ring)).status == "available"
    await delete(ring)


async def test_one_that_is_deleted_while_it_is_made_is_given_up_by_its_worker_and_goes():
    ring = await a_ring_with_content()
    held_up = Hold()
    ring.faults.plan("create_snapshot", Fault(hold=held_up))
    await back_up(ring)
    worker = ring.process()
    delivery = await ring.the_delivery("backing-up")
    working = asyncio.ensure_future(worker.handle("backing-up", delivery))
    await held_up.reached.wait()
    await delete(ring, force=True)
    assert (await the_backup(ring)).state == "cancelling"
    held_up.release()
    await working
    await ring.go_on(worker)
    assert (await the_backup(ring)).state == "deleted"
    assert ring.shelf.files == {} and await ring.world.usage() == GONE
    assert (await ring.volume()).status == "available"
    await assert_nothing_waits(ring)


async def test_one_that_nobody_makes_is_given_up_and_what_comes_too_late_is_undone():
    ring = await a_ring_with_content()
    held_up = Hold()
    ring.faults.plan("create_snapshot", Fault(hold=held_up))
    await back_up(ring)
    late = ring.process()
    delivery = await ring.the_delivery("backing-up")
    working = asyncio.ensure_future(late.handle("backing-up", delivery))
    await held_up.reached.wait()
    given_up = GiveUp(id=BACKUP, kind="backup", allowed=ALLOWED, at=a_moment(10 * DAY_S))
    assert await ring.world.another_process().run(given_up)
    held_up.release()
    await working
    await ring.go_on(ring.process("worker-2"))
    assert (await the_backup(ring)).status == "error"
    assert (await ring.volume()).status == "available"
    await assert_nothing_waits(ring)


async def test_a_restore_that_an_administrator_ends_leaves_the_volume_in_error():
    ring = await a_ring_with_a_backup()
    held_up = Hold()
    ring.faults.plan("overwrite_volume", Fault(hold=held_up))
    await restore(ring)
    assert (await ring.volume()).status == "restoring-backup"
    worker = ring.process()
    delivery = await ring.the_delivery("restoring")
    working = asyncio.ensure_future(worker.handle("restoring", delivery))
    await held_up.reached.wait()
    reset = ResetBackup(id=BACKUP, project_id=PROJECT, status="available", at=a_moment())
    await ring.world.another_process().run(reset)
    held_up.release()
    await working
    await ring.go_on(worker)
    assert (await the_backup(ring)).status == "available"
    assert (await ring.volume()).status == "error"
    await assert_nothing_waits(ring)


async def test_a_volume_in_use_is_backed_up_only_by_force_and_stays_in_use():
    ring = await a_ring_with_content()
    volume = await ring.volume()
    attaching.attach(
        volume,
        an_id(0xA7),
        server_id="s",
        node=None,
        device="/dev/vdb",
        mode="rw",
        at=a_moment(),
    )
    await ring.store.append(volume.pending)
    with pytest.raises(NotAllowed):
        await back_up(ring)
    await back_up(ring, force=True)
    assert (await ring.volume()).status == "backing-up"
    await ring.go_on()
    assert (await ring.volume()).status == "in-use"
    await assert_kept(ring, "ab.c")


async def test_what_dead_workers_left_of_backups_that_are_over_is_swept():
    ring = await a_ring_with_a_backup()
    files = ring.shelf.files[Location(DEFAULT_CONTAINER, BACKUP)]
    await delete(ring)
    await ring.go_on()
    pool = ring.backend.pools[POOL]
    ring.shelf.files[Location(DEFAULT_CONTAINER, BACKUP)] = {**files}
    ring.shelf.files[Location(DEFAULT_CONTAINER, INCREMENT)] = {**files}  # of another installation
    worker = ring.process().managers["backing-up"]
    assert isinstance(worker, BackingUp)
    await worker.driver.create_snapshot(capture_of(await the_backup(ring)))
    assert pool.snapshots
    assert await sweep_backups(ring.world.commands, worker.store) == 1
    assert [location.id for location in ring.shelf.files] == [INCREMENT]
    driver = worker.driver
    assert await sweep_captures(ring.world.commands, driver, backend=BACKEND, timeout_s=5) == 1
    assert pool.snapshots == {}


@pytest.mark.parametrize("waiting", GIVEN_UP)
async def test_what_nobody_goes_on_with_is_given_up_after_its_deadline(waiting):
    ring = await a_ring_with_content()
    run = ring.world.another_process().run
    if waiting == "importing":
        record = Record(
            id=BACKUP, volume_id=an_id(1), size_gib=2, container=DEFAULT_CONTAINER,
            content_at=a_moment().at, availability_zone="nova",
        )  # fmt: skip
        await run(
            ImportBackup(
                record=record, project_id=PROJECT, user_id="u", key=an_id(0xE1), at=a_moment()
            )
        )
    else:
        await back_up(ring)
        if waiting != "requested":
            await run(StartBackup(id=BACKUP, worker="w", at=a_moment()))
    if waiting == "cancelling":
        await delete(ring, force=True)
    if waiting in ("restoring", "writing", "deleting", "removing"):
        await run(FinishBackup(id=BACKUP, attempt=1, at=a_moment()))
        await (restore if waiting in ("restoring", "writing") else delete)(ring)
    if waiting == "writing":
        await run(StartRestore(id=BACKUP, worker="w", at=a_moment()))
    if waiting == "removing":
        await run(StartBackupDeletion(id=BACKUP, worker="w", at=a_moment()))
    assert (await the_backup(ring)).state == waiting
    late = a_moment(10 * DAY_S)
    assert await run(GiveUp(id=BACKUP, kind="backup", allowed=ALLOWED, at=late))
    assert ((await the_backup(ring)).state, (await ring.volume()).status) == GIVEN_UP[waiting]
    await assert_nothing_waits(ring)
