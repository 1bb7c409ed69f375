"""The life of a snapshot. Source: Cinder's snapshot statuses (lifecycles 1, 8, 16), made finer."""

from domain.lifecycle import NEW, STAYS, Lifecycle

ALIVE = (
    "requested",
    "placed",
    "making",
    "available",
    "backing_up",
    "restoring",
    "error",
    "cancelling",
    "deleting",
    "removing",
    "error_deleting",
)

RESETTABLE = tuple(state for state in ALIVE if state != "restoring")

SETTLED = ("available", "error", "error_deleting")
"""Its backend holds it (in error: perhaps), and nothing is owed to it."""

SNAPSHOT = Lifecycle(
    "snapshot",
    rows=[
        # event                    from                       to
        ("requested",              [NEW],                     "requested"),
        # the pool of its volume has the room, and has promised it
        ("placed",                 ["requested"],             "placed"),
        ("placement_failed",       ["requested"],             "error"),
        # again in making: the worker that held the claim is gone, another takes it over
        ("creation_started",       ["placed", "making"],      "making"),
        ("created",                ["making"],                "available"),
        # straight from placed when no worker came to make it
        ("creation_failed",        ["placed", "making"],      "error"),
        ("deletion_requested",     ["requested", "placed", *SETTLED], "deleting"),
        # it is read for a backup, which ends that
        ("backup_begun",           ["available"],             "backing_up"),
        ("backup_ended",           ["backing_up"],            "available"),
        # a driver is at work on it: its outcome is waited for, then deletion follows
        ("cancellation_requested", ["making"],                "cancelling"),
        ("creation_cancelled",     ["cancelling"],            "deleting"),
        ("deletion_started",       ["deleting", "removing"],  "removing"),
        ("deleted",                ["deleting", "removing"],  "deleted"),
        # straight from deleting when no worker came to delete it
        ("deletion_failed",        ["deleting", "removing"],  "error_deleting"),
        ("found_busy",             ["removing"],              "available"),
        # its volume is taken back to it, and must find it: that ends, whatever comes of it
        ("restoring_begun",        ["available"],             "restoring"),
        ("restoring_ended",        ["restoring"],             "available"),
        ("restoring_failed",       ["restoring"],             "available"),
        ("described",              ALIVE,                     STAYS),
        ("metadata_changed",       ALIVE,                     STAYS),
        # along with its volume
        ("transferred",            ["available"],             STAYS),
        ("retyped",                ALIVE,                     STAYS),
        # an administrator knows better; what is being removed cannot be said to be well
        ("reset_to_available",       SETTLED,                 "available"),
        ("reset_to_error",           RESETTABLE,              "error"),
        ("reset_to_error_deleting",  SETTLED,                 "error_deleting"),
    ],
    final=["deleted"],
)  # fmt: skip

VISIBLE_STATUS = {
    "requested": "creating",
    "placed": "creating",
    "making": "creating",
    "available": "available",
    "backing_up": "backing-up",
    "restoring": "restoring",
    "error": "error",
    "cancelling": "deleting",
    "deleting": "deleting",
    "removing": "deleting",
    "error_deleting": "error_deleting",
    "deleted": "deleted",
}
"""What Cinder's API calls each state."""
