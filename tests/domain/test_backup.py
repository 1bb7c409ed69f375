"""A backup: which decisions are taken in which state, what they record, and what is shown of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.backup import Backup, giving_up, importing, making, restoring
from domain.aggregates.backup.events import Parent
from domain.errors import (
    InvalidRequest,
    LapilliError,
    NotAllowed,
    NotFound,
    Superseded,
)
from domain.lifecycle import NEW
from domain.machines.backup import BACKUP
from tests.support.builders import HOST, PROJECT, THERE, a_moment, an_id

NOW = a_moment(60)
VOLUME, TARGET = an_id(1), an_id(2)
GIB = 2**30
Step = Callable[[Backup], Any]


def a_request(number: int = 0x50, **given: Any) -> Backup:
    return Backup.request(
        an_id(number),
        **{
            "project_id": PROJECT,
            "user_id": "a-user",
            "volume_id": VOLUME,
            "host": HOST,
            "availability_zone": "nova",
            "size_gib": 2,
            "name": "night",
            "description": None,
            "metadata": {"k": "v"},
            "container": "nightly",
            "reservation_id": an_id(0x51),
            "at": NOW,
            **given,
        },
    )


def start(b: Backup) -> int:
    return making.start(b, "worker-1", NOW)


def made(b: Backup, *, late: int = 0) -> None:
    making.finish(b, b.attempt - late, object_count=7, stored_bytes=1000, at=NOW)


def restore(b: Backup, size_gib: int = 2) -> None:
    restoring.request(b, volume_id=TARGET, host=THERE, volume_size_gib=size_gib, at=NOW)


PATHS: dict[str, list[Step]] = {
    "requested": [],
    "making": [start],
    "available": [start, made],
    "error": [start, lambda b: making.fail(b, b.attempt, "disk full", NOW)],
    "restoring": [start, made, restore],
    "writing": [start, made, restore, lambda b: restoring.start(b, "worker-2", NOW)],
    "cancelling": [start, lambda b: b.request_deletion(NOW, force=True)],
    "deleting": [start, made, lambda b: b.request_deletion(NOW)],
    "removing": [
        start,
        made,
        lambda b: b.request_deletion(NOW),
        lambda b: b.start_deletion("w", NOW),
    ],
    "error_deleting": [
        start,
        made,
        lambda b: b.request_deletion(NOW),
        lambda b: b.give_up_deletion("nobody came", NOW),
    ],
    "deleted": [
        start,
        made,
        lambda b: b.request_deletion(NOW),
        lambda b: b.start_deletion("w", NOW),
        lambda b: b.deleted(NOW),
    ],
}


def a_record(**given: Any) -> importing.Record:
    wish = {
        "id": an_id(0x60),
        "volume_id": VOLUME,
        "size_gib": 2,
        "container": "nightly",
        "content_at": NOW.at,
        "availability_zone": "nova",
        **given,
    }
    return importing.Record(**wish)


def import_(backup: Backup, record: importing.Record, parent: Backup | None = None) -> Backup:
    importing.request(
        backup,
        record,
        project_id=PROJECT,
        user_id="a-user",
        reservation_id=an_id(0x61),
        key=an_id(0xE1),
        parent=parent,
        at=NOW,
    )
    return backup


def a_backup(*, in_state: str = "available", **given: Any) -> Backup:
    if in_state == "importing":
        return import_(Backup(id=an_id(0x60)), a_record()).settled()
    backup = a_request(**given)
    for step in PATHS[in_state]:
        step(backup)
    assert backup.state == in_state
    return backup.settled()


STATES = [*PATHS, "importing"]

DECISIONS: dict[str, Step] = {
    "start": start,
    "made": made,
    "made, late": lambda b: made(b, late=1),
    "not made": lambda b: making.fail(b, b.attempt, "disk full", NOW),
    "imported": lambda b: importing.finish(b, object_count=7, stored_bytes=1000, at=NOW),
    "not imported": lambda b: importing.fail(b, "it is not there", NOW),
    "restore": restore,
    "start restore": lambda b: restoring.start(b, "worker-2", NOW),
    "restored": lambda b: restoring.finish(b, b.attempt, NOW),
    "restored, late": lambda b: restoring.finish(b, b.attempt - 1, NOW),
    "not restored": lambda b: restoring.fail(b, b.attempt, "chunk 7 is damaged", NOW),
    "delete": lambda b: b.request_deletion(NOW),
    "force": lambda b: b.request_deletion(NOW, force=True),
    "start deletion": lambda b: b.start_deletion("worker-3", NOW),
    "deleted": lambda b: b.deleted(NOW),
    "not deleted": lambda b: b.deletion_failed(b.attempt, "read-only", NOW),
    "reset to available": lambda b: b.reset("available", NOW),
    "reset to error": lambda b: b.reset("error", NOW),
    "give up": lambda b: giving_up.end_waiting(b, "nobody came", NOW),
}

LEGAL: dict[str, dict[str, tuple[str | None, str]]] = {
    "start": dict.fromkeys(["requested", "making"], ("creation_started", "making")),
    "made": {
        "making": ("created", "available"),
        "cancelling": ("creation_cancelled", "deleting"),
    },
    "not made": {
        "making": ("creation_failed", "error"),
        "cancelling": ("creation_cancelled", "deleting"),
    },
    "imported": {"importing": ("imported", "available")},
    "not imported": {"importing": ("import_failed", "error")},
    "restore": {"available": ("restore_requested", "restoring")},
    "start restore": dict.fromkeys(["restoring", "writing"], ("restore_started", "writing")),
    "restored": {"writing": ("restored", "available")},
    "not restored": {"writing": ("restore_failed", "available")},
    "delete": dict.fromkeys(["available", "error"], ("deletion_requested", "deleting")),
    "force": {
        **dict.fromkeys(
            ["importing", "available", "error", "error_deleting"],
            ("deletion_requested", "deleting"),
        ),
        # nobody had begun to make it
        "requested": ("cancellation_requested creation_cancelled", "deleting"),
        "making": ("cancellation_requested", "cancelling"),
        **{state: (None, state) for state in ("cancelling", "deleting", "removing")},
    },
    "start deletion": dict.fromkeys(["deleting", "removing"], ("deletion_started", "removing")),
    "deleted": {"removing": ("deleted", "deleted")},
    "not deleted": {"removing": ("deletion_failed", "error")},
    # the store has all of it, and nothing is under way any more
    "reset to available": dict.fromkeys(
        ["available", "error_deleting"], ("reset_to_available", "available")
    ),
    "reset to error": dict.fromkeys(
        ["available", "error", "error_deleting"], ("reset_to_error", "error")
    ),
    "give up": {
        "requested": ("creation_failed", "error"),
        "making": ("creation_failed", "error"),
        "importing": ("import_failed", "error"),
        "restoring": ("restore_failed", "available"),
        "writing": ("restore_failed", "available"),
        "cancelling": ("creation_cancelled", "deleting"),
        "deleting": ("deletion_given_up", "error_deleting"),
        "removing": ("deletion_given_up", "error_deleting"),
        **{state: (None, state) for state in ("available", "error", "error_deleting", "deleted")},
    },
}
"""Each decision with what it records and leads to, where it may be taken; refused elsewhere."""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("decision", DECISIONS)
def test_every_decision_in_every_state_leads_to_its_event_or_is_refused(decision, state):
    backup = a_backup(in_state=state)
    before = backup.settled()
    expected = LEGAL.get(decision, {}).get(state)
    if expected is None:
        with pytest.raises((NotAllowed, Superseded)):
            DECISIONS[decision](backup)
        assert backup == before
        return
    event, after = expected
    DECISIONS[decision](backup)
    assert [r.event.verb for r in backup.pending] == (event.split() if event else [])
    assert backup.state == after


@given(steps=st.lists(st.sampled_from(sorted(DECISIONS)), max_size=15))
def test_replay_equals_what_was_lived_and_nothing_waits_for_ever(steps):
    lived = a_request()
    for name in [*steps, "give up", "give up", "give up"]:
        try:
            DECISIONS[name](lived)
        except LapilliError:
            continue
    assert Backup.from_history(lived.id, lived.pending) == lived.settled()
    assert lived.at_rest
    assert lived.restoring_to is None


def test_only_the_latest_claim_counts():
    for state, again, tell in (
        ("making", start, lambda b, attempt: making.fail(b, attempt, "late", NOW)),
        (
            "writing",
            lambda b: restoring.start(b, "worker-9", NOW),
            lambda b, attempt: restoring.finish(b, attempt, NOW),
        ),
        (
            "removing",
            lambda b: b.start_deletion("worker-9", NOW),
            lambda b, attempt: b.deletion_failed(attempt, "late", NOW),
        ),
    ):
        backup = a_backup(in_state=state)
        first, second = backup.attempt, again(backup)
        with pytest.raises(Superseded):
            tell(backup, first)
        tell(backup, second)


def test_an_attempt_to_restore_is_not_taken_for_a_later_restore():
    backup = a_backup(in_state="writing")
    late = backup.attempt
    restoring.give_up(backup, "nobody told", NOW)
    restore(backup)
    restoring.start(backup, "worker-9", NOW)
    with pytest.raises(Superseded):
        restoring.finish(backup, late, NOW)


def test_progress_is_an_event_every_tenth_and_ends_with_the_claim():
    backup = a_backup(in_state="making", size_gib=1)
    for percent in (5, 9, 12, 19, 45, 44, 100):
        making.progress(
            backup,
            backup.attempt,
            done_bytes=percent * GIB // 100 + 1,
            object_count=percent,
            stored_bytes=percent,
            at=NOW,
        )
    assert [r.event.percent for r in backup.pending] == [12, 45, 100]  # type: ignore[attr-defined]
    assert (backup.object_count, backup.stored_bytes) == (100, 100)
    backup.request_deletion(NOW, force=True)
    with pytest.raises(Superseded):
        making.progress(
            backup, backup.attempt, done_bytes=0, object_count=0, stored_bytes=0, at=NOW
        )


def test_an_increment_goes_on_from_an_available_older_backup_of_the_same_volume():
    parent = a_backup(at=a_moment(10))
    child = a_request(0x52, parent=parent)
    assert child.parent == Parent(str(parent.id), "nightly")
    assert child.is_incremental and not parent.is_incremental
    later = NOW.at + timedelta(seconds=1)
    for broken in (
        {"parent": a_backup(in_state="restoring", at=a_moment(10))},
        {"parent": parent, "volume_id": an_id(9)},
        {"parent": parent, "project_id": "another"},
        {"parent": parent, "snapshot_id": an_id(8), "snapshot_at": a_moment(5).at},
    ):
        with pytest.raises((NotAllowed, InvalidRequest)):
            a_request(0x52, **broken)
    assert a_request(snapshot_id=an_id(8), snapshot_at=later).content_at == later


def test_a_volume_that_is_too_small_takes_no_backup():
    backup = a_backup()
    with pytest.raises(InvalidRequest, match="1 GiB"):
        restore(backup, size_gib=1)
    restore(backup, size_gib=3)
    assert (backup.restoring_to, backup.restoring_host) == (str(TARGET), THERE)


def test_the_work_goes_to_the_backend_that_can_do_it():
    backup = a_request()
    for step in PATHS["writing"]:
        step(backup)
    backends = {r.event.verb: r.event.backend for r in backup.pending}
    assert backends["requested"] == HOST.partition("#")[0]
    assert backends["restore_requested"] == backends["restore_started"] == THERE.partition("#")[0]


def test_only_what_the_store_has_had_all_of_can_be_said_to_be_available():
    broken = a_backup()
    broken.reset("error", NOW)
    broken.reset("available", NOW)
    for state in ("error", "making", "importing", "cancelling", "removing"):
        backup = a_backup(in_state=state)
        with pytest.raises(NotAllowed):
            backup.check_reset("available")
    a_backup(in_state="writing").check_reset("available")
    half_deleted = a_backup(in_state="removing")
    half_deleted.deletion_failed(half_deleted.attempt, "read-only", NOW)
    with pytest.raises(NotAllowed):
        half_deleted.reset("available", NOW)
    with pytest.raises(InvalidRequest, match="available, error"):
        broken.reset("restoring", NOW)


def test_what_it_holds_is_as_old_as_what_was_kept_apart():
    backup = a_backup(in_state="making")
    later = a_moment(75)
    making.capture(backup, backup.attempt, later)
    making.capture(backup, backup.attempt, a_moment(80))  # by a worker that took over
    assert backup.content_at == later.at and len(backup.pending) == 1


def test_the_reason_of_a_failure_is_shown_as_far_as_there_is_room():
    backup = a_backup(in_state="making")
    making.fail(backup, backup.attempt, "x" * 300, NOW)
    assert backup.fail_reason == "x" * 254 + "…"
    assert backup.pending[0].event.reason == "x" * 300  # type: ignore[attr-defined]


@pytest.mark.parametrize("state", STATES)
def test_quota_is_kept_for_what_is_there(state):
    backup = a_backup(in_state=state)
    [paid_by] = backup.reservations
    open_ = state in ("requested", "making", "importing", "cancelling")
    assert backup.keeps(paid_by) is (None if open_ else state != "deleted")
    assert backup.keeps("another") is (None if open_ else False)


def test_what_is_exported_is_enough_to_import_it():
    original = a_backup(at=a_moment(10))
    imported = import_(Backup(id=original.id), importing.record_of(original))
    assert imported.status == "creating"
    importing.finish(imported, object_count=7, stored_bytes=1000, at=NOW)
    assert imported.status == "available"
    for field in ("volume_id", "size_gib", "container", "content_at", "name", "metadata", "parent"):
        assert getattr(imported, field) == getattr(original, field)
    with pytest.raises(NotAllowed):
        importing.record_of(a_backup(in_state="error"))


def test_only_what_is_new_here_and_has_its_parent_is_imported():
    parent = a_backup()
    of_parent = a_record(parent=Parent(str(parent.id), parent.container))
    assert import_(Backup(id=an_id(0x60)), of_parent, parent).is_incremental
    for record, of in (
        (of_parent, None),
        (of_parent, a_backup(in_state="error")),
        (of_parent, a_backup(number=0x77)),
        (a_record(size_gib=0), None),
    ):
        fresh = Backup(id=an_id(0x60))
        with pytest.raises(InvalidRequest):
            import_(fresh, record, of)
        assert fresh.state == NEW
    with pytest.raises(InvalidRequest, match="already"):
        import_(a_backup(), a_record())
    with pytest.raises(InvalidRequest, match="its content with it"):
        import_(a_backup(in_state="deleted"), a_record())


def test_only_its_project_sees_it():
    assert a_backup().visible_to(PROJECT) == a_backup().visible_to(None)
    for backup, project in ((a_backup(), "another"), (a_backup(in_state="deleted"), None)):
        with pytest.raises(NotFound):
            backup.visible_to(project)
    with pytest.raises(NotFound):
        Backup(id=UUID(int=1)).visible_to(None)


def test_every_event_happens_and_every_state_is_reached():
    assert {"deleted"} == BACKUP.final
    said = {event for moves in LEGAL.values() for event, _ in moves.values() if event}
    taken = {verb for each in said for verb in each.split()}
    others = {"requested", "import_requested", "captured", "progressed", "described"}
    others |= {"metadata_changed", "key_made", "restore_key_made"}
    assert taken | others == set(BACKUP.events)
    assert set(STATES) == set(BACKUP.states) - {NEW}


def test_the_same_words_again_record_nothing():
    backup = a_backup()
    backup.describe("night", None, NOW)
    backup.change_metadata({"k": "v"}, NOW)
    assert backup.pending == []
    backup.describe("day", "light", NOW)
    backup.change_metadata({}, NOW)
    assert (backup.name, backup.description, backup.metadata) == ("day", "light", {})
