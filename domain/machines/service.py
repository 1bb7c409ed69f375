"""What administrators make of a service. That it is frozen is beside that: a flag, not a state."""

from domain.lifecycle import NEW, STAYS, Lifecycle

KNOWN = ["enabled", "disabled"]

SERVICE = Lifecycle(
    "service",
    rows=[
        # event       from              to
        # again: for another reason
        ("disabled",  [NEW, *KNOWN],    "disabled"),
        ("enabled",   ["disabled"],     "enabled"),
        # one that nobody ever spoke of is enabled
        ("frozen",    [NEW],            "enabled"),
        ("frozen",    KNOWN,            STAYS),
        ("thawed",    KNOWN,            STAYS),
    ],
    final=[],
)  # fmt: skip
