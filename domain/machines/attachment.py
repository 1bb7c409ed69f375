"""The life of one attachment of a volume. Source: Cinder's attachments (lifecycles 1, 7, 16).

An attachment lives inside its volume: the events are the volume's, whose own table says in which
of its states they may happen. Between a wish and its outcome a worker of the backend claims it.
"""

from domain.lifecycle import NEW, Lifecycle

CONNECTING = ("connection_requested", "connecting")
CONNECTED = ("connected", "attached")
LEAVING = ("removal_requested", "disconnecting")
OWED = frozenset({*CONNECTING, *LEAVING})
"""Where a worker has still to do something."""
ERRORS = ("error_attaching", "error_detaching")

ATTACHMENT = Lifecycle(
    "attachment",
    rows=[
        # event                               from                            to
        ("attachment_reserved",               [NEW],                          "reserved"),
        # by the action os-attach, which asks nothing of the backend
        ("attached",                          [NEW],                          "attached"),
        # from nothing: os-initialize_connection, which attaches nothing
        ("attachment_connection_requested",
            [NEW, "reserved", "connected"],                               "connection_requested"),
        # again in connecting: the worker that held the claim is gone, another takes it over
        ("attachment_connection_started",     CONNECTING,                     "connecting"),
        ("attachment_connected",              ["connecting"],                 "connected"),
        # the connector will not do; the reservation is as good as before
        ("attachment_connector_refused",      ["connecting"],                 "reserved"),
        ("attachment_connection_failed",      ["connecting"],                 "error_attaching"),
        ("attachment_completed",              ["connected"],                  "attached"),
        ("attachment_removal_requested",      [*CONNECTED, *ERRORS],          "removal_requested"),
        # nobody waits for it any more, and what there may be of it must go
        ("attachment_abandoned",
            [*CONNECTING, "connected", "error_attaching"],                    "removal_requested"),
        ("attachment_disconnection_started",  LEAVING,                        "disconnecting"),
        # straight from removal_requested when no worker came to disconnect it
        ("attachment_disconnection_failed",   LEAVING,                        "error_detaching"),
        # straight from reserved, of which the backend has nothing; from anywhere when the whole
        # volume goes
        ("attachment_removed",
            ["reserved", *CONNECTING, *CONNECTED, *LEAVING, *ERRORS],         "removed"),
    ],
    final=["removed"],
)  # fmt: skip

VISIBLE = {
    "reserved": "reserved",
    # Cinder's moves on when the backend has answered
    "connection_requested": "reserved",
    "connecting": "reserved",
    "connected": "attaching",
    "attached": "attached",
    "removal_requested": "detaching",
    "disconnecting": "detaching",
    "error_attaching": "error_attaching",
    "error_detaching": "error_detaching",
    "removed": "deleted",
}
"""What Cinder's API calls each state."""

HOLDS = {
    **{state: VISIBLE[state] for state in ("reserved", *CONNECTING, *CONNECTED, *LEAVING)},
    # its backend may still serve it, so the volume is nobody else's yet (Cinder would let it go)
    "error_detaching": "attached",
}
"""What an attachment in each state makes of its volume; the others make nothing of it."""
