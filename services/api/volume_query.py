"""What lists of volumes can be narrowed and sorted by (api.md 1 and 2)."""

from typing import Annotated

from msgspec import Meta

from projections.volumes import VOLUME_LIST
from services.api import lists, microversions, paging, rules
from services.api.routing import Parameter

_TIME = "A time, or tests of one: `gt:2026-01-01T00:00:00,lt:…` (gt, gte, lt, lte, eq, neq)"

PARAMETERS = (
    *paging.PARAMETERS,
    paging.COUNT,
    lists.ALL_TENANTS,
    Parameter("name", 'The name, or several: `["a", "b"]`'),
    Parameter("status", 'The status, or several: `["error", "available"]`'),
    Parameter("metadata", "Pairs that all must be there: `{'k': 'v'}`"),
    Parameter("bootable", "Whether it can be booted from", bool),
    Parameter("migration_status", "None, or how its migration stands"),
    Parameter("availability_zone", "The availability zone"),
    Parameter("group_id", "The group", str, microversions.GROUP_FILTER),
    Parameter("size", "GiB", Annotated[int, Meta(ge=0, le=2**31 - 1)]),
    Parameter("created_at", _TIME, str, microversions.TIME_FILTERS),
    Parameter("updated_at", _TIME, str, microversions.TIME_FILTERS),
    Parameter("consumes_quota", "Whether it counts for quota", bool, microversions.CONSUMES_QUOTA),
)

VOLUMES = lists.Listed(
    VOLUME_LIST,
    "volume",
    rules.GET_ALL,
    sorts=dict.fromkeys(
        (
            "id",
            "name",
            "display_name",
            "description",
            "display_description",
            "status",
            "size",
            "availability_zone",
            "bootable",
            "created_at",
            "updated_at",
            "project_id",
            "user_id",
            "volume_type_id",
            "group_id",
            "host",
            "migration_status",
        ),
        microversions.LOWEST,
    ),
    words=frozenset(
        {
            "project_id",
            "user_id",
            "name",
            "display_name",
            "description",
            "display_description",
            "status",
            "availability_zone",
            "host",
            "provider_id",
            "migration_status",
            "encryption_key_id",
            "attach_status",
        }
    ),
    ids=frozenset(
        {
            "id",
            "volume_type_id",
            "snapshot_id",
            "source_volid",
            "group_id",
            "consistencygroup_id",
            "cluster_name",
            "replication_status",
            "service_uuid",
        }
    ),
    numbers=frozenset({"size"}),
    flags={
        "bootable": microversions.STRICT_BOOTABLE,
        **dict.fromkeys(("consumes_quota", "encrypted", "multiattach"), lists.NEVER),
    },
    times=frozenset({"created_at", "updated_at"}),
    pairs={"metadata": "metadata", "glance_metadata": "image_metadata"},
)
