"""What a new volume is made from, as requests name it."""

from uuid import UUID

import msgspec

from domain.errors import InvalidRequest, NotFound
from domain.image import ChosenImage
from projections.snapshots import SnapshotRow
from projections.volumes import VolumeRow
from services import images
from services.api import backup_query, microversions, rules, snapshot_lookup, volume_lookup
from services.api import volume_bodies as given
from services.api.bodies import is_yes
from services.api.call import Call
from services.commands.copying import CopyRules


class Sources(msgspec.Struct, frozen=True):
    """What a volume is made from: one of these, or nothing."""

    original: VolumeRow | SnapshotRow | None = None
    image: ChosenImage | None = None
    backup_id: UUID | None = None

    @property
    def snapshot_id(self) -> UUID | None:
        return self.original.id if isinstance(self.original, SnapshotRow) else None

    @property
    def volume_id(self) -> UUID | None:
        return self.original.id if isinstance(self.original, VolumeRow) else None


async def named(call: Call, wish: given.NewVolume) -> Sources:
    """The source of a volume that is asked for.

    Raises InvalidRequest for more than one and for what cannot be one, NotFound, Forbidden,
    OutOfStep, Unavailable.
    """
    _check_one(call, wish)
    for kind, id, since in (
        ("group", wish.group_id, microversions.VOLUME_GROUP),
        ("group", wish.consistencygroup_id, 0),
    ):
        if id is not None and call.has(since):
            raise NotFound(kind=kind, id=str(id))
    if is_yes(wish.multiattach):
        raise InvalidRequest(
            "Invalid input for field/attribute multiattach: it is a property of volume types and"
            " cannot be asked for by itself."
        )
    if wish.snapshot_id is not None:
        return Sources(await snapshot_lookup.by_id(call, wish.snapshot_id))
    if wish.source_volid is not None:
        return Sources(await volume_lookup.by_id(call, wish.source_volid))
    if wish.backup_id is not None and call.has(microversions.FROM_BACKUP):
        backup = await backup_query.by_id(call, wish.backup_id, rules.BACKUP_GET)
        return Sources(backup_id=backup.id)
    if reference := wish.image_ref or wish.image_id:
        return await _image(call, reference)
    return Sources()


async def _image(call: Call, reference: str) -> Sources:
    """An image, or the snapshot that it only stands for (from 3.46 on, lifecycles 2)."""
    application = call.application
    project_id = call.caller.project_id
    image = await images.find(application.images, reference, project_id=project_id)
    if call.has(microversions.SERVER_SNAPSHOT):
        behind = images.snapshot_behind(image)
        if behind is not None:
            return Sources(await snapshot_lookup.by_id(call, behind))
    images.check_usable(image, application.settings.image_service.formats)
    return Sources(image=images.chosen(image))


async def copy_rules(call: Call, sources: Sources) -> CopyRules:
    """Where a volume may be that is made from another, or from a snapshot.

    Only for those are the services asked for: a volume that is made from nothing is accepted while
    the message bus, where they report, is away.
    """
    if sources.original is None:
        return CopyRules()
    placement = call.application.settings.placement
    backends = [each for each in await call.application.services() if "@" in each.host]
    return CopyRules(
        stay=placement.copies_stay, same_zone=placement.copies_same_zone, lone=len(backends) <= 1
    )


def _check_one(call: Call, wish: given.NewVolume) -> None:
    backup_id = wish.backup_id if call.has(microversions.FROM_BACKUP) else None
    named = {
        "snapshot_id": wish.snapshot_id,
        "source_volid": wish.source_volid,
        "imageRef": wish.image_ref or wish.image_id,
        "backup_id": backup_id,
    }
    sources = [f"{field} {value}" for field, value in named.items() if value]
    if len(sources) > 1:
        raise InvalidRequest(f"A volume is made from one source: not {' and '.join(sources)}.")
    if not sources and wish.size is None:
        raise InvalidRequest(
            "Invalid input for field/attribute size: a volume that is made from nothing needs one."
        )
