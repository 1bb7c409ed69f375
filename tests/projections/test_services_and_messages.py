"""What was said of services, and what users are told: given events, then rows and answers."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.aggregates import snapshot, volume
from domain.aggregates.backup import Backup, importing, making, restoring
from domain.aggregates.backup import events as backup
from domain.aggregates.message import Message, message_id
from domain.aggregates.service import VOLUME_SERVICE, Service, ServiceName
from domain.aggregates.volume import (
    attaching,
    connecting,
    detaching,
    encryption,
    extension,
    imaging,
    retyping,
    reverting,
    uploading,
)
from domain.encryption import Encryption
from domain.errors import InvalidRequest, NotFound
from domain.event import event_types
from domain.image import UploadedImage
from domain.messages import TELLS
from projections import MESSAGES, SERVICES, messages, services
from projections.filters import Bound
from projections.generations import create_tables
from projections.listing import Query
from projections.projection import coalesce, fold
from projections.writing import write
from tests.domain.test_backup import PATHS, a_record, import_
from tests.domain.test_backup import a_request as a_backup_request
from tests.projections.histories import (
    CHOSEN,
    NONE_FITS,
    START,
    a_volume,
    an_available_volume,
    at,
    numbered,
)
from tests.support.builders import AN_IMAGE, TURNS, a_move, a_snapshot, a_snapshot_request, an_id

ONE = ServiceName(VOLUME_SERVICE, "h@a")


def said(*actions):
    """What is known of a service after these."""
    service = Service(id=ONE.id)
    for action in actions:
        words = (ONE, "new disks", at()) if action == "disable" else (ONE, at())
        getattr(service, action)(*words)
    rows = fold(SERVICES, numbered(service.pending))
    return rows.get(ONE.id)


ROWS = [
    ([], None),
    (["disable"], (True, "new disks", False)),
    (["disable", "enable"], (False, None, False)),
    (["disable", "freeze"], (True, "new disks", True)),
    (["freeze"], (False, None, True)),
    (["freeze", "disable"], (True, "new disks", True)),
    (["freeze", "disable", "enable", "thaw"], (False, None, False)),
]


@pytest.mark.parametrize(("actions", "expected"), ROWS)
def test_a_service_is_as_it_was_last_spoken_of(actions, expected):
    row = said(*actions)
    if expected is None:
        assert row is None
        return
    assert (row["disabled"], row["reason"], row["frozen"]) == expected
    assert (row["binary"], row["host"]) == (ONE.binary, ONE.host)


def unplaceable(number, second=0):
    made = a_volume(number=number, second=second)
    made.place(NONE_FITS, at(second + 1))
    return made


def unmakeable():
    made = a_volume(number=9)
    made.place(CHOSEN, at(1))
    made.provisioning_failed(made.start_provisioning("w", at(2)), "broken", at(3))
    return made


def without_its_image(problem):
    made = a_volume("v", number=9)
    imaging.choose(made, AN_IMAGE, at(1))
    made.place(CHOSEN, at(2))
    attempt = made.start_provisioning("w", at(3))
    imaging.download_failed(made, attempt, problem, "it has a backing file", at(4))
    return made


def not_uploaded():
    made = an_available_volume()
    uploading.request(made, "i", UploadedImage(name="golden"), at(4))
    uploading.give_up(made, "nobody waits", at(5))
    return made


def without_a_key():
    asked = a_volume("v", number=9)
    encryption.fix(asked, Encryption(provider="luks"), at(1))
    encryption.key_failed(asked, "sealed", at(2))
    return asked


def extending():
    made = an_available_volume(number=8)
    extension.request(made, 5, reservation_id="r", at=at(4))
    return made


def refused():
    made = extending()
    extension.refuse(made, "full", at(5))
    return made


def not_extended():
    made = extending()
    extension.place(made, ceiling_gib=None, at=at(5))
    extension.fail(made, extension.start(made, "w", at(6)), "broken", at(7))
    return made


def to_retype():
    made = an_available_volume()
    retyping.request(
        made, str(an_id(0xB)), "never", move_id=str(an_id(0x30)), reservation_id="r", at=at(4)
    )
    return made


def not_a_type_for_its_pool():
    volume = to_retype()
    retyping.refuse(volume, "no backend can take it", at(5))
    return volume


def not_retyped():
    volume = to_retype()
    retyping.fail(volume, a_move(volume, to=volume.host), "it stays thin", at(5))
    return volume


def connecting_it():
    made = an_available_volume(number=7)
    attaching.reserve(made, UUID(int=7), server_id=None, mode=None, at=at(4))
    connecting.connect(made, UUID(int=7), {"host": "node-1"}, at=at(5))
    return made, connecting.start(made, UUID(int=7), "w", at(6))


def not_connected():
    made, attempt = connecting_it()
    connecting.failed(made, UUID(int=7), attempt, "broken", at=at(7))
    return made


def no_connector():
    made, attempt = connecting_it()
    connecting.refused(made, UUID(int=7), attempt, "no iqn", at=at(7))
    return made


def not_disconnected():
    made, attempt = connecting_it()
    connecting.connected(made, UUID(int=7), attempt, {}, at(7))
    detaching.request(made, UUID(int=7), at(8))
    attempt = detaching.start(made, UUID(int=7), "w", at(9))
    detaching.failed(made, UUID(int=7), attempt, "broken", at(10))
    return made


def a_snapshot_that(*turns):
    lived = a_snapshot_request()
    for turn in turns:
        turn(lived)
    return lived


def snapshot_without_room():
    return a_snapshot_that(lambda s: s.placement_failed("full", at(1)))


def not_taken():
    return a_snapshot_that(*TURNS["making"], lambda s: s.creation_failed(s.attempt, "no", at(1)))


def busy():
    return a_snapshot_that(*TURNS["removing"], lambda s: s.found_busy(s.attempt, "no", at(1)))


def not_dropped():
    return a_snapshot_that(*TURNS["removing"], lambda s: s.deletion_failed(s.attempt, "no", at(1)))


def reverting_it():
    made = an_available_volume(number=7)
    taken = a_snapshot(of=made)
    reverting.request(made, taken, [], at(4))
    return made, taken


def not_begun_to_revert():
    made, _ = reverting_it()
    reverting.give_up(made, "nobody came", at(5))
    return made


def not_reverted():
    made, taken = reverting_it()
    reverting.fail(made, taken, reverting.start(made, "w", at(5)), "broken", at(6))
    return made


def a_backup_that(state, fails):
    lived = a_backup_request()
    for step in PATHS[state]:
        step(lived)
    fails(lived)
    return lived


def not_backed_up():
    return a_backup_that("making", lambda b: making.fail(b, b.attempt, "full", at(1)))


def not_restored():
    return a_backup_that("writing", lambda b: restoring.fail(b, b.attempt, "damaged", at(1)))


def not_removed():
    return a_backup_that("removing", lambda b: b.deletion_failed(b.attempt, "away", at(1)))


def removed_by_nobody():
    return a_backup_that("deleting", lambda b: b.give_up_deletion("nobody came", at(1)))


def not_imported():
    lived = import_(Backup(id=an_id(7)), a_record())
    importing.fail(lived, "it is not there", at(1))
    return lived


TOLD = [
    (not_connected, connecting.ConnectionFailed, "VOLUME_VOLUME_004_021"),
    (no_connector, connecting.ConnectorRefused, "VOLUME_VOLUME_004_021"),
    (not_disconnected, detaching.DisconnectionFailed, "VOLUME_VOLUME_004_022"),
    (lambda: unplaceable(1), volume.PlacementFailed, "VOLUME_VOLUME_001_003"),
    (unmakeable, volume.ProvisioningFailed, "VOLUME_VOLUME_008_012"),
    (lambda: without_its_image("unacceptable"), imaging.DownloadFailed, "VOLUME_VOLUME_005_029"),
    (lambda: without_its_image("no_room"), imaging.DownloadFailed, "VOLUME_VOLUME_005_007"),
    (lambda: without_its_image("not_copied"), imaging.DownloadFailed, "VOLUME_VOLUME_005_001"),
    (not_uploaded, uploading.UploadFailed, "VOLUME_VOLUME_003_004"),
    (without_a_key, encryption.KeyFailed, "VOLUME_VOLUME_008_001"),
    (refused, extension.ExtensionRefused, "VOLUME_VOLUME_007_003"),
    (not_extended, extension.ExtensionFailed, "VOLUME_VOLUME_007_010"),
    (not_a_type_for_its_pool, retyping.RetypeRefused, "VOLUME_VOLUME_001_003"),
    (not_retyped, retyping.RetypeFailed, "VOLUME_VOLUME_001_001"),
    (snapshot_without_room, snapshot.PlacementFailed, "VOLUME_VOLUME_SNAPSHOT_009_003"),
    (not_taken, snapshot.CreationFailed, "VOLUME_VOLUME_SNAPSHOT_009_013"),
    (not_begun_to_revert, reverting.ReversionRefused, "VOLUME_VOLUME_008_001"),
    (not_reverted, reverting.ReversionFailed, "VOLUME_VOLUME_008_001"),
    (not_backed_up, backup.CreationFailed, "VOLUME_VOLUME_BACKUP_013_020"),
    (not_imported, backup.ImportFailed, "VOLUME_VOLUME_BACKUP_013_001"),
    (not_restored, backup.RestoreFailed, "VOLUME_VOLUME_BACKUP_015_026"),
    (not_removed, backup.DeletionFailed, "VOLUME_VOLUME_BACKUP_014_025"),
    (removed_by_nobody, backup.DeletionGivenUp, "VOLUME_VOLUME_BACKUP_014_018"),
    (busy, snapshot.FoundBusy, "VOLUME_VOLUME_SNAPSHOT_010_015"),
    (not_dropped, snapshot.DeletionFailed, "VOLUME_VOLUME_SNAPSHOT_010_016"),
]


CALLED = {"volume": "VOLUME", "snapshot": "VOLUME_SNAPSHOT", "backup": "VOLUME_BACKUP"}


@pytest.mark.parametrize(("life", "kind", "event_id"), TOLD)
def test_a_failure_is_told_once_to_the_project_that_asked(life, kind, event_id):
    lived = life()
    failure = lived.pending[-1]
    assert isinstance(failure.event, kind)
    [(id, row)] = fold(MESSAGES, numbered(lived.pending)).items()
    assert id == row["id"] == message_id(failure.id)
    assert (row["event_id"], row["message_level"]) == (event_id, "ERROR")
    assert (row["resource_type"], row["resource_uuid"]) == (CALLED[lived.kind], str(lived.id))
    assert (row["project_id"], row["request_id"]) == ("project", "req-1")
    assert (row["created_at"], row["failure"]) == (failure.moment.at, failure.id)


def test_whatever_fails_for_good_is_told_or_has_no_message_in_cinder():
    # users are told nothing of these; administrators see the migration status
    silent = {
        "volume.deletion_failed",
        "volume.migration_refused",
        "volume.migration_failed",
        "volume.restore_failed",  # the backup's failure is what is told
    }
    failures = {
        name
        for name, cls in event_types().items()
        if cls.verb.endswith(("_failed", "_refused")) and cls.kind == "volume"
    }
    assert failures - silent == {cls.type_name for cls in TELLS if cls.kind == "volume"}


def test_every_line_of_the_table_is_tried():
    assert {kind for _, kind, _ in TOLD} == set(TELLS)


def test_a_dismissed_message_is_dropped():
    lived = unplaceable(1)
    failure = lived.pending[-1]
    message = Message(id=message_id(failure.id))
    message.dismiss(failure.id, at(9))
    assert fold(MESSAGES, numbered([*lived.pending, *message.pending])) == {}
    with pytest.raises(NotFound):
        message.dismiss(failure.id, at(10))


@pytest.fixture
def ask(engine):
    """Three messages, a minute apart, and one service."""
    create_tables(engine)
    lives = [unplaceable(number, second=number * 60) for number in range(3)]
    frozen = Service(id=ONE.id)
    frozen.freeze(ONE, at())
    frozen.disable(ONE, "new disks", at())
    log = numbered([r for life in (*lives, frozen) for r in life.pending])
    tables = {each.name: each.table(1) for each in (MESSAGES, SERVICES)}
    with engine.begin() as connection:
        for projection in (MESSAGES, SERVICES):
            write(connection, tables[projection.name], coalesce(projection, log))
    with engine.connect() as connection:
        yield lambda query, *args: query(connection, tables, *args)


def wanted(**more):
    return Query(**{"project_id": "project", **more})


def numbers(rows):
    """Which of the three, by when they were told."""
    return [(row.created_at - START).seconds // 60 for row in rows]


PAGES = [
    ({}, [2, 1, 0]),
    ({"limit": 1}, [2]),
    ({"offset": 1}, [1, 0]),
    ({"sort": [("created_at", "asc")], "limit": 2}, [0, 1]),
    ({"sort": [("guaranteed_until", "asc")]}, [0, 1, 2]),
    ({"project_id": "another"}, []),
    ({"times": [Bound("created_at", "gt", START + timedelta(seconds=61))]}, [2]),
    ({"equals": {"resource_uuid": [str(a_volume(number=1).id)]}}, [1]),
    ({"equals": {"event_id": ["VOLUME_VOLUME_001_003"], "request_id": ["x", "req-1"]}}, [2, 1, 0]),
    ({"equals": {"message_level": ["INFO"]}}, []),
    ({"equals": {"id": ()}}, []),
    ({"contains": {"event_id": "volume_001"}}, [2, 1, 0]),
    ({"contains": {"event_id": "volume%001"}}, []),
]


@pytest.mark.parametrize(("query", "expected"), PAGES)
def test_a_page_has_the_messages_asked_for(ask, query, expected):
    assert numbers(ask(messages.page, wanted(**query))) == expected


def test_a_page_begins_after_its_marker(ask):
    newest, *_ = ask(messages.page, wanted())
    assert numbers(ask(messages.page, wanted(marker=newest.id))) == [1, 0]
    with pytest.raises(NotFound):
        ask(messages.page, wanted(marker=UUID(int=0)))
    with pytest.raises(InvalidRequest):
        ask(messages.page, wanted(sort=[("failure", "asc")]))


def test_one_message_is_found_by_its_project_or_by_all(ask):
    newest = ask(messages.page, wanted())[0]
    assert ask(messages.find, newest.id) == ask(messages.find, newest.id, "project") == newest
    assert ask(messages.find, newest.id, "another") is None
    assert ask(messages.find, UUID(int=0)) is None


def test_services_that_were_spoken_of_are_found(ask):
    [row] = ask(services.every)
    assert (row.id, row.host, row.disabled, row.reason, row.frozen) == (
        ONE.id, "h@a", True, "new disks", True,
    )  # fmt: skip
