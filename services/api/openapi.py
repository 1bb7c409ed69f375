"""/openapi.json: the API described from its own routes and structs, in OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from services.api import faults, microversions
from services.api.call import JSON, Call
from services.api.routing import Parameter, Route

ALWAYS = (400, 401, 404, 406)
"""What every route of the versioned API may answer instead."""

WITH_BODY = (413, 415)
_REFERENCE = "#/components/schemas/{name}"

VERSION_HEADER = {
    "name": microversions.HEADER,
    "in": "header",
    "description": f"`volume 3.N`, N from {microversions.LOWEST} to {microversions.HIGHEST}, or"
    " `volume latest`. Without it: 3.0.",
    "schema": {"type": "string", "pattern": r"^volume (latest|3\\.([0-9]|[1-6][0-9]|7[01]))$"},
    "example": f"volume 3.{microversions.HIGHEST}",
}


def route(routes: Sequence[Route]) -> Route:
    """The route of the description of `routes`. It is written once, when first asked for."""
    written: list[bytes] = []

    async def show(call: Call) -> Response:
        if not written:
            written.append(msgspec.json.encode(description(routes)))
        return Response(written[0], media_type=JSON)

    return Route(
        method="GET",
        path="/openapi.json",
        handler=show,
        summary="This description",
        versioned=False,
    )


def description(routes: Sequence[Route]) -> dict[str, Any]:
    """All of it."""
    kinds = {kind for each in routes for kind in (each.body, each.answer) if kind is not None}
    ordered = sorted(kinds, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    known = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in routes:
        path = ("/v3" if each.versioned else "") + each.path.replace("...}", "}")
        paths.setdefault(path, {})[each.method.lower()] = _operation(each, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lapilli",
            "version": microversions.text(microversions.HIGHEST),
            "description": "Block storage, Cinder's API v3. Every path below /v3 also exists with"
            " the project in front: /v3/{project_id}/… Microversions say what a request means; a"
            " route or parameter is as good as absent before the one that it names.",
        },
        "paths": paths,
        "components": {"schemas": {**components, "Error": _ERROR}},
    }


def _operation(each: Route, known: dict[Any, Any]) -> dict[str, Any]:
    module = each.handler.__module__.rpartition(".")[2]
    operation: dict[str, Any] = {
        "operationId": "_".join(filter(None, (module, each.handler.__name__, each.variant))),
        "summary": each.summary + (f" (from 3.{each.since})" if each.since else ""),
        "description": (each.handler.__doc__ or "").strip(),
        "parameters": [*_path(each), *map(_query, each.query)],
        "responses": dict(_responses(each, known)),
    }
    if each.versioned:
        operation["parameters"].append(VERSION_HEADER)
    if each.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": known[each.body]}},
        }
    return operation


def _path(each: Route) -> list[dict[str, Any]]:
    names = [part.strip("{}.") for part in each.path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
        for name in names
    ]


def _query(parameter: Parameter) -> dict[str, Any]:
    since = f" (from 3.{parameter.since})" if parameter.since else ""
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.meaning + since,
        "schema": msgspec.json.schema(parameter.kind),
    }


def _responses(each: Route, known: dict[Any, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    success: dict[str, Any] = {"description": HTTPStatus(each.status).phrase}
    if each.answer is str:
        success["content"] = {"text/plain": {"schema": {"type": "string"}}}
    elif each.answer is not None:
        success["content"] = {JSON: {"schema": known[each.answer]}}
    yield str(each.status), success
    if not each.versioned:
        refused: set[int] = set(each.refuses)
    else:
        refused = {*ALWAYS, 403, *each.refuses, *(WITH_BODY if each.body is not None else ())}
    for code in sorted(refused):
        schema = {"$ref": _REFERENCE.format(name="Error")}
        if not each.versioned:
            schema = known[each.answer]
        yield (
            str(code),
            {"description": HTTPStatus(code).phrase, "content": {JSON: {"schema": schema}}},
        )


_ERROR = {
    "title": "Error",
    "description": "One member, named after the code.",
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "propertyNames": {"enum": sorted({*faults.NAMES.values(), faults.OTHERS})},
    "additionalProperties": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "integer"},
            "message": {"type": "string"},
            "retryAfter": {"type": "string"},
        },
    },
}
