"""The life of a backend's image cache: some images are kept there, or none."""

from domain.lifecycle import NEW, STAYS, Lifecycle

IMAGE_CACHE = Lifecycle(
    "image_cache",
    rows=[
        # event            from             to
        ("entry_wanted",   [NEW, "some", "none"], "some"),
        ("entry_used",     ["some"],              STAYS),
        ("entry_evicted",  ["some"],              STAYS),
        # in the append that evicted the last one
        ("emptied",        ["some"],              "none"),
    ],
    final=[],
)  # fmt: skip
