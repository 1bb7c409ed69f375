"""The life of a quota reservation (lifecycles 2, 16)."""

from domain.lifecycle import NEW, Lifecycle

QUOTA_RESERVATION = Lifecycle(
    "quota_reservation",
    rows=[
        # event          from          to
        ("reserved",     [NEW],        "reserved"),
        # until a deadline, for an operation that may end in another append than it began in
        ("held",         [NEW],        "reserved"),
        ("committed",    ["reserved"], "committed"),
        ("rolled_back",  ["reserved"], "rolled_back"),
        ("expired",      ["reserved"], "expired"),
        # gives back what earlier reservations took, when the thing they paid for is gone
        ("released",     [NEW],        "released"),
        ("refused",      [NEW],        "refused"),
    ],
    final=["committed", "rolled_back", "expired", "released", "refused"],
)  # fmt: skip
