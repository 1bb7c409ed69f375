"""The life of a volume type in the catalogue."""

from domain.lifecycle import NEW, STAYS, Lifecycle

VOLUME_TYPE = Lifecycle(
    "volume_type",
    rows=[
        # event                  from           to
        ("created",              [NEW],         "available"),
        ("renamed",              ["available"], STAYS),
        ("described",            ["available"], STAYS),
        ("published",            ["available"], STAYS),
        ("made_private",         ["available"], STAYS),
        ("extra_specs_changed",  ["available"], STAYS),
        ("access_granted",       ["available"], STAYS),
        ("access_revoked",       ["available"], STAYS),
        ("qos_associated",       ["available"], STAYS),
        ("qos_disassociated",    ["available"], STAYS),
        ("encryption_added",     ["available"], STAYS),
        ("encryption_changed",   ["available"], STAYS),
        ("encryption_removed",   ["available"], STAYS),
        ("made_default",         ["available"], STAYS),
        ("default_ended",        ["available"], STAYS),
        ("deleted",              ["available"], "deleted"),
    ],
    final=["deleted"],
)  # fmt: skip
