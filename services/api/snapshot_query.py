"""What lists of snapshots can be narrowed and sorted by (api.md 1 and 4)."""

from projections.snapshots import SNAPSHOT_LIST
from services.api import lists, microversions, paging, rules
from services.api.routing import Parameter

PARAMETERS = (
    *paging.PARAMETERS,
    paging.COUNT,
    lists.ALL_TENANTS,
    Parameter("name", 'The name, or several: `["a", "b"]`'),
    Parameter("status", 'The status, or several: `["error", "available"]`'),
    Parameter("volume_id", "Of this volume"),
    Parameter("availability_zone", "The availability zone of its volume"),
    Parameter(
        "metadata",
        "Pairs that all must be there: `{'k': 'v'}`",
        str,
        microversions.SNAPSHOT_METADATA_FILTER,
    ),
    Parameter("consumes_quota", "Whether it counts for quota", bool, microversions.CONSUMES_QUOTA),
)

SNAPSHOTS = lists.Listed(
    SNAPSHOT_LIST,
    "snapshot",
    rules.SNAPSHOT_GET_ALL,
    sorts={
        **dict.fromkeys(
            (
                "id",
                "display_name",
                "description",
                "volume_id",
                "status",
                "size",
                "volume_size",
                "created_at",
                "updated_at",
                "project_id",
                "user_id",
            ),
            microversions.LOWEST,
        ),
        "name": microversions.SNAPSHOT_SORT_NAME,
    },
    words=frozenset(
        {
            "project_id",
            "user_id",
            "name",
            "display_name",
            "description",
            "display_description",
            "status",
            "progress",
            "availability_zone",
            "provider_id",
        }
    ),
    ids=frozenset({"id", "volume_id", "volume_type_id", "group_snapshot_id", "cgsnapshot_id"}),
    numbers=frozenset({"size", "volume_size"}),
    flags={"consumes_quota": microversions.LOWEST},
    pairs={"metadata": "metadata"},
)
