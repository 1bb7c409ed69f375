"""What can be under way on a volume that is there, one thing at a time, while it stays usable.

Beside the life of the volume: whatever comes of it, the volume is again what it was before, with
nothing to remember (Cinder keeps a previous_status for that). Source: lifecycles 6 and 16.
"""

from domain.lifecycle import IDLE, STAYS, Lifecycle

EXTENDING = ("extending", "extension_placed", "growing")
MIGRATING = ("migrating", "maintenance")

MOVING = ("retyping", *MIGRATING)

VOLUME_OPERATION = Lifecycle(
    "volume_operation",
    initial=IDLE,
    rows=[
        # event                    from                               to
        ("extension_requested",    [IDLE],                            "extending"),
        # its pool has the room, and has promised it
        ("extension_placed",       ["extending"],                     "extension_placed"),
        # also when nobody came: its backend has not been asked for anything yet
        ("extension_refused",      ["extending", "extension_placed"], IDLE),
        # again in growing: the worker that held the claim is gone, another takes it over
        ("extension_started",      ["extension_placed", "growing"],   "growing"),
        ("extended",               ["growing"],                       IDLE),
        # older versions said so also of what the backend had not begun
        ("extension_failed",       EXTENDING,                         IDLE),
        # awaiting-transfer, until somebody has the key or its owner changes their mind
        ("offered",                [IDLE],                            "offered"),
        ("offer_withdrawn",        ["offered"],                       IDLE),
        ("transferred",            ["offered"],                       IDLE),
        # each has a move, which has a life of its own: see move.py
        ("retype_requested",       [IDLE],                            "retyping"),
        ("retyped",                ["retyping"],                      IDLE),
        ("retype_refused",         ["retyping"],                      IDLE),
        ("retype_failed",          ["retyping"],                      IDLE),
        ("migration_requested",    [IDLE],                            "migrating"),
        ("locked",                 ["migrating"],                     "maintenance"),
        ("migrated",               MIGRATING,                         IDLE),
        ("migration_refused",      MIGRATING,                         IDLE),
        ("migration_failed",       MIGRATING,                         IDLE),
        # it arrived at another pool: what ends the operation comes in the same append
        ("moved",                  ["retyping", *MIGRATING],          STAYS),
        # until what a backup of it is to hold is kept apart, or it is not made
        ("backup_begun",           [IDLE],                            "backing_up"),
        ("backup_ended",           ["backing_up"],                    IDLE),
        ("restore_begun",          [IDLE],                            "restoring"),
        ("restored",               ["restoring"],                     IDLE),
        ("restore_failed",         ["restoring"],                     IDLE),
        ("restore_cancelled",      ["restoring"],                     IDLE),
        # its snapshot is being restored meanwhile
        ("reversion_requested",    [IDLE],                            "reverting"),
        # again in rewriting: the worker that held the claim is gone, another takes it over
        ("reversion_started",      ["reverting", "rewriting"],        "rewriting"),
        ("reverted",               ["rewriting"],                     IDLE),
        ("reversion_refused",      ["reverting"],                     IDLE),
        ("reversion_failed",       ["rewriting"],                     IDLE),
        # its content becomes an image
        ("upload_requested",       [IDLE],                            "uploading"),
        # of one that is encrypted: it has a key of its own before anything is sent
        ("upload_key_made",        ["uploading"],                     STAYS),
        # again in sending, as above; what it goes on with is decided by what is there of the image
        ("upload_started",         ["uploading", "sending"],          "sending"),
        ("uploaded",               ["sending"],                       IDLE),
        ("upload_failed",          ["uploading", "sending"],          IDLE),
        # held by somebody who is about to attach or detach it, and lets it go
        ("reserved",               [IDLE],                            "attaching"),
        ("reservation_ended",      ["attaching"],                     IDLE),
        ("detaching_begun",        [IDLE],                            "detaching"),
        ("detaching_ended",        ["detaching"],                     IDLE),
        # what was under way was given up first, in the same append
        ("cascade_requested",      [IDLE],                            IDLE),
        ("deletion_requested",     [IDLE],                            IDLE),
        ("reset_to_available",     [IDLE],                            IDLE),
        ("reset_to_error",         [IDLE],                            IDLE),
        ("reset_to_error_deleting",  [IDLE],                          IDLE),
        ("reset_to_error_extending", [IDLE],                          IDLE),
    ],
)  # fmt: skip

HELD = frozenset({"attaching", "detaching", "offered"})
"""What only whoever began it ends: nobody of ours owes anything."""

VISIBLE_OPERATION = {
    "extending": "extending",
    "extension_placed": "extending",
    "growing": "extending",
    "offered": "awaiting-transfer",
    "retyping": "retyping",
    "maintenance": "maintenance",
    "backing_up": "backing-up",
    "restoring": "restoring-backup",
    "reverting": "reverting",
    "rewriting": "reverting",
    "uploading": "uploading",
    "sending": "uploading",
    "attaching": "attaching",
    "detaching": "detaching",
}
"""What Cinder's API calls a volume on which this is under way; what is not here does not show."""
