"""The life of a remnant: what a backend that failed may have kept of a volume made elsewhere."""

from domain.lifecycle import NEW, Lifecycle

REMNANT = Lifecycle(
    "remnant",
    rows=[
        # event      from              to
        ("left",     [NEW, "removed"], "left"),  # again, if a worker was later than its removal
        ("removed",  ["left"],         "removed"),
    ],
)  # fmt: skip
