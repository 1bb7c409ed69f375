"""Subjects of events: lapilli.<aggregate>.<event>.<backend or _>.<aggregate id>."""

from domain.event import Event, Recorded

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@:#")


def token(name: str) -> str:
    """A name as one subject token: host names have dots, which separate tokens in NATS.

    Different names have different tokens, so that no backend hears another's work.
    """
    return "".join(chr(b) if chr(b) in _PLAIN else f"={b:02X}" for b in name.encode())


def subject_of(recorded: Recorded[Event]) -> str:
    """Where the relay publishes an event."""
    event = recorded.event
    backend = token(event.backend) if event.backend else "_"
    return f"lapilli.{event.type_name}.{backend}.{recorded.aggregate_id}"


def pattern(event_type: type[Event], backend: str | None) -> str:
    """What a consumer asks for: all events of a type, or only those that concern one backend."""
    return f"lapilli.{event_type.type_name}.{token(backend) if backend else '*'}.*"
