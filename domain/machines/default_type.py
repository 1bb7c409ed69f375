"""The life of a project's own default volume type: chosen, chosen anew, given up."""

from domain.lifecycle import NEW, Lifecycle

DEFAULT_TYPE = Lifecycle(
    "default_type",
    rows=[
        # event      from                       to
        ("chosen",   [NEW, "chosen", "none"],   "chosen"),
        ("unset",    ["chosen"],                "none"),
    ],
    final=[],
)  # fmt: skip
