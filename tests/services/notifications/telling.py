"""Volumes with a life to tell of, and what is told of it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from adapters.bus.memory import MemoryBus
from adapters.bus.port import Bus, Message
from adapters.event_store.memory import MemoryEventStore
from adapters.event_store.port import EventStore
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.snapshot import backing_up as snapshots_backing_up
from domain.aggregates.volume import (
    CachedImageClaimed,
    Source,
    Volume,
    attaching,
    backing_up,
    caching,
    connecting,
    detaching,
    encryption,
    exporting,
    extension,
    giving_up,
    holding,
    imaging,
    migrating,
    moving,
    offering,
    properties,
    resetting,
    retyping,
    reverting,
    uploading,
)
from domain.encryption import Encryption
from domain.event import Moment
from domain.image import UploadedImage
from services.notifications.telling import Notifications
from tests.support.builders import (
    A_PLACE,
    AN_IMAGE,
    HOST,
    MORNING,
    NO_PLACE,
    THERE,
    a_moment,
    a_move,
    a_request,
    a_snapshot,
    a_snapshot_request,
    a_volume_type,
    an_id,
)

DAY_S = 86400.0
SILVER = a_volume_type(0xB, name="silver")
A = an_id(0xA1)

A_SOURCE = Source(kind="snapshot", id=str(an_id(0x51)), size_gib=2, volume_id=str(an_id(9)))

A_VOLUME = Source(kind="volume", id=str(an_id(9)), size_gib=2, volume_id=str(an_id(9)))

Step = Callable[[Volume, Moment], Any]

STEPS: Mapping[str, Step] = {
    "encrypt": lambda v, at: encryption.fix(v, Encryption(provider="luks"), at),
    "claim": lambda v, at: v.claim_source(A_SOURCE, at),
    "key": lambda v, at: encryption.key_made(v, "key-1", at),
    "no_key": lambda v, at: encryption.key_failed(v, "sealed", at),
    "revert": lambda v, at: reverting.request(v, a_snapshot(of=v), (), at),
    "revert_begun": lambda v, at: reverting.start(v, "worker-1", at),
    "reverted": lambda v, at: reverting.succeed(v, a_snapshot(in_state="restoring"), v.attempt, at),
    "not_reverted": lambda v, at: reverting.give_up(v, "the array is offline", at),
    "place": lambda v, at: v.place(A_PLACE, at, most=3),
    "image_chosen": lambda v, at: imaging.choose(v, AN_IMAGE, at),
    "keep": lambda v, at: caching.keep(v, HOST, AN_IMAGE.id, at),
    "wait": lambda v, at: caching.wait(v, an_id(0xCA), at),
    "wait_no_longer": lambda v, at: caching.wait_no_longer(v, "too late", at),
    "copy_kept": lambda v, at: v.record(CachedImageClaimed(AN_IMAGE.id, HOST, A_VOLUME), at),
    "let_kept_go": lambda v, at: caching.release(v, v.attempt, at),
    "come": lambda v, at: imaging.progress(v, v.attempt, 2**20, at),
    "not_come": lambda v, at: imaging.download_failed(v, v.attempt, "not_copied", "it is gone", at),
    "unplaceable": lambda v, at: v.place(NO_PLACE, at),
    "given_up": lambda v, at: giving_up.end_waiting(v, "nobody came", at),
    "start": lambda v, at: v.start_provisioning("worker-1", at),
    "made": lambda v, at: v.provisioned(v.attempt, "provider-1", at),
    "failed": lambda v, at: v.provisioning_failed(v.attempt, "no space", at),
    "again_elsewhere": lambda v, at: v.provisioning_failed(v.attempt, "full", at, elsewhere=True),
    "delete": lambda v, at: v.request_deletion(at, force=True),
    "cascade": lambda v, at: v.request_deletion(at, along=[an_id(0x51)]),
    "emptied": lambda v, at: v.emptied(at),
    "remove": lambda v, at: v.start_deletion("worker-1", at),
    "gone": lambda v, at: v.deleted(at),
    "undeletable": lambda v, at: v.deletion_failed(v.attempt, "backend says no", at),
    "busy": lambda v, at: v.found_busy(v.attempt, "it is in use", at),
    "upload": lambda v, at: uploading.request(v, "i", UploadedImage(name="golden"), at),
    "image_key": lambda v, at: uploading.key_made(v, "i", "key-2", at),
    "send": lambda v, at: uploading.start(v, "worker-1", at),
    "sent": lambda v, at: uploading.succeed(v, v.attempt, at),
    "not_sent": lambda v, at: uploading.fail(v, v.attempt, "it is away", at),
    "extend": lambda v, at: extension.request(v, 5, reservation_id="r", at=at),
    "no_room": lambda v, at: extension.refuse(v, "no room", at),
    "room": lambda v, at: extension.place(v, ceiling_gib=None, at=at),
    "grow": lambda v, at: extension.start(v, "worker-1", at),
    "grown": lambda v, at: extension.succeed(v, v.attempt, at),
    "not_grown": lambda v, at: extension.fail(v, v.attempt, "cannot grow", at),
    "offer": lambda v, at: offering.offer(v, "t", at),
    "withdraw": lambda v, at: offering.withdraw(v, at),
    "hand_over": lambda v, at: offering.transfer(
        v, project_id="another", user_id="bob", reservation_id="r", at=at
    ),
    "retype": lambda v, at: retyping.request(
        v, str(SILVER.id), "never", move_id=str(an_id(0x30)), reservation_id="r", at=at
    ),
    "no_such_pool": lambda v, at: retyping.refuse(v, "no room", at),
    "not_retyped": lambda v, at: retyping.fail(v, a_move(v), "backend says no", at),
    "retyped": lambda v, at: retyping.succeed(v, SILVER, at),
    "migrate": lambda v, at: migrating.request(
        v, THERE, move_id=str(an_id(0x30)), lock=True, at=at
    ),
    "not_there": lambda v, at: migrating.refuse(v, "no room", at),
    "not_migrated": lambda v, at: migrating.fail(v, a_move(v), "backend says no", at),
    "arrive": lambda v, at: moving.arrive(v, a_move(v), "provider-1", at),
    "migrated": lambda v, at: migrating.succeed(v, at),
    "say_available": lambda v, at: resetting.reset(v, "available", at),
    "say_error": lambda v, at: resetting.reset(v, "error", at),
    "say_error_deleting": lambda v, at: resetting.reset(v, "error_deleting", at),
    "say_error_extending": lambda v, at: resetting.reset(v, "error_extending", at),
    "back_up": lambda v, at: backing_up.begin(v, "b", at, force=False),
    "backed_up": lambda v, at: backing_up.end(v, "b", at),
    "put_back": lambda v, at: backing_up.begin_restore(v, "b", at),
    "restored": lambda v, at: backing_up.restored(v, "b", at),
    "not_restored": lambda v, at: backing_up.restore_failed(v, "b", "damaged", at),
    "cancel": lambda v, at: backing_up.cancel_restore(v, "b", "reset", at),
    "boots": lambda v, at: properties.set_bootable(v, True, at),
    "readonly": lambda v, at: properties.set_readonly(v, True, at),
    "image": lambda v, at: properties.change_image_metadata(v, {"os": "debian"}, at),
    "reserve": lambda v, at: attaching.reserve(v, A, server_id="s", mode=None, at=at),
    "reach": lambda v, at: connecting.connect(v, A, {"host": "node-1"}, at=at),
    "connect": lambda v, at: connecting.start(v, A, "worker-1", at),
    "connected": lambda v, at: connecting.connected(v, A, 1, {}, at),
    "no_connection": lambda v, at: connecting.failed(v, A, 1, "offline", at=at),
    "no_connector": lambda v, at: connecting.refused(v, A, 1, "no iqn", at=at),
    "use": lambda v, at: attaching.complete(v, A, at),
    "attach": lambda v, at: attaching.attach(
        v, A, server_id="s", node=None, device="/dev/vdb", mode="rw", at=at
    ),
    "detach": lambda v, at: detaching.request(v, A, at),
    "disconnect": lambda v, at: detaching.start(v, A, "worker-1", at),
    "not_disconnected": lambda v, at: detaching.failed(
        v, A, v.attachments[str(A)].attempt, "offline", at
    ),
    "detached": lambda v, at: detaching.removed(v, A, at),
    "abandon": lambda v, at: detaching.abandon(v, A, "too late", at),
    "hold": lambda v, at: holding.reserve(v, at),
    "let_go": lambda v, at: holding.let_go(v, at),
    "begin_detaching": lambda v, at: holding.begin_detaching(v, at),
    "cut_off": lambda v, at: exporting.lost(v, "offline", at),
    "back": lambda v, at: exporting.restored(v, at),
    "share": lambda v, at: v.change_multiattach(True, at),
    "describe": lambda v, at: v.describe("renamed", None, at),
    "label": lambda v, at: v.change_metadata({"tier": "two"}, at),
}


SNAPSHOT_STEPS: Mapping[str, Callable[[Snapshot, Moment], Any]] = {
    "room": lambda s, at: s.place(ceiling_gib=None, at=at),
    "no_room": lambda s, at: s.placement_failed("no room", at),
    "start": lambda s, at: s.start_creation("worker-1", at),
    "made": lambda s, at: s.created(s.attempt, "provider-1", at),
    "failed": lambda s, at: s.creation_failed(s.attempt, "no space", at),
    "delete": lambda s, at: s.request_deletion(at, force=True),
    "remove": lambda s, at: s.start_deletion("worker-1", at),
    "gone": lambda s, at: s.deleted(at),
    "undeletable": lambda s, at: s.deletion_failed(s.attempt, "backend says no", at),
    "busy": lambda s, at: s.found_busy(s.attempt, "it is in use", at),
    "restore": lambda s, at: s.begin_restoring(at),
    "restored": lambda s, at: s.restored(at),
    "not_restored": lambda s, at: s.restoring_failed("the array is offline", at),
    "back_up": lambda s, at: snapshots_backing_up.begin(s, "b", at),
    "backed_up": lambda s, at: snapshots_backing_up.end(s, "b", at),
    "say_available": lambda s, at: s.reset("available", at),
    "say_error": lambda s, at: s.reset("error", at),
    "say_error_deleting": lambda s, at: s.reset("error_deleting", at),
    "describe": lambda s, at: s.describe("renamed", None, at),
    "label": lambda s, at: s.change_metadata({"tier": "two"}, at),
    "retyped": lambda s, at: s.retype(str(SILVER.id), "r", at),
    "hand_over": lambda s, at: s.transfer(
        project_id="another", user_id="bob", reservation_id="r", at=at
    ),
}


async def a_snapshots_log(steps: Sequence[str]) -> MemoryEventStore:
    """The log of a snapshot to which this happened, a second after the other."""
    snapshot = a_snapshot_request()
    for second, step in enumerate(steps, 1):
        SNAPSHOT_STEPS[step](snapshot, a_moment(second))
    log = MemoryEventStore(default_limits={})
    await log.append(snapshot.pending)
    return log


def a_life(number: int, steps: Sequence[str]) -> Volume:
    """A volume to which this happened, a second after the other; all of it is pending."""
    volume = a_request(number, metadata={"tier": "one"})
    for second, step in enumerate(steps, 1):
        STEPS[step](volume, a_moment(second))
    return volume


async def a_log(lives: Sequence[Sequence[str]]) -> MemoryEventStore:
    """The log of volumes that live at the same time: an event of each in turn."""
    log = MemoryEventStore(default_limits={})
    waiting = [list(a_life(number, steps).pending) for number, steps in enumerate(lives, 1)]
    while any(waiting):
        for events in waiting:
            if events:
                await log.append([events.pop(0)])
    return log


def the_notifications(
    store: EventStore,
    bus: Bus,
    *,
    keep_s: float = DAY_S,
    clock: Callable[[], datetime] = lambda: MORNING,
) -> Notifications:
    """Of this log, as one process makes them."""
    return Notifications(store=store, bus=bus, clock=clock, keep_s=keep_s)


async def messages(log: EventStore, *, after: int = 0) -> list[Message]:
    """What a process makes that has seen nothing before this position."""
    notifications = the_notifications(log, MemoryBus())
    return list(await notifications.messages(await log.log(after, 100_000)))


async def told(log: EventStore) -> list[dict[str, Any]]:
    """The notifications, decoded."""
    return [msgspec.json.decode(message.payload) for message in await messages(log)]
