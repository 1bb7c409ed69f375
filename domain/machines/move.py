"""The life of a move: a volume on its way to where its new type, or an administrator, wants it."""

from domain.lifecycle import NEW, Lifecycle

MOVE = Lifecycle(
    "move",
    rows=[
        # event        from                                            to
        ("requested",  [NEW],                                          "requested"),
        # its own pool may well be the best one: then it is changed where it is
        ("placed",     ["requested"],                                  "placed"),
        ("refused",    ["requested"],                                  "refused"),
        # again while moving: the worker that held the claim is gone, another takes it over
        ("started",    ["placed", "moving", "completing"],             "moving"),
        # its backend cannot change it where it is, and it may go elsewhere
        ("declined",   ["moving"],                                     "requested"),
        # all of it is at the target and is compared with the source once more
        ("copied",     ["moving"],                                     "completing"),
        ("finished",   ["moving", "completing"],                       "finished"),
        ("failed",     ["requested", "placed", "moving", "completing"], "failed"),
    ],
    final=["refused", "finished", "failed"],
)  # fmt: skip
