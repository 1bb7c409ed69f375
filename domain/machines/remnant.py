"""The life of a remnant: what a backend that failed may have kept of a volume made elsewhere."""

from domain.lifecycle import NEW, Lifecycle

REMNANT = Lifecycle(
    "remnant",
    rows=[
        # event      from      to
        ("left",     [NEW],    "left"),
        ("removed",  ["left"], "removed"),
    ],
    final=["removed"],
)  # fmt: skip
