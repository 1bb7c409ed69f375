"""The life of a project's own quota limits: set, changed, reset to the defaults."""

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
