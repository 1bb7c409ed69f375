"""What can go wrong, as types that carry what a person needs to act."""

from collections.abc import Sequence

import msgspec


class LapilliError(Exception):
    """The root of every error of ours. `str()` is a sentence for people."""


class NotFound(LapilliError):
    """There is no such thing, or the caller may not see it."""

    def __init__(self, *, kind: str, id: str) -> None:
        self.kind, self.id = kind, id
        super().__init__(f"{kind.replace('_', ' ').capitalize()} {id} could not be found.")


class InvalidRequest(LapilliError):
    """The request contradicts a rule; the sentence says which."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Forbidden(LapilliError):
    """The caller is known and may not do this."""

    def __init__(self, *, rule: str) -> None:
        self.rule = rule
        super().__init__(f"Policy does not allow {rule} to be performed.")


class NotAllowed(LapilliError):
    """The lifecycle forbids this event in this state."""

    def __init__(
        self, *, kind: str, id: str, state: str, event: str, allowed: Sequence[str] = ()
    ) -> None:
        self.kind, self.id, self.state, self.event = kind, id, state, event
        self.allowed = tuple(allowed)
        what = f"{event.replace('_', ' ')} is not possible for {kind.replace('_', ' ')} {id}"
        only = f"; it must be {' or '.join(self.allowed)}" if self.allowed else ""
        super().__init__(f"{what}, which is {state}{only}.")


class Superseded(LapilliError):
    """A worker's result came after its claim was taken over, or ended; it changes nothing."""

    def __init__(self, *, kind: str, id: str, attempt: int) -> None:
        self.kind, self.id, self.attempt = kind, id, attempt
        super().__init__(f"Attempt {attempt} on {kind} {id} no longer holds its claim.")


class Conflict(LapilliError):
    """Others changed the same things at the same time, more often than we retry."""

    def __init__(self, *, kind: str, id: str) -> None:
        self.kind, self.id = kind, id
        super().__init__(f"{kind} {id} was changed by another request at the same time; try again.")


class AlreadyExists(LapilliError):
    """There is one already, and there can be only one; trying again does not help."""

    def __init__(self, *, kind: str, id: str) -> None:
        self.kind, self.id = kind, id
        super().__init__(f"{kind.replace('_', ' ').capitalize()} {id} already exists.")


class InUse(LapilliError):
    """Others depend on it as it is."""

    def __init__(self, *, kind: str, id: str, by: str) -> None:
        self.kind, self.id, self.by = kind, id, by
        super().__init__(f"{kind.replace('_', ' ').capitalize()} {id} is in use by {by}.")


class OutOfStep(LapilliError):
    """The request is right and does not fit how things are; something else has to happen first."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class BackendFailed(LapilliError):
    """A backend could not do what was asked of it; nothing of it was kept."""

    def __init__(self, *, host: str, reason: str) -> None:
        self.host, self.reason = host, reason
        super().__init__(f"Backend {host} failed: {reason}.")


class OverCommitted(Conflict):
    """Others were promised the room of a pool first; whoever asks has to decide again. GiB."""

    def __init__(self, *, pool: str, asked: int, promised: int, ceiling: float) -> None:
        self.pool, self.asked, self.promised, self.ceiling = pool, asked, promised, ceiling
        super().__init__(kind="pool", id=pool)


class Unavailable(LapilliError):
    """A part that we depend on does not answer; the same request may work later."""

    def __init__(self, *, part: str, reason: str) -> None:
        self.part, self.reason = part, reason
        super().__init__(f"{part} is unavailable: {reason}")


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """One resource that a request would take beyond its limit. GiB where the resource is space."""

    resource: str
    requested: int
    limit: int
    consumed: int


class OverQuota(LapilliError):
    """The request would go beyond quota; of it nothing but the refusal is recorded."""

    def __init__(self, reason: str, *, project_id: str, overs: Sequence[Over]) -> None:
        self.reason, self.project_id, self.overs = reason, project_id, tuple(overs)
        super().__init__(reason)


class LimitBelowUsage(InvalidRequest):
    """A quota limit may not be set below what is consumed already (Cinder: 400)."""

    def __init__(self, *, resource: str, limit: int, consumed: int) -> None:
        self.resource, self.limit, self.consumed = resource, limit, consumed
        super().__init__(
            f"Quota {resource} cannot be limited to {limit}: {consumed} are consumed already."
        )
