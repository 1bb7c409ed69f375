"""/volumes: create, list, summary, show, update, delete (api.md 2)."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from domain.aggregates.volume import Volume
from domain.errors import InvalidRequest
from domain.lifecycle import IDLE
from domain.specs import multiattach
from projections import volumes
from projections.listing import Query
from projections.volume_types import VolumeTypeRow
from projections.volumes import VolumeRow
from services import images
from services.api import lists, microversions, rules, volume_lookup, volume_query, volume_sources
from services.api import volume_bodies as given
from services.api.call import Call
from services.api.routing import Parameter, Route
from services.api.volume_sources import Sources
from services.api.volume_view import Link, VolumeDetail, VolumeSummary, details, linker
from services.commands.creation import CreateVolume
from services.commands.volume import DeleteVolume, DescribeVolume


class OneVolume(msgspec.Struct):
    """One volume."""

    volume: VolumeDetail


class VolumeList(msgspec.Struct, omit_defaults=True):
    """A page of volumes."""

    volumes: list[VolumeSummary]
    volumes_links: list[Link] = []
    count: int | None = None


class VolumeDetails(msgspec.Struct, omit_defaults=True):
    """A page of volumes with all that the caller may see of them."""

    volumes: list[VolumeDetail]
    volumes_links: list[Link] = []
    count: int | None = None


class Totals(msgspec.Struct):
    """All volumes together. GiB."""

    total_count: int
    total_size: int
    metadata: dict[str, list[str]] | UnsetType = UNSET


class SummaryAnswer(msgspec.Struct):
    """GET /volumes/summary."""

    summary: Totals = msgspec.field(name="volume-summary")


async def create(call: Call) -> Response:
    """Accepts a volume, raw or with what an image, a snapshot or a volume holds; it is made
    afterwards."""
    strict = ("volume",) if call.has(microversions.STRICT_BODIES) else ()
    body = await call.body(given.CreateBody, strict=strict)
    wish = body.volume
    settings = call.application.settings
    sources = await volume_sources.named(call, wish)
    volume_type = await _type(call, wish, sources)
    inherited = sources.original is not None and not wish.volume_type
    call.check(rules.CREATE if sources.image is None else rules.CREATE_FROM_IMAGE)
    if multiattach(volume_type.extra_specs):
        call.check(rules.MULTIATTACH)
    command = CreateVolume(
        id=call.application.new_id(),
        project_id=call.caller.project_id,
        user_id=call.caller.user_id,
        size_gib=wish.size,
        name=_either(wish.name, wish.display_name),
        description=_either(wish.description, wish.display_description),
        metadata=wish.metadata or {},
        volume_type_id=None if inherited else volume_type.id,
        snapshot_id=sources.snapshot_id,
        source_volume_id=sources.volume_id,
        copies=await volume_sources.copy_rules(call, sources),
        availability_zone=wish.availability_zone,
        default_zone=settings.placement.default_zone,
        known_zones=call.application.zones(),
        visible_to=call.visible_project,
        hints=body.hints or wish.hints or {},
        image=sources.image,
        backup_id=sources.backup_id,
        at=call.moment(),
    )
    requested: Volume = await call.application.execute(command)
    row = await call.application.views.read(volumes.find, command.id)
    return await _one(call, 202, row or _as_requested(command, requested))


async def _type(call: Call, wish: given.NewVolume, sources: Sources) -> VolumeTypeRow:
    """The type that is named, else that of what it is made from, else the default one.

    Raises NotFound.
    """
    image, original = sources.image, sources.original
    of_image = image.properties.get(images.TYPE_PROPERTY) if image else None
    if named := wish.volume_type or of_image:
        return await call.catalogue.find(named, project_id=call.visible_project)
    if original is not None:
        return await call.catalogue.find(str(original.volume_type_id), project_id=None)
    default = await call.catalogue.default(
        call.caller.project_id, otherwise=call.application.settings.volume_types.default
    )
    return await call.catalogue.find(default, project_id=call.visible_project)


async def list_brief(call: Call) -> Response:
    """Ids and names."""
    rows, links, count = await volume_query.VOLUMES.page(call)
    link = linker(call)
    brief = [VolumeSummary(str(row.id), row.name, link(str(row.id))) for row in rows]
    return call.json(200, VolumeList(brief, links, count))


async def list_detail(call: Call) -> Response:
    """All that the caller may see."""
    rows, links, count = await volume_query.VOLUMES.page(call)
    return call.json(200, VolumeDetails(await details(call, rows), links, count))


async def summary(call: Call) -> Response:
    """Totals of the caller's project, or of all for an administrator who asks for all_tenants."""
    call.check(rules.GET_ALL)
    query = Query(project_id=lists.project_of(call))
    totals = await call.application.views.read(volumes.summary, query)
    shown = Totals(totals.count, totals.size_gib)
    if call.has(microversions.SUMMARY_METADATA):
        shown.metadata = totals.metadata
    return call.json(200, SummaryAnswer(shown))


async def show(call: Call) -> Response:
    """One volume."""
    row = await volume_lookup.named(call)
    return call.json(200, OneVolume((await details(call, [row]))[0]))


async def update(call: Call) -> Response:
    """Changes name, description, metadata."""
    strict = ("volume",) if call.has(microversions.STRICT_BODIES) else ()
    wish = (await call.body(given.UpdateBody, strict=strict)).volume
    name = wish.display_name if wish.name is UNSET else wish.name
    description = wish.display_description if wish.description is UNSET else wish.description
    metadata = {} if wish.metadata is None else wish.metadata
    if call.has(microversions.STRICT_BODIES) and name is description is metadata is UNSET:
        raise InvalidRequest("Invalid input for field/attribute volume. Nothing is to be changed.")
    row = await volume_lookup.named(call)
    call.check(rules.UPDATE, volume_lookup.owner(row))
    await call.application.execute(
        DescribeVolume(
            id=row.id,
            project_id=call.visible_project,
            name=name,
            description=description,
            metadata=metadata,
            at=call.moment(),
        )
    )
    changed = await call.application.views.read(volumes.find, row.id, call.visible_project)
    return await _one(call, 200, changed or row)


async def delete(call: Call) -> Response:
    """Wants it gone. `force` (3.23, administrators) whatever its status."""
    cascade = call.flag("cascade")
    force = call.has(microversions.FORCE_BY_QUERY) and call.flag("force")
    row = await volume_lookup.named(call)
    if force:
        call.check(rules.FORCE_DELETE, volume_lookup.owner(row))
    call.check(rules.DELETE, volume_lookup.owner(row))
    await call.application.execute(
        DeleteVolume(
            id=row.id,
            project_id=call.visible_project,
            force=force,
            cascade=cascade,
            at=call.moment(),
        )
    )
    return call.empty(202)


async def _one(call: Call, status: int, row: VolumeRow) -> Response:
    shown = await details(call, [row], extended=False)
    return call.json(status, OneVolume(shown[0]))


def _either(name: str | UnsetType | None, display_name: str | None) -> str | None:
    return display_name if name is UNSET else name


def _as_requested(command: CreateVolume, requested: Volume) -> VolumeRow:
    """What the read model will show, when it is late."""
    return VolumeRow(
        id=command.id,
        project_id=command.project_id,
        user_id=command.user_id,
        name=command.name,
        description=command.description,
        size_gib=requested.size_gib,
        status="creating",
        availability_zone=requested.availability_zone,
        volume_type_id=UUID(requested.volume_type_id),
        metadata=command.metadata,
        host=None,
        bootable=requested.bootable,
        readonly=None,
        image_metadata=requested.image_metadata,
        provider_id=None,
        created_at=command.at.at,
        updated_at=None,
        launched_at=None,
        version=1,
        state="requested",
        operation=IDLE,
        attach_status="detached",
        migration_status=None,
        multiattach=requested.multiattach,
        snapshot_id=command.snapshot_id,
        source_volid=command.source_volume_id,
    )


_LIST: dict[str, Any] = {"query": volume_query.PARAMETERS, "refuses": (404,)}

ROUTES = (
    Route(
        method="POST",
        path="/volumes",
        handler=create,
        summary="Create a volume",
        status=202,
        body=given.CreateBody,
        answer=OneVolume,
        refuses=(404, 409, 503),
    ),
    Route(
        method="GET",
        path="/volumes",
        handler=list_brief,
        summary="List volumes",
        answer=VolumeList,
        **_LIST,
    ),
    Route(
        method="GET",
        path="/volumes/detail",
        handler=list_detail,
        summary="List volumes with details",
        answer=VolumeDetails,
        **_LIST,
    ),
    Route(
        method="GET",
        path="/volumes/summary",
        handler=summary,
        summary="Total number and size of volumes",
        since=microversions.SUMMARY,
        query=(lists.ALL_TENANTS,),
        answer=SummaryAnswer,
    ),
    Route(
        method="GET",
        path="/volumes/{volume_id}",
        handler=show,
        summary="Show a volume",
        answer=OneVolume,
    ),
    Route(
        method="PUT",
        path="/volumes/{volume_id}",
        handler=update,
        summary="Change name, description or metadata of a volume",
        body=given.UpdateBody,
        answer=OneVolume,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path="/volumes/{volume_id}",
        handler=delete,
        summary="Delete a volume",
        status=202,
        query=(
            Parameter("cascade", "With its snapshots", bool),
            Parameter(
                "force", "Whatever its status (administrators)", bool, microversions.FORCE_BY_QUERY
            ),
        ),
        refuses=(409, 503),
    ),
)
