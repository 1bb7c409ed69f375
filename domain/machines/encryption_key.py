"""The life of an encryption key, from its volume's request until the key manager has it no more."""

from domain.lifecycle import NEW, Lifecycle

ENCRYPTION_KEY = Lifecycle(
    "encryption_key",
    rows=[
        # event                    from                        to
        ("requested",              [NEW],                      "requested"),
        ("made",                   ["requested"],              "available"),
        # nobody knows what the key manager did last: it is destroyed as one that was made
        ("making_failed",          ["requested"],              "destroying"),
        ("destruction_requested",  ["requested", "available"], "destroying"),
        ("destroyed",              ["destroying"],             "destroyed"),
    ],
    final=["destroyed"],
)  # fmt: skip
