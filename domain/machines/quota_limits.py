"""The life of the own quota limits of a project or a quota class: set, reset to the defaults."""

from domain.lifecycle import NEW, Lifecycle

QUOTA_LIMITS = Lifecycle(
    "quota_limits",
    rows=[
        # event      from                       to
        ("changed",  [NEW, "set", "defaults"],  "set"),
        ("reset",    ["set"],                   "defaults"),
    ],
    final=[],
)  # fmt: skip
