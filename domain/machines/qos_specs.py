"""The life of QoS specs in the catalogue."""

from domain.lifecycle import NEW, STAYS, Lifecycle

QOS_SPECS = Lifecycle(
    "qos_specs",
    rows=[
        # event           from           to
        ("created",       [NEW],         "available"),
        ("changed",       ["available"], STAYS),
        ("associated",    ["available"], STAYS),
        ("disassociated", ["available"], STAYS),
        ("deleted",       ["available"], "deleted"),
    ],
    final=["deleted"],
)  # fmt: skip
