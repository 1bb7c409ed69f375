"""Actions that say what a volume is good for (api.md 3)."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from services.api import rules, volume_lookup
from services.api.action import Action, Nothing
from services.api.bodies import Flag, Key, Metadata, is_yes
from services.api.call import Call
from services.api.metadata import AllMetadata
from services.commands.volume_properties import ChangeImageMetadata, SetBootable, SetReadonly


class Bootable(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a server can boot from it."""

    bootable: Flag


class Readonly(msgspec.Struct, forbid_unknown_fields=True):
    """Whether it may only be attached for reading."""

    readonly: Flag


class ImageMetadata(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be known of its image besides what is."""

    metadata: Annotated[Metadata, Meta(min_length=1)]


class ImageMetadatum(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be known no more."""

    key: Key


async def set_bootable(call: Call, wanted: Bootable) -> Response:
    """Marks it as one to boot from, or not."""
    row = await volume_lookup.named(call)
    call.check(rules.UPDATE, volume_lookup.owner(row))
    await call.application.execute(
        SetBootable(
            id=row.id,
            project_id=call.visible_project,
            bootable=is_yes(wanted.bootable),
            at=call.moment(),
        )
    )
    return call.empty(200)


async def update_readonly_flag(call: Call, wanted: Readonly) -> Response:
    """Marks it as one to read only, or not."""
    row = await volume_lookup.named(call)
    call.check(rules.UPDATE_READONLY, volume_lookup.owner(row))
    await call.application.execute(
        SetReadonly(
            id=row.id,
            project_id=call.visible_project,
            readonly=is_yes(wanted.readonly),
            at=call.moment(),
        )
    )
    return call.empty(202)


async def show_image_metadata(call: Call, _: Nothing | None) -> Response:
    """All that is known of its image."""
    row = await volume_lookup.named(call)
    call.check(rules.GET_METADATA, volume_lookup.owner(row))
    return call.json(200, AllMetadata(row.image_metadata))


async def set_image_metadata(call: Call, wanted: ImageMetadata) -> Response:
    """Adds to what is known of its image."""
    row = await volume_lookup.named(call)
    call.check(rules.SET_IMAGE_METADATA, volume_lookup.owner(row))
    known = await call.application.execute(
        ChangeImageMetadata(
            id=row.id, project_id=call.visible_project, set=wanted.metadata, at=call.moment()
        )
    )
    return call.json(200, AllMetadata(known))


async def unset_image_metadata(call: Call, wanted: ImageMetadatum) -> Response:
    """Removes one key from what is known of its image."""
    row = await volume_lookup.named(call)
    call.check(rules.REMOVE_IMAGE_METADATA, volume_lookup.owner(row))
    await call.application.execute(
        ChangeImageMetadata(
            id=row.id, project_id=call.visible_project, remove=(wanted.key,), at=call.moment()
        )
    )
    return call.empty(200)


ACTIONS = (
    Action("os-set_bootable", Bootable, set_bootable),
    Action("os-update_readonly_flag", Readonly, update_readonly_flag),
    Action("os-show_image_metadata", Nothing | None, show_image_metadata),
    Action("os-set_image_metadata", ImageMetadata, set_image_metadata),
    Action("os-unset_image_metadata", ImageMetadatum, unset_image_metadata),
)
