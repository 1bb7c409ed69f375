"""The life of a volume. Source: Cinder's volume statuses (lifecycles 1, 3-6, 16), made finer."""

from domain.lifecycle import NEW, STAYS, Lifecycle
from domain.machines.volume_operation import VISIBLE_OPERATION

ALIVE = (
    "requested",
    "placed",
    "awaiting",
    "provisioning",
    "downloading",
    "available",
    "error",
    "cancelling",
    "emptying",
    "deleting",
    "removing",
    "error_deleting",
    "error_extending",
    "error_restoring",
    "unreachable",
)

SETTLED = (
    "available",
    "error",
    "error_deleting",
    "error_extending",
    "error_restoring",
    "unreachable",
)
"""A backend holds it (in error: perhaps), and nothing is owed to it."""

ON_BACKEND = (*SETTLED, "emptying", "deleting", "removing")

MAKING = ("provisioning", "downloading")
"""A worker is at it; once the bytes of an image come, that can be seen."""

DELETABLE = ("requested", "placed", "awaiting", *SETTLED)

SPOILS = frozenset(
    {
        "attachment_connection_requested",
        "attached",
        "extension_requested",
        "retype_requested",
        "migration_requested",
        "restore_begun",
        "reversion_requested",
        "transferred",
    }
)
"""Events after which a volume may be another one than it was made as."""

LEAVES = frozenset({"reset_to_error", "cascade_requested", "deletion_requested"})
"""Events after which nobody is to rely on a volume any more, though it still holds what it held."""

VOLUME = Lifecycle(
    "volume",
    rows=[
        # event                    from                            to
        ("requested",              [NEW],                          "requested"),
        ("encryption_fixed",       ["requested"],                  STAYS),
        ("source_claimed",         ["requested"],                  STAYS),
        ("image_chosen",           ["requested"],                  STAYS),
        ("image_kept",             ["requested"],                  STAYS),
        # in the append that ends its making, or spoils it
        ("image_fetch_ended",      ["available", "error", "cancelling", "deleting"], STAYS),
        ("image_let_go",           ALIVE,                          STAYS),
        # in the append that ends its making, whatever ends it
        ("source_released",        ["available", "error", "deleting"], STAYS),
        # one that is encrypted waits for its key before it is placed
        # (in error: an administrator said so meanwhile)
        ("key_made",               ["requested", "error"],         STAYS),
        ("key_failed",             ["requested", "error"],         "error"),
        ("placed",                 ["requested"],                  "placed"),
        ("placement_failed",       ["requested"],                  "error"),
        # another volume is being made that is to keep its image, and then it goes on
        ("cached_image_awaited",   ["placed"],                     "awaiting"),
        ("image_wait_ended",       ["awaiting"],                   "placed"),
        # again in these: the worker that held the claim is gone, another takes it over
        ("provisioning_started",   ["placed", *MAKING],            "provisioning"),
        ("download_progressed",    MAKING,                         "downloading"),
        # instead, where the image is on that backend already; no longer where that is of no use, or
        # in the append that ends its making there
        ("cached_image_claimed",   MAKING,                         STAYS),
        ("cached_image_released",
            [*MAKING, "requested", "placed", "available", "error", "deleting"],      STAYS),
        ("provisioned",            MAKING,                         "available"),
        # straight from placed when no worker came to make it
        ("provisioning_failed",    ["placed", *MAKING],            "error"),
        # whatever backend had tried
        ("download_failed",        MAKING,                         "error"),
        # that backend failed, another one shall try: it is on none until it is placed again
        ("rescheduled",            ["placed", *MAKING],            "requested"),
        # with its snapshots, which have to be gone before it may be
        ("cascade_requested",      SETTLED,                        "emptying"),
        ("deletion_requested",     [*DELETABLE, "emptying"],       "deleting"),
        # a driver is at work on it: its outcome is waited for, then deletion follows
        ("cancellation_requested", MAKING,                         "cancelling"),
        ("creation_cancelled",     ["cancelling"],                 "deleting"),
        ("deletion_started",       ["deleting", "removing"],       "removing"),
        # straight from deleting when no backend ever held it
        ("deleted",                ["deleting", "removing"],       "deleted"),
        # straight from deleting when no worker came to delete it, from emptying when one of its
        # snapshots could not be deleted
        ("deletion_failed",        ["emptying", "deleting", "removing"], "error_deleting"),
        ("found_busy",             ["removing"],                   "available"),
        # what can be under way beside it: see volume_operation.py
        ("extension_requested",    ["available"],                  STAYS),
        ("extension_placed",       ["available"],                  STAYS),
        ("extension_refused",      ["available"],                  STAYS),
        ("extension_started",      ["available"],                  STAYS),
        ("extended",               ["available"],                  STAYS),
        ("extension_failed",       ["available"],                  "error_extending"),
        ("offered",                ["available"],                  STAYS),
        ("offer_withdrawn",        ["available"],                  STAYS),
        ("transferred",            ["available"],                  STAYS),
        # an administrator knows better; what is being made or removed cannot be said to be well
        ("reset_to_available",     SETTLED,                        "available"),
        ("reset_to_error",         ALIVE,                          "error"),
        ("reset_to_error_deleting",  SETTLED,                      "error_deleting"),
        ("reset_to_error_extending", SETTLED,                      "error_extending"),
        ("retype_requested",       ["available"],                  STAYS),
        ("retyped",                ["available"],                  STAYS),
        ("retype_refused",         ["available"],                  STAYS),
        ("retype_failed",          ["available"],                  STAYS),
        ("migration_requested",    ["available"],                  STAYS),
        ("locked",                 ["available"],                  STAYS),
        ("moved",                  ["available"],                  STAYS),
        ("migrated",               ["available"],                  STAYS),
        ("migration_refused",      ["available"],                  STAYS),
        ("migration_failed",       ["available"],                  STAYS),
        ("backup_begun",           ["available"],                  STAYS),
        ("backup_ended",           SETTLED,                        STAYS),
        ("restore_begun",          ["available"],                  STAYS),
        ("restored",               ["available"],                  STAYS),
        # it may hold a part of what it was to hold
        ("restore_failed",         ["available"],                  "error_restoring"),
        ("restore_cancelled",      ["available"],                  "error"),
        ("reversion_requested",    ["available"],                  STAYS),
        ("reversion_started",      ["available"],                  STAYS),
        ("reverted",               ["available"],                  STAYS),
        ("reversion_refused",      ["available"],                  STAYS),
        ("reversion_failed",       ["available"],                  "error"),
        ("upload_requested",       ["available"],                  STAYS),
        ("upload_key_made",        ["available"],                  STAYS),
        ("upload_started",         ["available"],                  STAYS),
        ("uploaded",               ["available"],                  STAYS),
        ("upload_failed",          ["available"],                  STAYS),
        ("reserved",               ["available"],                  STAYS),
        ("reservation_ended",      ["available"],                  STAYS),
        ("detaching_begun",        ["available"],                  STAYS),
        ("detaching_ended",        ["available"],                  STAYS),
        # what happens to its attachments: see attachment.py
        ("attachment_reserved",               ["available"],       STAYS),
        ("attached",                          ["available"],       STAYS),
        ("attachment_connection_requested",   ["available"],       STAYS),
        ("attachment_connection_started",     SETTLED,             STAYS),
        ("attachment_connected",              SETTLED,             STAYS),
        ("attachment_connector_refused",      SETTLED,             STAYS),
        ("attachment_connection_failed",      SETTLED,             STAYS),
        ("attachment_completed",              SETTLED,             STAYS),
        ("attachment_removal_requested",      SETTLED,             STAYS),
        ("attachment_abandoned",              SETTLED,             STAYS),
        ("attachment_disconnection_started",  ON_BACKEND,          STAYS),
        ("attachment_disconnection_failed",   ON_BACKEND,          STAYS),
        ("attachment_removed",                ON_BACKEND,          STAYS),
        # in use, and its backend cannot be made to let its nodes reach it again
        ("export_lost",            ["available"],                  "unreachable"),
        ("export_restored",        ["unreachable"],                "available"),
        ("multiattach_changed",    ALIVE,                          STAYS),
        ("described",              ALIVE,                          STAYS),
        ("metadata_changed",       ALIVE,                          STAYS),
        ("bootable_changed",       ALIVE,                          STAYS),
        ("readonly_changed",       ["available"],                  STAYS),
        ("image_metadata_changed", ALIVE,                          STAYS),
    ],
    final=["deleted"],
)  # fmt: skip

VISIBLE_STATUS = {
    "requested": "creating",
    "placed": "creating",
    "awaiting": "creating",
    "provisioning": "creating",
    "downloading": "downloading",
    "available": "available",
    "error": "error",
    "cancelling": "deleting",
    "emptying": "deleting",
    "deleting": "deleting",
    "removing": "deleting",
    "error_deleting": "error_deleting",
    "error_extending": "error_extending",
    "error_restoring": "error_restoring",
    "unreachable": "error",
    "deleted": "deleted",
}
"""What Cinder's API calls each state."""

VISIBLE_ATTACHMENT = {
    "detached": "available",
    "attached": "in-use",
    "attaching": "attaching",
    "detaching": "detaching",
    "reserved": "reserved",
}
"""What it calls an available volume on which nothing is under way, by its attachments."""


def visible_status(state: str, operation: str, attach_status: str) -> str:
    """The one status that Cinder's API shows. An attachment or an operation shows only while the
    volume is well."""
    if state != "available":
        return VISIBLE_STATUS[state]
    return VISIBLE_OPERATION.get(operation) or VISIBLE_ATTACHMENT[attach_status]
