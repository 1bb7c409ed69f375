"""/types: the volume types, to look at (api.md 7)."""

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from projections import volume_types
from projections.volume_types import VolumeTypeQuery, VolumeTypeRow
from services.api import filters, microversions, paging, rules
from services.api.call import Call
from services.api.routing import Parameter, Route
from services.api.volume_view import Link

VISIBLE_SPECS = frozenset({"RESKEY:availability_zones", "multiattach", "replication_enabled"})
"""The extra specs that everybody may see."""

SORT_KEYS = frozenset({"id", "name", "description", "is_public", "created_at"})


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


class TypeList(msgspec.Struct, omit_defaults=True):
    """A page of volume types."""

    volume_types: list[VolumeType]
    volume_type_links: list[Link] = []


async def list_all(call: Call) -> Response:
    """Public types; administrators may ask for private ones, or for both."""
    call.check(rules.TYPE_GET_ALL)
    part = paging.wanted(call, sort_keys=SORT_KEYS)
    query = VolumeTypeQuery(
        is_public=_is_public(call),
        extra_specs=_extra_specs(call),
        sort=part.sort,
        marker=paging.marker_id(part, kind="volume_type"),
        limit=part.limit,
        offset=part.offset,
    )
    rows = await call.application.views.read(volume_types.page, query) if part.limit else []
    links = paging.links(call, part, [str(row.id) for row in rows]) or []
    return call.json(
        200, TypeList([_shown(call, row) for row in rows], [Link(**link) for link in links])
    )


async def show(call: Call) -> Response:
    """One, by id; `default` is that of volumes that name none."""
    wanted = call.part("type_id")
    if wanted == "default":
        wanted = call.application.settings.volume_types.default
    row = await call.catalogue.find(wanted, private=call.is_admin)
    call.check(rules.TYPE_GET)
    return call.json(200, OneType(_shown(call, row)))


def _shown(call: Call, row: VolumeTypeRow) -> VolumeType:
    shown = VolumeType(
        id=str(row.id), name=row.name, is_public=row.is_public, description=row.description
    )
    if call.allows(rules.FIELD_TYPE_SPECS):
        every = call.allows(rules.TYPE_SENSITIVE_SPECS)
        specs = row.extra_specs.items()
        shown.extra_specs = {k: v for k, v in specs if every or k in VISIBLE_SPECS}
    if call.allows(rules.FIELD_TYPE_QOS):
        shown.qos_specs_id = None
    if call.allows(rules.FIELD_TYPE_PUBLIC):
        shown.public = row.is_public
    return shown


def _is_public(call: Call) -> bool | None:
    """Which types to list. None: all."""
    text = call.query.get("is_public")
    if text is None or not call.is_admin:
        return True
    return None if text.strip().lower() == "none" else filters.boolean(text)


def _extra_specs(call: Call) -> dict[str, str]:
    text = call.query.get("extra_specs")
    return filters.pairs(text) if text and call.has(microversions.TYPE_SPECS_FILTER) else {}


ROUTES = (
    Route(
        method="GET",
        path="/types",
        handler=list_all,
        summary="List volume types",
        query=(
            *paging.PARAMETERS,
            Parameter("is_public", "true, false, or none for both (administrators)"),
            Parameter(
                "extra_specs",
                "Pairs that all must be there: `{'k': 'v'}`",
                str,
                microversions.TYPE_SPECS_FILTER,
            ),
        ),
        answer=TypeList,
        refuses=(404,),
    ),
    Route(
        method="GET",
        path="/types/{type_id}",
        handler=show,
        summary="Show a volume type",
        answer=OneType,
    ),
)
