"""The life of a volume. Source: Cinder's volume statuses (lifecycles 1, 3-6, 16), made finer."""

from domain.lifecycle import NEW, STAYS, Lifecycle

ALIVE = (
    "requested",
    "placed",
    "provisioning",
    "available",
    "error",
    "cancelling",
    "deleting",
    "removing",
    "error_deleting",
)

DELETABLE = ("requested", "placed", "available", "error", "error_deleting")

VOLUME = Lifecycle(
    "volume",
    rows=[
        # event                    from                            to
        ("requested",              [NEW],                          "requested"),
        ("placed",                 ["requested"],                  "placed"),
        ("placement_failed",       ["requested"],                  "error"),
        # again in provisioning: the worker that held the claim is gone, another takes it over
        ("provisioning_started",   ["placed", "provisioning"],     "provisioning"),
        ("provisioned",            ["provisioning"],               "available"),
        ("provisioning_failed",    ["provisioning"],               "error"),
        # that backend failed, another one shall try: it is on none until it is placed again
        ("rescheduled",            ["provisioning"],               "requested"),
        ("deletion_requested",     DELETABLE,                      "deleting"),
        # a driver is at work on it: its outcome is waited for, then deletion follows
        ("cancellation_requested", ["provisioning"],               "cancelling"),
        ("creation_cancelled",     ["cancelling"],                 "deleting"),
        ("deletion_started",       ["deleting", "removing"],       "removing"),
        # straight from deleting when no backend ever held it
        ("deleted",                ["deleting", "removing"],       "deleted"),
        ("deletion_failed",        ["removing"],                   "error_deleting"),
        ("found_busy",             ["removing"],                   "available"),
        ("described",              ALIVE,                          STAYS),
        ("metadata_changed",       ALIVE,                          STAYS),
    ],
    final=["deleted"],
)  # fmt: skip

VISIBLE_STATUS = {
    "requested": "creating",
    "placed": "creating",
    "provisioning": "creating",
    "available": "available",
    "error": "error",
    "cancelling": "deleting",
    "deleting": "deleting",
    "removing": "deleting",
    "error_deleting": "error_deleting",
    "deleted": "deleted",
}
"""What Cinder's API calls each state."""
