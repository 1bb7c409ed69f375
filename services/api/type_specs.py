"""/types/{id}/extra_specs: what a volume type promises (api.md 7)."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound
from services.api import rules, type_view
from services.api.bodies import Specs
from services.api.call import Call
from services.api.routing import Route
from services.commands.volume_type import ChangeExtraSpecs

Pairs = dict[str, str]


class SpecsBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /types/{id}/extra_specs."""

    extra_specs: Specs


class AllSpecs(msgspec.Struct):
    """The extra specs that the caller may see."""

    extra_specs: Pairs


OneSpec = Annotated[Specs, Meta(min_length=1, max_length=1)]


async def list_all(call: Call) -> Response:
    """All that the caller may see."""
    row = await type_view.named(call)
    call.check(rules.SPECS_LIST)
    return call.json(200, AllSpecs(type_view.visible_specs(call, row)))


async def merge(call: Call) -> Response:
    """Adds to what is there, unless volumes are of the type."""
    row = await type_view.named(call)
    call.check(rules.SPECS_CREATE)
    given = (await call.body(SpecsBody)).extra_specs
    await call.change_catalogue(ChangeExtraSpecs(id=row.id, set=given, at=call.moment()))
    return call.json(200, AllSpecs(given))


async def show(call: Call) -> Response:
    """One of them, bare."""
    row = await type_view.named(call)
    call.check(rules.SPECS_SHOW)
    key, specs = call.part("key"), type_view.visible_specs(call, row)
    if key not in specs:
        raise _unknown(key)
    return call.json(200, {key: specs[key]})


async def put(call: Call) -> Response:
    """Sets one of them, unless volumes are of the type."""
    row = await type_view.named(call)
    call.check(rules.SPECS_UPDATE)
    given, key = await call.body(OneSpec), call.part("key")
    if key not in given:
        raise InvalidRequest("Request body and URI mismatch: the key is not the same.")
    await call.change_catalogue(ChangeExtraSpecs(id=row.id, set=given, at=call.moment()))
    return call.json(200, given)


async def delete(call: Call) -> Response:
    """Removes one of them, unless volumes are of the type."""
    row = await type_view.named(call)
    call.check(rules.SPECS_DELETE)
    key = call.part("key")
    if key not in row.extra_specs:
        raise _unknown(key)
    await call.change_catalogue(ChangeExtraSpecs(id=row.id, remove=(key,), at=call.moment()))
    return call.empty(202)


def _unknown(key: str) -> NotFound:
    return NotFound(kind="volume_type_extra_spec", id=key[:255])


_ALL, _ONE = "/types/{type_id}/extra_specs", "/types/{type_id}/extra_specs/{key}"

ROUTES = (
    Route(
        method="GET",
        path=_ALL,
        handler=list_all,
        summary="List the extra specs of a volume type",
        answer=AllSpecs,
    ),
    Route(
        method="POST",
        path=_ALL,
        handler=merge,
        summary="Set extra specs of a volume type",
        body=SpecsBody,
        answer=AllSpecs,
        refuses=(409, 503),
    ),
    Route(
        method="GET",
        path=_ONE,
        handler=show,
        summary="Show an extra spec of a volume type",
        answer=Pairs,
    ),
    Route(
        method="PUT",
        path=_ONE,
        handler=put,
        summary="Set an extra spec of a volume type",
        body=OneSpec,
        answer=Pairs,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=delete,
        summary="Unset an extra spec of a volume type",
        status=202,
        refuses=(409, 503),
    ),
)
