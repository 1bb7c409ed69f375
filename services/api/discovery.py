"""What there is: the version document, extensions and configured filters (api.md 1, 13)."""

from typing import Any

import msgspec
from starlette.responses import Response

from domain.errors import NotFound
from services.api import microversions
from services.api.call import Call
from services.api.filters import CONFIGURED
from services.api.routing import Parameter, Route

DOCUMENTATION = "https://docs.openstack.org/api-ref/block-storage/v3/"
UPDATED = "2023-08-31T00:00:00Z"
MEDIA_TYPE = {
    "base": "application/json",
    "type": "application/vnd.openstack.volume+json;version=3",
}


class Version(msgspec.Struct):
    """A version of the API, for clients to negotiate from."""

    id: str
    status: str
    version: str
    min_version: str
    updated: str
    links: list[dict[str, str]]
    media_types: list[dict[str, str]] = msgspec.field(name="media-types")


class Versions(msgspec.Struct):
    """The version document."""

    versions: list[Version]


class Extension(msgspec.Struct):
    """An extension of the API, as they were called before microversions."""

    name: str
    alias: str
    description: str
    updated: str
    links: list[dict[str, str]] = []


EXTENSIONS = (
    ("AdminActions", "os-admin-actions", "Force the deletion of volumes."),
    ("AvailabilityZones", "os-availability-zone", "List availability zones."),
    ("ExtendedServices", "os-extended-services", "Why a service is disabled."),
    ("QuotaClasses", "os-quota-class-sets", "Limits of projects that have none of their own."),
    ("Quotas", "os-quota-sets", "Limits of projects."),
    ("Scheduler_stats", "scheduler-stats", "What the pools report."),
    ("Services", "os-services", "List services."),
    ("UsedLimits", "os-used-limits", "Usage next to limits."),
    ("VolumeHostAttribute", "os-vol-host-attr", "Which pool holds a volume."),
    ("VolumeMigStatusAttribute", "os-vol-mig-status-attr", "Whether a volume is moving."),
    ("VolumeTenantAttribute", "os-vol-tenant-attr", "Which project a volume belongs to."),
    ("VolumeTypeAccess", "os-volume-type-access", "Whether a type is public."),
)


def _document(call: Call, status: int) -> Response:
    version = Version(
        id="v3.0",
        status="CURRENT",
        version=microversions.text(microversions.HIGHEST),
        min_version=microversions.text(microversions.LOWEST),
        updated=UPDATED,
        links=[
            {"rel": "describedby", "type": "text/html", "href": DOCUMENTATION},
            {"rel": "self", "href": f"{call.base}/v3/"},
        ],
        media_types=[MEDIA_TYPE],
    )
    return call.json(status, Versions([version]))


async def choices(call: Call) -> Response:
    """At the root: several choices, of which there is one."""
    return _document(call, 300)


async def version(call: Call) -> Response:
    """Cinder redirects /v3 to /v3/; answering at once is what clients make of it."""
    return _document(call, 200)


async def list_extensions(call: Call) -> Response:
    """What clients probe for. Only what works is listed."""
    return call.json(200, {"extensions": [_extension(*known) for known in EXTENSIONS]})


async def show_extension(call: Call) -> Response:
    """One of them."""
    alias = call.part("alias")
    for known in EXTENSIONS:
        if known[1] == alias:
            return call.json(200, {"extension": _extension(*known)})
    raise NotFound(kind="extension", id=alias)


def _extension(name: str, alias: str, description: str) -> Extension:
    return Extension(name, alias, description, UPDATED)


async def resource_filters(call: Call) -> Response:
    """Which filters non-administrators may use on lists."""
    wanted: str | None = call.query.get("resource")
    listed: list[dict[str, Any]] = [
        {"resource": resource, "filters": list(filters)}
        for resource, filters in CONFIGURED.items()
        if wanted is None or resource == wanted
    ]
    return call.json(200, {"resource_filters": listed})


class ExtensionList(msgspec.Struct):
    """GET /extensions."""

    extensions: list[Extension]


class OneExtension(msgspec.Struct):
    """GET /extensions/{alias}."""

    extension: Extension


class ResourceFilters(msgspec.Struct):
    """GET /resource_filters."""

    resource_filters: list[dict[str, Any]]


ROUTES = (
    Route(
        method="GET",
        path="/",
        handler=choices,
        summary="The versions of the API",
        status=300,
        versioned=False,
        answer=Versions,
    ),
    Route(
        method="GET",
        path="/v3",
        handler=version,
        summary="This version of the API",
        versioned=False,
        answer=Versions,
    ),
    Route(
        method="GET",
        path="/v3/",
        variant="root",
        handler=version,
        summary="This version of the API",
        versioned=False,
        answer=Versions,
    ),
    Route(
        method="GET",
        path="/extensions",
        handler=list_extensions,
        summary="List extensions",
        answer=ExtensionList,
    ),
    Route(
        method="GET",
        path="/extensions/{alias}",
        handler=show_extension,
        summary="Show an extension",
        answer=OneExtension,
    ),
    Route(
        method="GET",
        path="/resource_filters",
        handler=resource_filters,
        summary="List the filters that everybody may use",
        since=microversions.RESOURCE_FILTERS,
        query=(Parameter("resource", "Of this kind of thing, such as volume"),),
        answer=ResourceFilters,
    ),
)
