"""Deadlines: how long what is under way may wait for whoever has to go on with it.

Every state of every lifecycle in which somebody of ours owes something has one, so that nothing
waits for ever for a backend that never comes back or a reaction that was parked (lifecycles 15,
number 21). How long each is, operators decide (settings, `deadlines`).
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.volume import Volume
from domain.aggregates.volume.attachment import Attachment
from domain.lifecycle import Lifecycle
from domain.machines.attachment import ATTACHMENT
from domain.machines.backup import BACKUP
from domain.machines.move import MOVE
from domain.machines.snapshot import SNAPSHOT
from domain.machines.volume import SETTLED, VOLUME
from domain.machines.volume_operation import VOLUME_OPERATION

Allowed = Mapping[str, float]
"""Seconds by the name of the deadline."""


class Wait(msgspec.Struct, frozen=True):
    """Which deadline ends a state, and what has not happened then."""

    deadline: str
    missed: str


WAITS: Mapping[str, Mapping[str, Wait]] = {
    VOLUME.name: {
        "requested": Wait("placement", "nobody chose a backend"),
        "placed": Wait("creation", "the backend did not begin to make it"),
        "awaiting": Wait("download", "the volume that is to keep its image was not made"),
        "provisioning": Wait("creation", "the backend did not tell whether it made it"),
        "downloading": Wait("download", "the backend did not tell whether its image had come"),
        "cancelling": Wait("creation", "the backend did not tell that it had stopped making it"),
        "emptying": Wait("deletion", "its snapshots were not all deleted"),
        "deleting": Wait("deletion", "the backend did not begin to delete it"),
        "removing": Wait("deletion", "the backend did not tell whether it deleted it"),
    },
    VOLUME_OPERATION.name: {
        "extending": Wait("extension", "nobody decided whether its pool has the room"),
        "extension_placed": Wait("extension", "the backend did not begin to extend it"),
        "growing": Wait("extension", "the backend did not tell whether it extended it"),
        "reverting": Wait("copying", "the backend did not begin to revert it"),
        "rewriting": Wait("copying", "the backend did not tell whether it reverted it"),
        "uploading": Wait("upload", "the backend did not begin to make an image of it"),
        "sending": Wait("upload", "the backend did not tell whether its image is complete"),
        "retyping": Wait("moving", "the backend did not tell whether it is of the new type"),
        "migrating": Wait("moving", "the backend did not tell whether it took it"),
        "maintenance": Wait("moving", "the backend did not tell whether it took it"),
    },
    ATTACHMENT.name: {
        "connection_requested": Wait("attachment", "the backend did not begin to connect it"),
        "connecting": Wait("attachment", "the backend did not tell whether it connected it"),
        "removal_requested": Wait("attachment", "the backend did not begin to disconnect it"),
        "disconnecting": Wait("attachment", "the backend did not tell whether it disconnected it"),
    },
    SNAPSHOT.name: {
        "requested": Wait("placement", "nobody decided whether its pool has the room"),
        "placed": Wait("creation", "the backend did not begin to make it"),
        "making": Wait("creation", "the backend did not tell whether it made it"),
        "cancelling": Wait("creation", "the backend did not tell that it had stopped making it"),
        "deleting": Wait("deletion", "the backend did not begin to delete it"),
        "removing": Wait("deletion", "the backend did not tell whether it deleted it"),
    },
    BACKUP.name: {
        "requested": Wait("creation", "the backend of its volume did not begin to make it"),
        "making": Wait("backup", "the backend did not tell whether it made it"),
        "cancelling": Wait("backup", "the backend did not tell that it had stopped making it"),
        "importing": Wait("creation", "nobody looked whether the backup store has it"),
        "restoring": Wait("creation", "the backend of the volume did not begin to restore it"),
        "writing": Wait("backup", "the backend did not tell whether it restored it"),
        "deleting": Wait("deletion", "nobody began to delete it"),
        "removing": Wait("deletion", "nobody told whether it is deleted"),
    },
    MOVE.name: {
        "requested": Wait("placement", "nobody chose a pool for it"),
        "placed": Wait("creation", "the backend did not begin to take it"),
    },
}
"""By lifecycle and state. When this table changes, the version of the projection goes up
(projections/under_way.py)."""

COPIED = Wait("copying", "the backend did not tell whether it copied what it is made from")
"""The wait of a volume in `provisioning` that is made from something, or from one that keeps its
image: copies take their time."""

NAMES = sorted(
    {COPIED.deadline, *(wait.deadline for states in WAITS.values() for wait in states.values())}
)
"""Of all deadlines."""

OTHERWISE_ENDED: Mapping[tuple[str, str], str] = {
    (MOVE.name, "moving"): "ends with the operation of its volume, however often it begins anew",
    (MOVE.name, "completing"): "ends with the operation of its volume",
    (VOLUME_OPERATION.name, "backing_up"): "ends with the wait of its backup",
    (VOLUME_OPERATION.name, "restoring"): "ends with the wait of its backup",
    (SNAPSHOT.name, "backing_up"): "ends with the wait of its backup",
    (SNAPSHOT.name, "restoring"): "ends with the operation of its volume",
    (VOLUME_OPERATION.name, "attaching"): "whoever is about to attach it lets it go",
    (VOLUME_OPERATION.name, "detaching"): "whoever is about to detach it lets it go",
    (VOLUME_OPERATION.name, "offered"): "its owner or whoever has the key decides",
    ("transfer", "offered"): "its owner or whoever has the key decides",
    ("quota_reservation", "reserved"): "ends with what it pays for, or at its own deadline",
    ("encryption_key", "requested"): "ends with the wait of what it is for",
    ("encryption_key", "destroying"): "it is there until the key manager is back and lets go of it",
    ("remnant", "left"): "its space stays promised until its backend is back and lets go of it",
}
"""What may last as long as it likes, and why nothing is stuck for that."""


def overdue(aggregate: Aggregate, allowed: Allowed, now: datetime) -> str | None:
    """What has not happened to it for longer than is allowed, as a sentence; None if nothing."""
    since = aggregate.since
    copied = isinstance(aggregate, Volume) and (
        aggregate.holds_source or aggregate.cached_source is not None
    )
    if copied and aggregate.state == "provisioning":
        return _late(COPIED, since, allowed, now)
    missed = _missed(aggregate.lifecycle, aggregate.state, since, allowed, now)
    if missed is None and aggregate.beside is not None:
        missed = _missed(aggregate.beside, aggregate.operation, since, allowed, now)
    return missed


def overdue_attachments(
    volume: Volume, allowed: Allowed, now: datetime
) -> list[tuple[Attachment, str]]:
    """As `overdue`, of each attachment of a volume. Those of one that is on its way out end with
    it, or are overdue again once it stays after all."""
    if volume.state not in SETTLED:
        return []
    found = (
        (each, _missed(ATTACHMENT, each.state, each.since, allowed, now))
        for each in volume.attachments.values()
    )
    return [(each, missed) for each, missed in found if missed is not None]


def _missed(
    lifecycle: Lifecycle, state: str, since: datetime | None, allowed: Allowed, now: datetime
) -> str | None:
    wait = WAITS[lifecycle.name].get(state) if lifecycle.name in WAITS else None
    return None if wait is None else _late(wait, since, allowed, now)


def _late(wait: Wait, since: datetime | None, allowed: Allowed, now: datetime) -> str | None:
    if since is None:
        return None
    waited_s, allowed_s = (now - since).total_seconds(), allowed[wait.deadline]
    if waited_s < allowed_s:
        return None
    return f"{wait.missed} for {waited_s:.0f} s, {allowed_s:g} s being allowed"
