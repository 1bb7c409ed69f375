"""The life of a backup. Source: Cinder's backup statuses (lifecycles 1, 10, 16), made finer."""

from domain.lifecycle import NEW, STAYS, Lifecycle

ALIVE = (
    "requested",
    "making",
    "importing",
    "available",
    "restoring",
    "writing",
    "error",
    "cancelling",
    "deleting",
    "removing",
    "error_deleting",
)

SETTLED = ("available", "error", "error_deleting")
"""The store keeps it (in error: perhaps, or a part), and nothing is owed to it."""

BEING_RESTORED = ("restoring", "writing")

BACKUP = Lifecycle(
    "backup",
    rows=[
        # event                    from                       to
        ("requested",              [NEW],                     "requested"),
        # of an encrypted volume: it is made, or looked for, once it has a key of its own
        ("key_made",               ["requested", "importing"], STAYS),
        # again in making: the worker that held the claim is gone, another takes it over
        ("creation_started",       ["requested", "making"],   "making"),
        # of a volume, not of a snapshot: that is free again, and written to
        ("captured",               ["making"],                STAYS),
        ("progressed",             ["making"],                STAYS),
        ("created",                ["making"],                "available"),
        # straight from requested when no worker came to make it
        ("creation_failed",        ["requested", "making"],   "error"),
        # another installation made it, in a store that both can reach
        ("import_requested",       [NEW],                     "importing"),
        ("imported",               ["importing"],             "available"),
        ("import_failed",          ["importing"],             "error"),
        # back into a volume, which the volume tells as well
        ("restore_requested",      ["available"],             "restoring"),
        # and written to the volume once that has a key that is equal to its own
        ("restore_key_made",       ["restoring"],             STAYS),
        ("restore_started",        BEING_RESTORED,            "writing"),
        ("restored",               ["writing"],               "available"),
        # the backup is as good as before
        ("restore_failed",         BEING_RESTORED,            "available"),
        ("deletion_requested",     ["importing", *SETTLED],   "deleting"),
        # if a worker is at it, its outcome is waited for; then deletion follows
        ("cancellation_requested", ["requested", "making"],   "cancelling"),
        ("creation_cancelled",     ["cancelling"],            "deleting"),
        ("deletion_started",       ["deleting", "removing"],  "removing"),
        ("deleted",                ["removing"],              "deleted"),
        ("deletion_failed",        ["removing"],              "error"),
        # nobody came to delete it, or told whether that was done
        ("deletion_given_up",      ["deleting", "removing"],  "error_deleting"),
        ("described",              ALIVE,                     STAYS),
        ("metadata_changed",       ALIVE,                     STAYS),
        # an administrator knows better; what is under way is given up first, in the same append
        ("reset_to_available",     SETTLED,                   "available"),
        ("reset_to_error",         SETTLED,                   "error"),
    ],
    final=["deleted"],
)  # fmt: skip

VISIBLE_STATUS = {
    "requested": "creating",
    "making": "creating",
    "importing": "creating",
    "available": "available",
    "restoring": "restoring",
    "writing": "restoring",
    "error": "error",
    "cancelling": "deleting",
    "deleting": "deleting",
    "removing": "deleting",
    "error_deleting": "error_deleting",
    "deleted": "deleted",
}
"""What Cinder's API calls each state."""
