"""What a new volume is made from, as requests name it."""

from uuid import UUID

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


async def original(call: Call, wish: given.NewVolume) -> VolumeRow | SnapshotRow | None:
    """The volume or snapshot that is named as the source, if one is.

    Raises InvalidRequest for more than one source and for what cannot be a source, NotFound.
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
        return await snapshot_lookup.by_id(call, wish.snapshot_id)
    if wish.source_volid is not None:
        return await volume_lookup.by_id(call, wish.source_volid)
    return None


async def backup_id(call: Call, wish: given.NewVolume) -> UUID | None:
    """The backup that it is to hold, if any. Raises NotFound, Forbidden."""
    if wish.backup_id is None or not call.has(microversions.FROM_BACKUP):
        return None
    return (await backup_query.by_id(call, wish.backup_id, rules.BACKUP_GET)).id


async def image(call: Call, wish: given.NewVolume) -> ChosenImage | None:
    """What is to be on it, if anything. Raises InvalidRequest, OutOfStep, Unavailable."""
    reference = wish.image_ref or wish.image_id
    if not reference:
        return None
    found = await images.find(
        call.application.images,
        reference,
        project_id=call.caller.project_id,
        formats=call.application.settings.image_service.formats,
    )
    return images.chosen(found)


async def copy_rules(call: Call, original: VolumeRow | SnapshotRow | None) -> CopyRules:
    """Where a volume may be that is made from another, or from a snapshot.

    Only for those are the services asked for: a volume that is made from nothing is accepted while
    the message bus, where they report, is away.
    """
    if original is None:
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
