"""What is counted and measured, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter("lapilli_commands_total", "Commands run", ["command", "outcome"])
COMMAND_SECONDS = Histogram(
    "lapilli_command_seconds",
    "From a command's arrival to its commit",
    ["command"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
RELAYED = Counter("lapilli_relayed_messages_total", "Messages published on the bus", ["stream"])
REACTIONS = Counter("lapilli_reactions_total", "Events handled", ["process", "outcome"])
REACTION_SECONDS = Histogram(
    "lapilli_reaction_seconds",
    "How long handling one event took, driver included",
    ["process"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30, 300),
)
LOG_POSITION = Gauge(
    "lapilli_log_position", "Newest position of the log", multiprocess_mode="mostrecent"
)
RELAY_POSITION = Gauge(
    "lapilli_relay_position",
    "Newest position told on the bus",
    ["stream"],
    multiprocess_mode="mostrecent",
)
VIEW_POSITION = Gauge(
    "lapilli_projection_position", "Newest position in the views", multiprocess_mode="mostrecent"
)
