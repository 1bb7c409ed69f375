"""A volume type as the API shows it, and finding the one that a path names (api.md 7)."""

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import NotFound
from projections import volume_types
from projections.volume_types import VolumeTypeRow
from services.api import rules
from services.api.call import Call
from services.api.lookup import as_id

VISIBLE_SPECS = frozenset({"RESKEY:availability_zones", "multiattach", "replication_enabled"})
"""The extra specs that everybody may see."""


class VolumeType(
    msgspec.Struct, kw_only=True, rename={"public": "os-volume-type-access:is_public"}
):
    """A volume type, with what the caller may see of it."""

    id: str
    name: str
    is_public: bool
    description: str | None
    extra_specs: dict[str, str] | UnsetType = UNSET
    qos_specs_id: str | UnsetType | None = UNSET
    public: bool | UnsetType = UNSET


class OneType(msgspec.Struct):
    """One volume type."""

    volume_type: VolumeType


async def named(call: Call) -> VolumeTypeRow:
    """The type of the path's `type_id`, as it is now.

    Raises NotFound if there is none, or the caller does not see it.
    """
    return await of_words(call, call.part("type_id"))


async def of_words(call: Call, words: str) -> VolumeTypeRow:
    """The type of that id or name, as it is now. Raises NotFound as `named`."""
    id, read = as_id(words), call.application.views.read
    row = None if id is None else await read(volume_types.find, id)
    row = row or await read(volume_types.by_name, words)
    if row is None or not row.visible_to(call.visible_project):
        raise NotFound(kind="volume_type", id=words[:255])
    return row


def shown(call: Call, row: VolumeTypeRow) -> VolumeType:
    """The type for this caller."""
    view = VolumeType(
        id=str(row.id), name=row.name, is_public=row.is_public, description=row.description
    )
    if call.allows(rules.FIELD_TYPE_SPECS):
        view.extra_specs = visible_specs(call, row)
    if call.allows(rules.FIELD_TYPE_QOS):
        view.qos_specs_id = None if row.qos_specs_id is None else str(row.qos_specs_id)
    if call.allows(rules.FIELD_TYPE_PUBLIC):
        view.public = row.is_public
    return view


def visible_specs(call: Call, row: VolumeTypeRow) -> dict[str, str]:
    """The extra specs that the caller may see."""
    every = call.allows(rules.TYPE_SENSITIVE_SPECS)
    return {k: v for k, v in row.extra_specs.items() if every or k in VISIBLE_SPECS}
