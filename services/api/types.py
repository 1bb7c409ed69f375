"""/types: the volume types (api.md 7)."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from domain.errors import InvalidRequest
from projections import volume_types
from projections.volume_types import VolumeTypeQuery, VolumeTypeRow
from services.api import filters, microversions, paging, rules, type_view
from services.api.bodies import Flag, Name, Specs, Words, is_yes
from services.api.call import Call
from services.api.routing import Parameter, Route
from services.api.type_view import OneType, VolumeType
from services.api.volume_view import Link
from services.commands.volume_type import ChangeVolumeType, CreateVolumeType, DeleteVolumeType

SORT_KEYS = frozenset({"id", "name", "description", "is_public", "created_at", "updated_at"})

PUBLIC = "os-volume-type-access:is_public"


class TypeList(msgspec.Struct, omit_defaults=True):
    """A page of volume types."""

    volume_types: list[VolumeType]
    volume_type_links: list[Link] = []


class NewType(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"public": PUBLIC}):
    """A volume type to be made. Null means absent."""

    name: Name
    description: Words | None = None
    extra_specs: Specs | None = None
    public: Flag = True


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /types."""

    volume_type: NewType


class TypeChanges(
    msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"public": PUBLIC}
):
    """What to change, one thing at least. Null means absent; so that it is public has two names."""

    name: Name | None = None
    description: Words | None = None
    is_public: Flag | None = None
    public: Annotated[Flag | None, Meta(description="As is_public")] = None


class UpdateBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /types/{id}."""

    volume_type: TypeChanges


async def list_all(call: Call) -> Response:
    """Public types, and private ones of the caller's project; administrators may ask for more."""
    call.check(rules.TYPE_GET_ALL)
    part = paging.wanted(call, sort_keys=SORT_KEYS)
    query = VolumeTypeQuery(
        is_public=_is_public(call),
        or_accessible_to=call.caller.project_id,
        extra_specs=_extra_specs(call),
        sort=part.sort,
        marker=paging.marker_id(part, kind="volume_type"),
        limit=part.limit,
        offset=part.offset,
    )
    rows = await call.application.views.read(volume_types.page, query) if part.limit else []
    links = paging.links(call, part, [str(row.id) for row in rows]) or []
    shown = [type_view.shown(call, row) for row in rows]
    return call.json(200, TypeList(shown, [Link(**link) for link in links]))


async def show(call: Call) -> Response:
    """One, by id; `default` is that of volumes that name none."""
    wanted = call.part("type_id")
    if wanted == "default":
        wanted = await call.catalogue.default(
            call.caller.project_id, otherwise=call.application.settings.volume_types.default
        )
    row = await type_view.of_words(call, wanted)
    call.check(rules.TYPE_GET)
    return call.json(200, OneType(type_view.shown(call, row)))


async def create(call: Call) -> Response:
    """Adds a type; its name must not be taken."""
    call.check(rules.TYPE_CREATE)
    wish = (await call.body(CreateBody)).volume_type
    command = CreateVolumeType(
        id=call.application.new_id(),
        name=wish.name,
        description=wish.description,
        is_public=is_yes(wish.public),
        extra_specs=wish.extra_specs or {},
        at=call.moment(),
    )
    await call.change_catalogue(command)
    row = await call.application.views.read(volume_types.find, command.id)
    return call.json(200, OneType(type_view.shown(call, row or _as_requested(command))))


async def update(call: Call) -> Response:
    """Changes name, description, or who sees it."""
    row = await type_view.named(call)
    call.check(rules.TYPE_UPDATE)
    wish = (await call.body(UpdateBody)).volume_type
    public = wish.public if wish.is_public is None else wish.is_public
    if wish.name is wish.description is public is None:
        raise InvalidRequest(
            "Specify volume type name, description, is_public or a combination thereof."
        )
    await call.change_catalogue(
        ChangeVolumeType(
            id=row.id,
            name=_set(wish.name),
            description=_set(wish.description),
            is_public=UNSET if public is None else is_yes(public),
            deployment_default=call.application.settings.volume_types.default,
            at=call.moment(),
        )
    )
    changed = await call.application.views.read(volume_types.find, row.id)
    return call.json(200, OneType(type_view.shown(call, changed or row)))


async def delete(call: Call) -> Response:
    """Removes a type that no volume is of and nobody's default."""
    row = await type_view.named(call)
    call.check(rules.TYPE_DELETE)
    default = call.application.settings.volume_types.default
    await call.change_catalogue(
        DeleteVolumeType(id=row.id, deployment_default=default, at=call.moment())
    )
    return call.empty(202)


def _set(words: str | None) -> str | UnsetType:
    return UNSET if words is None else words


def _as_requested(command: CreateVolumeType) -> VolumeTypeRow:
    """What the read model will show, when it is late."""
    return VolumeTypeRow(
        id=command.id,
        name=command.name.strip(),
        description=command.description,
        is_public=command.is_public,
        extra_specs=command.extra_specs,
        created_at=command.at.at,
    )


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
        method="POST",
        path="/types",
        handler=create,
        summary="Create a volume type",
        body=CreateBody,
        answer=OneType,
        refuses=(409, 503),
    ),
    Route(
        method="GET",
        path="/types/{type_id}",
        handler=show,
        summary="Show a volume type",
        answer=OneType,
    ),
    Route(
        method="PUT",
        path="/types/{type_id}",
        handler=update,
        summary="Change name, description or visibility of a volume type",
        body=UpdateBody,
        answer=OneType,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path="/types/{type_id}",
        handler=delete,
        summary="Delete a volume type",
        status=202,
        refuses=(409, 503),
    ),
)
