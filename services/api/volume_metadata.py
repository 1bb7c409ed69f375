"""/volumes/{id}/metadata: words that users attach to volumes (api.md 2)."""

import hashlib

import msgspec
from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound
from projections.volumes import VolumeRow
from services.api import microversions, rules, volume_lookup
from services.api.call import JSON, Call
from services.api.faults import Fault
from services.api.routing import Route
from services.api.volume_bodies import MetaBody, MetadataBody
from services.commands.volume import ChangeVolumeMetadata

Pairs = dict[str, str]


class AllMetadata(msgspec.Struct):
    """Every key and value."""

    metadata: Pairs


class OneMetadatum(msgspec.Struct):
    """One key and its value."""

    meta: Pairs


async def list_all(call: Call) -> Response:
    """All, with an Etag from 3.15."""
    row = await volume_lookup.named(call)
    call.check(rules.GET_METADATA, volume_lookup.owner(row))
    body = _body(row.metadata)
    headers = {"Etag": f'"{_etag(body)}"'} if call.has(microversions.ETAGS) else None
    return Response(body, 200, headers, media_type=JSON)


async def merge(call: Call) -> Response:
    """Adds to what is there."""
    given = (await call.body(MetadataBody)).metadata
    row = await volume_lookup.named(call)
    call.check(rules.CREATE_METADATA, volume_lookup.owner(row))
    return call.json(200, AllMetadata(await _change(call, row, given)))


async def replace(call: Call) -> Response:
    """All there is from now on; with If-Match (3.15) only if nobody changed it meanwhile."""
    given = (await call.body(MetadataBody)).metadata
    row = await volume_lookup.named(call)
    call.check(rules.UPDATE_METADATA, volume_lookup.owner(row))
    _check_match(call, row)
    return call.json(200, AllMetadata(await _change(call, row, given, replace=True)))


async def show(call: Call) -> Response:
    """One of them."""
    row = await volume_lookup.named(call)
    call.check(rules.GET_METADATA, volume_lookup.owner(row))
    key = call.part("key")
    if key not in row.metadata:
        raise NotFound(kind="volume_metadata", id=key[:255])
    return call.json(200, OneMetadatum({key: row.metadata[key]}))


async def put(call: Call) -> Response:
    """Sets one of them; If-Match as above."""
    given = (await call.body(MetaBody)).meta
    key = call.part("key")
    if key not in given:
        raise InvalidRequest("Request body and URI mismatch: the key is not the same.")
    row = await volume_lookup.named(call)
    call.check(rules.UPDATE_METADATA, volume_lookup.owner(row))
    _check_match(call, row)
    await _change(call, row, given)
    return call.json(200, OneMetadatum(given))


async def delete(call: Call) -> Response:
    """Removes one of them."""
    row = await volume_lookup.named(call)
    call.check(rules.DELETE_METADATA, volume_lookup.owner(row))
    key = call.part("key")
    if key not in row.metadata:
        raise NotFound(kind="volume_metadata", id=key[:255])
    await call.application.execute(
        ChangeVolumeMetadata(
            id=row.id, project_id=call.visible_project, remove=(key,), at=call.moment()
        )
    )
    return call.empty(200)


async def _change(call: Call, row: VolumeRow, given: Pairs, *, replace: bool = False) -> Pairs:
    """All metadata after the change."""
    changed: Pairs = await call.application.execute(
        ChangeVolumeMetadata(
            id=row.id,
            project_id=call.visible_project,
            set=given,
            replace=replace,
            at=call.moment(),
        )
    )
    return changed


def _check_match(call: Call, row: VolumeRow) -> None:
    """Raises Fault 412 unless If-Match, where given, has the Etag of what is there now."""
    wanted = call.http.headers.get("if-match")
    if wanted is None or not call.has(microversions.ETAGS):
        return
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(",")}
    if "*" not in tags and _etag(_body(row.metadata)) not in tags:
        raise Fault(412, "The metadata was changed since it was read.")


def _body(metadata: Pairs) -> bytes:
    """Equal metadata is an equal body, whatever order the keys came in."""
    return msgspec.json.encode(AllMetadata(dict(sorted(metadata.items()))))


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


_ALL = "/volumes/{volume_id}/metadata"
_ONE = "/volumes/{volume_id}/metadata/{key...}"

ROUTES = (
    Route(
        method="GET",
        path=_ALL,
        handler=list_all,
        summary="Show the metadata of a volume",
        answer=AllMetadata,
    ),
    Route(
        method="POST",
        path=_ALL,
        handler=merge,
        summary="Add metadata to a volume",
        body=MetadataBody,
        answer=AllMetadata,
        refuses=(409, 503),
    ),
    Route(
        method="PUT",
        path=_ALL,
        handler=replace,
        summary="Replace the metadata of a volume",
        body=MetadataBody,
        answer=AllMetadata,
        refuses=(409, 412, 503),
    ),
    Route(
        method="GET",
        path=_ONE,
        handler=show,
        summary="Show one key of the metadata of a volume",
        answer=OneMetadatum,
    ),
    Route(
        method="PUT",
        path=_ONE,
        handler=put,
        summary="Set one key of the metadata of a volume",
        body=MetaBody,
        answer=OneMetadatum,
        refuses=(409, 412, 503),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=delete,
        summary="Remove one key of the metadata of a volume",
        refuses=(409, 503),
    ),
)
