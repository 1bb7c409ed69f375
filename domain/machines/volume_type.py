"""The life of a volume type in the catalogue."""

from domain.lifecycle import NEW, Lifecycle

VOLUME_TYPE = Lifecycle(
    "volume_type",
    rows=[
        # event      from    to
        ("created",  [NEW],  "available"),
    ],
    final=["available"],
)  # fmt: skip
