"""The life of a quota reservation (lifecycles 2, 16)."""

from domain.lifecycle import NEW, Lifecycle

QUOTA_RESERVATION = Lifecycle(
    "quota_reservation",
    rows=[
        # event          from          to
        ("reserved",     [NEW],        "reserved"),
        ("committed",    ["reserved"], "committed"),
        ("rolled_back",  ["reserved"], "rolled_back"),
        # gives back what earlier reservations took, when the thing they paid for is gone
        ("released",     [NEW],        "released"),
        ("refused",      [NEW],        "refused"),
    ],
    final=["committed", "rolled_back", "released", "refused"],
)  # fmt: skip
