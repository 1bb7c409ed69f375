"""The life of the one list of closed backends: some are, or none."""

from domain.lifecycle import NEW, Lifecycle

CLOSURES = Lifecycle(
    "closures",
    rows=[
        # event      from                     to
        ("changed",  [NEW, "some", "none"],   "some"),
        ("lifted",   ["some"],                "none"),
    ],
    final=[],
)  # fmt: skip
