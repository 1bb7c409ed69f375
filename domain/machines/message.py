"""The life of a user message, as far as its user has a say: it is there until dismissed."""

from domain.lifecycle import NEW, Lifecycle

MESSAGE = Lifecycle(
    "message",
    rows=[
        # event        from     to
        ("dismissed",  [NEW],   "dismissed"),
    ],
    final=["dismissed"],
)  # fmt: skip
