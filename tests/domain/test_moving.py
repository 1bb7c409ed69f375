"""Retyping and migrating a volume: what is refused, what is promised, what its end means."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume import (
    Volume,
    connecting,
    extension,
    giving_up,
    migrating,
    moving,
    retyping,
)
from domain.aggregates.volume_type import VolumeType
from domain.encryption import Encryption
from domain.errors import InvalidRequest, NotAllowed
from domain.machines.volume_operation import MIGRATING
from domain.placement import Promise
from domain.promises import PoolLedger, changes
from tests.support.builders import (
    HOST,
    PATHS,
    THERE,
    a_moment,
    a_move,
    a_request,
    a_volume,
    a_volume_type,
    an_id,
    bare,
)

NOW = a_moment(60)
PAYS = str(an_id(0xE))
MOVE = str(an_id(0x30))
OLD, NEW = a_volume_type(0xA), a_volume_type(0xB, name="silver")
Step = Callable[[Volume], Any]


def retype(volume: Volume) -> None:
    retyping.request(volume, str(NEW.id), "on-demand", move_id=MOVE, reservation_id=PAYS, at=NOW)


def migrate(volume: Volume, *, lock: bool = False) -> None:
    migrating.request(volume, THERE, move_id=MOVE, lock=lock, at=NOW)


UNDER_WAY: dict[str, list[Step]] = {
    "idle": [],
    "retyping": [retype],
    "migrating": [migrate],
    "maintenance": [lambda v: migrate(v, lock=True)],
}


def a_volume_that_is(operation: str, *, attach_status: str = "detached") -> Volume:
    volume = a_volume()
    volume.attach_status = attach_status
    for step in UNDER_WAY[operation]:
        step(volume)
    assert volume.operation == operation
    return volume.settled()


DECISIONS: dict[str, Step] = {
    "retype": retype,
    "migrate": migrate,
    "arrive": lambda v: moving.arrive(v, a_move(v), "lun-1", NOW),
    "retyped": lambda v: retyping.succeed(v, NEW, NOW),
    "retype failed": lambda v: retyping.fail(v, a_move(v), "broken", NOW),
    "retype refused": lambda v: retyping.refuse(v, "no room", NOW),
    "migration refused": lambda v: migrating.refuse(v, "no room", NOW),
    "migrated": lambda v: migrating.succeed(v, NOW),
    "migration failed": lambda v: migrating.fail(v, a_move(v), "broken", NOW),
    "extend": lambda v: extension.request(v, 9, reservation_id=PAYS, at=NOW),
    "delete": lambda v: v.request_deletion(NOW),
    "delete by force alone": lambda v: v.request_deletion(NOW, force=True),
    "describe": lambda v: v.describe("new name", None, NOW),
}

_MOVING = ("retyping", *MIGRATING)

LEGAL: dict[str, dict[str, str]] = {
    "retype": {"idle": "retype_requested"},
    "migrate": {"idle": "migration_requested"},
    "arrive": dict.fromkeys(_MOVING, "moved"),
    "retyped": {"retyping": "retyped"},
    "retype failed": {"retyping": "retype_failed"},
    "retype refused": {"retyping": "retype_refused"},
    "migrated": dict.fromkeys(MIGRATING, "migrated"),
    "migration refused": dict.fromkeys(MIGRATING, "migration_refused"),
    "migration failed": dict.fromkeys(MIGRATING, "migration_failed"),
    "extend": {"idle": "extension_requested"},
    "delete": {"idle": "deletion_requested"},
    "delete by force alone": {"idle": "deletion_requested"},
    "describe": dict.fromkeys(UNDER_WAY, "described"),
}
"""Each decision with what follows where it may be taken; everywhere else it is refused."""


@pytest.mark.parametrize("operation", UNDER_WAY)
@pytest.mark.parametrize("decision", DECISIONS)
def test_every_decision_beside_every_operation_leads_to_its_event_or_is_refused(
    decision, operation
):
    volume = a_volume_that_is(operation)
    before = volume.settled()
    expected = LEGAL[decision].get(operation)
    if expected is not None:
        DECISIONS[decision](volume)
        assert [r.event.verb for r in volume.pending] == [expected]
    else:
        with pytest.raises(NotAllowed):
            DECISIONS[decision](volume)
        assert volume == before


@pytest.mark.parametrize("state", [state for state in PATHS if state != "available"])
@pytest.mark.parametrize("wish", [retype, migrate])
def test_only_a_volume_that_is_well_can_move(state, wish):
    volume = a_volume(in_state=state)
    with pytest.raises((NotAllowed, InvalidRequest) if volume.attachments else NotAllowed):
        wish(volume)
    assert not volume.pending


@pytest.mark.parametrize(
    ("operation", "attach_status", "shown"),
    [
        ("retyping", "detached", "retyping"),
        ("retyping", "attached", "retyping"),
        ("migrating", "detached", "available"),
        ("maintenance", "detached", "maintenance"),
    ],
)
def test_what_users_see(operation, attach_status, shown):
    volume = a_volume_that_is(operation, attach_status=attach_status)
    assert (volume.status, volume.at_rest) == (shown, False)


# what a retype asks for


def check(volume: Volume, new: VolumeType = NEW, **qos: QosSpecs | None) -> None:
    retyping.check(volume, new, OLD, new_qos=qos.get("new_qos"), old_qos=qos.get("old_qos"))


def a_type(**extra_specs: str) -> VolumeType:
    specs = {key.replace("__", ":"): value for key, value in extra_specs.items()}
    return VolumeType.create(
        an_id(0xC), name="special", description=None, is_public=True, extra_specs=specs, at=NOW
    )


def qos(consumer: str, **specs: str) -> QosSpecs:
    return QosSpecs.create(an_id(0xD), name="brisk", consumer=consumer, specs=specs, at=NOW)


def test_the_type_that_it_has_is_no_other():
    with pytest.raises(InvalidRequest, match="is of type gold already"):
        check(a_volume(), OLD)


def test_a_type_whose_volumes_have_other_sizes_is_refused():
    with pytest.raises(InvalidRequest, match="minimum"):
        check(a_volume(size_gib=2), a_type(provisioning__min_vol_size="3"))


@pytest.mark.parametrize("attach_status", ["reserved", "attaching", "detaching"])
@pytest.mark.parametrize("wish", [check, migrate])
def test_what_is_being_attached_or_detached_does_not_move(attach_status, wish):
    volume = a_volume()
    volume.attach_status = attach_status
    with pytest.raises(NotAllowed):
        wish(volume)


def test_whether_several_may_attach_it_changes_only_while_nobody_does():
    shared = a_type(multiattach="<is> True")
    check(a_volume(), shared)
    attached = a_volume()
    attached.attach_status = "attached"
    check(attached)
    with pytest.raises(InvalidRequest, match="whether several may attach it"):
        check(attached, shared)


LUKS = Encryption(provider="luks")
PLAIN = Encryption(provider="plain")


@pytest.mark.parametrize(
    ("has", "wanted"), [(None, LUKS), (LUKS, None), (LUKS, PLAIN), (PLAIN, LUKS)]
)
def test_what_it_holds_is_not_written_anew_in_another_encryption(has, wanted):
    volume, new = a_volume(), a_volume_type(0xB, name="silver")
    volume.encryption, new.encryption = has, wanted
    with pytest.raises(InvalidRequest, match="encrypted otherwise"):
        check(volume, new)
    new.encryption = has
    check(volume, new)


def test_what_is_encrypted_cannot_be_attached_by_several():
    volume, shared = a_volume(), a_type(multiattach="<is> True")
    volume.encryption = shared.encryption = LUKS
    with pytest.raises(InvalidRequest, match="encrypted and multiattach"):
        check(volume, shared)


QOS = [
    # what the old type has, what the new one has, whether an attached volume may be retyped
    (None, None, True),
    (qos("front-end", iops="1"), qos("front-end", iops="1"), True),
    (qos("front-end", iops="1"), qos("front-end", iops="2"), False),
    (qos("front-end", iops="1"), None, False),
    (None, qos("both", iops="1"), False),
    (None, qos("back-end", iops="1"), True),
    (qos("back-end", iops="1"), qos("back-end", iops="2"), True),
    (qos("back-end", iops="1"), qos("both", iops="1"), False),
]


@pytest.mark.parametrize(("old", "new", "allowed"), QOS)
def test_qos_that_the_host_enforces_changes_only_while_nobody_attaches_it(old, new, allowed):
    check(a_volume(), new_qos=new, old_qos=old)
    attached = a_volume()
    attached.attach_status = "attached"
    if allowed:
        check(attached, new_qos=new, old_qos=old)
    else:
        with pytest.raises(InvalidRequest, match="QoS"):
            check(attached, new_qos=new, old_qos=old)


# what a migration asks for


def test_where_it_is_already_it_does_not_go():
    with pytest.raises(InvalidRequest, match="already"):
        migrating.request(a_volume(), HOST, move_id=MOVE, lock=False, at=NOW)


def test_an_attached_volume_cannot_go_since_nobody_swaps_it_under_its_server():
    volume = a_volume()
    volume.attach_status = "attached"
    with pytest.raises(InvalidRequest, match="compute service"):
        migrate(volume)


def test_a_volume_that_a_node_reaches_unseen_cannot_go_either():
    volume = a_volume()
    connecting.connect_node(volume, {"host": "node1"}, NOW)
    assert volume.status == "available"
    with pytest.raises(InvalidRequest, match="connections have to end"):
        migrate(volume)


# how it ends


def test_nothing_of_the_new_type_is_true_before_it_happened():
    volume = a_volume_that_is("retyping")
    assert volume.volume_type_id == str(OLD.id)
    retyping.succeed(volume, a_type(multiattach="<is> True"), NOW)
    [event] = [r.event for r in volume.pending]
    assert event == retyping.Retyped(
        host=HOST,
        volume_type_id=str(NEW.id),
        old_volume_type_id=str(OLD.id),
        multiattach=True,
        reservation_id=PAYS,
    )
    assert volume.volume_type_id == str(NEW.id)
    assert volume.reservations[1:] == [PAYS]
    assert (volume.status, volume.at_rest, volume.under_way) == ("available", True, None)


def test_it_arrives_under_its_own_id_with_its_new_place():
    volume = a_volume_that_is("migrating")
    moving.arrive(volume, a_move(volume), "lun-1", NOW)
    migrating.succeed(volume, NOW)
    arrived, migrated = (r.event for r in volume.pending)
    assert arrived == moving.Moved(
        host=THERE,
        from_host=HOST,
        availability_zone="attic",
        provider_id="lun-1",
        size_gib=2,
        number=2,
        left_number=1,
    )
    assert migrated == migrating.Migrated(host=THERE)
    assert (volume.host, volume.availability_zone, volume.placed_as) == (THERE, "attic", 2)


def test_the_room_at_the_source_is_free_once_its_remnant_is_gone():
    volume = a_volume()
    history = [r.event for r in a_volume_with_its_past().pending]
    migrate(volume)
    move = a_move(volume)
    moving.arrive(volume, move, None, NOW)
    ledger = PoolLedger()
    ledger.take(changes([*history, *bare(move.pending), *bare(volume.pending)]))
    assert ledger.promised == {HOST: Promise(0, 0), THERE: Promise(2, 1)}


def a_volume_with_its_past() -> Volume:
    volume = a_request()
    for step in PATHS["available"]:
        step(volume)
    return volume


@pytest.mark.parametrize("operation", ["retyping", "migrating", "maintenance"])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_it_is_as_it_was_when_it_is_given_up(operation, elsewhere):
    """The one way out that needs neither a worker nor its backend."""
    volume = a_volume_that_is(operation)
    before = volume.settled()
    move = a_move(volume, to=THERE if elsewhere else HOST)
    with pytest.raises(ValueError, match="its move must end"):
        giving_up.give_up(volume, "too late", NOW)
    paid_by = giving_up.give_up(volume, "too late", NOW, move=move)
    assert paid_by == ([PAYS] if operation == "retyping" else [])
    assert move.state == "failed"
    [failed] = [r.event for r in volume.pending]
    assert failed.left_number == (2 if elsewhere else None)  # type: ignore[attr-defined]
    if isinstance(failed, retyping.RetypeFailed):
        assert failed.migration_failed is elsewhere
    was = msgspec.structs.replace(
        before, operation="idle", under_way=None, version=before.version + 1, since=NOW.at
    )
    assert volume.settled() == was
    assert volume.at_rest


@pytest.mark.parametrize("wish", ["retype", "migrate"])
def test_replay_equals_what_was_lived(wish):
    lived = a_volume()
    DECISIONS[wish](lived)
    moving.arrive(lived, a_move(lived), "lun-1", NOW)
    DECISIONS["retyped" if wish == "retype" else "migrated"](lived)
    replayed = a_volume()
    for recorded in lived.pending:
        replayed.replay(recorded)
    assert replayed == lived.settled()


def test_every_placement_of_a_volume_has_its_own_number():
    volume, numbers = a_volume(), [1]
    for _ in range(3):
        migrate(volume)
        numbers.append(volume.placements)
        giving_up.give_up(volume, "too late", NOW, move=a_move(volume))
    assert numbers == [1, 2, 3, 4]
    assert volume.placed_as == 1
