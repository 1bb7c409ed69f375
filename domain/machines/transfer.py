"""The life of an offer to give a volume to another project. Source: lifecycles 11 and 16."""

from domain.lifecycle import NEW, Lifecycle

TRANSFER = Lifecycle(
    "transfer",
    rows=[
        # event        from         to
        ("offered",    [NEW],       "offered"),
        ("accepted",   ["offered"], "accepted"),
        ("withdrawn",  ["offered"], "withdrawn"),
    ],
    final=["accepted", "withdrawn"],
)  # fmt: skip
