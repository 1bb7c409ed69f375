"""Of what clients make their wishes: the fields of a command, from what they know."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.backup import Backup
from domain.aggregates.backup.importing import record_of
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType
from domain.image import UploadedImage
from tests.simulation.sight import KEY, PROJECTS, Sight

Fields = dict[str, Any] | None
"""Of a command, without `at`; None where there is nothing to ask it of."""
Maker = Callable[[Sight], Fields]
Field = Callable[[Sight], Any]


def create(see: Sight) -> Fields:
    kind = see.any_of(VolumeType, lambda each: each.state == "available")
    return (
        None
        if kind is None
        else {
            "id": see.new_id(),
            "project_id": see.project_id,
            "user_id": "ann",
            "size_gib": see.number(1, 4),
            "name": "a volume",
            "description": None,
            "metadata": {},
            "volume_type_id": kind.id,
            "availability_zone": see.zone if see.often(0.2) else None,
            "known_zones": frozenset({see.zone}),
            "image": see.image() if see.often(0.3) else None,
        }
    )


def copied(see: Sight) -> Fields:
    """Of a new volume that is to hold what a snapshot, a volume or a backup does."""
    fields = create(see)
    kind: Any
    kind, name = see.one(
        ((Snapshot, "snapshot_id"), (Volume, "source_volume_id"), (Backup, "backup_id"))
    )
    source = see.any_of(kind, lambda each: each.state == "available")
    if fields is None or source is None:
        return None
    of_type = None
    if isinstance(source, Backup):  # by which it can be read
        of = see.any_of(Volume, lambda each: str(each.id) == source.volume_id)
        of_type = None if of is None else UUID(of.volume_type_id)
    return {**fields, "image": None, "size_gib": None, "volume_type_id": of_type, name: source.id}


def create_or_copy(see: Sight) -> Fields:
    return copied(see) if see.often(0.3) else create(see)


def reversion(see: Sight) -> Fields:
    """Mostly to a snapshot of the volume."""
    found = see.any_of(Snapshot, lambda each: each.state == "available")
    if found is None:
        return None
    return {"id": UUID(found.volume_id), "project_id": None, "snapshot_id": found.id}


def of_volume(*statuses: str, **fields: Field) -> Maker:
    """About some volume, by its owner; now and then by another project."""

    def make(see: Sight) -> Fields:
        found = see.volume(*statuses)
        if found is None:
            return None
        owner = found.project_id if see.often(0.95) else see.one(PROJECTS)
        return {
            "id": found.id,
            "project_id": owner,
            **{name: field(see) for name, field in fields.items()},
        }

    return make


UPLOAD: Mapping[str, Field] = {
    "image_id": Sight.new_id,
    "image": lambda see: UploadedImage(name="golden", visibility="public"),
    "attached": lambda see: see.often(0.5),
}
"""What a volume is to become."""


def of_attachment(*states: str, **fields: Field) -> Maker:
    def make(see: Sight) -> Fields:
        found = see.attachment(*states)
        return (
            None
            if found is None
            else {
                "id": found[0].id,
                "project_id": None,
                "attachment_id": UUID(found[1].id),
                **{name: field(see) for name, field in fields.items()},
            }
        )

    return make


def of(find: Callable[[Sight], Aggregate | None], **fields: Field) -> Maker:
    """About what is found, if anything is."""

    def make(see: Sight) -> Fields:
        found = find(see)
        return (
            None
            if found is None
            else {"id": found.id, **{name: field(see) for name, field in fields.items()}}
        )

    return make


def of_snapshot(*states: str, **fields: Field) -> Maker:
    def find(see: Sight) -> Snapshot | None:
        return see.any_of(Snapshot, lambda each: not states or each.state in states)

    return of(find, project_id=lambda see: None, **fields)


def of_backup(*states: str, **fields: Field) -> Maker:
    def find(see: Sight) -> Backup | None:
        return see.any_of(Backup, lambda each: not states or each.state in states)

    return of(find, project_id=lambda see: None, **fields)


def given(**fields: Field) -> Maker:
    return lambda see: {name: field(see) for name, field in fields.items()}


def tags(see: Sight) -> dict[str, str]:
    return {see.one(("a", "b", "c")): str(see.number(1, 9))}


def name(see: Sight) -> str:
    return f"name {see.number(1, 6)}"


def reset(see: Sight) -> Fields:
    """Administrators look before they say that something is well."""
    if see.often(0.4):
        found = see.volume("error", "error_deleting", "error_extending")
        if found is None or not see.is_well(found):
            return None
        return {"id": found.id, "project_id": None, "status": "available"}
    found = see.volume()
    return None if found is None else {"id": found.id, "project_id": None, "status": "error"}


def offer(see: Sight) -> Fields:
    found = see.volume("available")
    return (
        None
        if found is None
        else {
            "id": see.new_id(),
            "volume_id": found.id,
            "project_id": found.project_id,
            "user_id": "ann",
            "name": None,
            "key": KEY,
            "salt": "s",
        }
    )


def accept(see: Sight) -> Fields:
    found = see.transfer()
    return (
        None
        if found is None
        else {
            "id": found.id,
            "key": KEY if see.often(0.9) else "wrong",
            "project_id": see.one(PROJECTS),
            "user_id": "bob",
        }
    )


def withdraw(see: Sight) -> Fields:
    found = see.transfer()
    return None if found is None else {"id": found.id, "project_id": None}


def dismiss(see: Sight) -> Fields:
    failure = see.failure()
    return None if failure is None else {"failure": failure}


def retype(see: Sight) -> Fields:
    """Mostly to another type than it is of."""
    volume = see.volume("available", "in-use")
    if volume is None:
        return None

    def other(kind: VolumeType) -> bool:
        return kind.state == "available" and str(kind.id) != volume.volume_type_id

    kind = see.any_of(VolumeType, other)
    if kind is None:
        return None
    return {
        "id": volume.id,
        "project_id": volume.project_id,
        "volume_type_id": kind.id,
        "policy": see.one(("never", "on-demand")),
    }


def disconnection(see: Sight) -> Fields:
    """Mostly of a node that was connected by itself."""
    found = see.attachment("connecting", "connected")
    if found is None or found[1].shown:
        return None
    return {
        "id": found[0].id,
        "project_id": None,
        "connector": found[1].connector or see.connector(),
    }


def backup(see: Sight) -> Fields:
    found = see.volume("available", "in-use")
    return (
        None
        if found is None
        else {
            "id": see.new_id(),
            "volume_id": found.id,
            "project_id": found.project_id,
            "of_project": found.project_id,
            "user_id": "ann",
            "name": None,
            "description": None,
            "force": see.often(0.5),
        }
    )


def snapshot(see: Sight) -> Fields:
    found = see.volume("available", "in-use")
    return (
        None
        if found is None
        else {
            "id": see.new_id(),
            "volume_id": found.id,
            "of_project": found.project_id,
            "user_id": "ann",
            "name": None,
            "description": None,
            "metadata": {},
            "force": see.often(0.5),
        }
    )


def restoration(see: Sight) -> Fields:
    found = see.any_of(Backup, lambda each: each.state == "available")
    if found is None:
        return None
    encryption = found.encryption
    into = see.any_of(Volume, lambda v: v.status == "available" and v.encryption == encryption)
    if into is None:
        return None
    return {"id": found.id, "project_id": None, "volume_id": into.id}


def imported(see: Sight) -> Fields:
    """The record of one that is there, or was: as if another installation had taken it over."""
    found = see.any_of(Backup, lambda each: each.state == "available")
    if found is None or found.state != "available":
        return None
    record = msgspec.structs.replace(record_of(found), id=see.new_id())
    return {
        "record": record,
        "project_id": see.project_id,
        "user_id": "ann",
        "key": see.new_id(),
    }
