"""What an administrator says a volume's status is, whatever it was (Cinder's reset-state)."""

from domain.aggregates.volume.volume import Volume
from domain.errors import InvalidRequest
from domain.event import Event, Moment, event


@event("volume.reset_to_available")
class ResetToAvailable(Event, frozen=True):
    """An administrator says that it is well."""


@event("volume.reset_to_error")
class ResetToError(Event, frozen=True):
    """An administrator says that it is broken; what was under way is not waited for."""


@event("volume.reset_to_error_deleting")
class ResetToErrorDeleting(Event, frozen=True):
    """An administrator says that it could not be deleted."""


@event("volume.reset_to_error_extending")
class ResetToErrorExtending(Event, frozen=True):
    """An administrator says that it could not be extended."""


OUTCOMES: dict[str, type[Event]] = {
    "available": ResetToAvailable,
    "in-use": ResetToAvailable,
    "error": ResetToError,
    "error_deleting": ResetToErrorDeleting,
    "error_extending": ResetToErrorExtending,
}
"""The statuses that can be said. The others tell of work under way, which nobody would do: a
volume set to one of them would be stuck."""


def check(status: str) -> None:
    """Raises InvalidRequest for a status that cannot be said."""
    if status not in OUTCOMES:
        raise InvalidRequest(
            f"The status of a volume cannot be reset to {status[:64]!r}: only to"
            f" {', '.join(OUTCOMES)}."
        )


def reset(volume: Volume, status: str, at: Moment) -> None:
    """Says so; nothing may be under way any more.

    Raises InvalidRequest for in-use without an attachment or available with one, NotAllowed where
    the backend is not known to hold it, or something that always ends is still going on.
    """
    check(status)
    attached = volume.attach_status != "detached"
    if status == "in-use" and not attached:
        raise InvalidRequest(f"Volume {volume.id} has no attachment and cannot be in-use.")
    if status == "available" and attached:
        raise InvalidRequest(f"Volume {volume.id} is {volume.attach_status}; detach it first.")
    if volume.host is None and status != "error":
        raise volume.not_allowed(f"reset to {status}")
    volume.record(OUTCOMES[status](), at)
