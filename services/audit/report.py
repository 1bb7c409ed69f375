"""What an audit found."""

from datetime import datetime

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that contradicts the log, or that the log itself gets wrong."""

    kind: str
    """What is wrong, from a fixed set: see `KINDS`."""
    id: str
    """Whose it is: an aggregate, an event (`aggregate:version`), a row, an object, a project."""
    detail: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth knowing that contradicts nothing."""

    kind: str
    id: str
    detail: str


KINDS = {
    "log.undecodable": "an event that this code cannot read",
    "log.position": "positions that do not follow each other",
    "log.version": "versions of an aggregate that do not follow each other",
    "log.transition": "an event that its aggregate's lifecycle does not allow there",
    "log.cause": "an event said to follow from one that was not there before it",
    "snapshot.differs": "a stored snapshot that is not what its events lead to",
    "quota.held": "reservations that hold something else than what exists",
    "quota.open": "a reservation still open although what it pays for is at rest",
    "quota.usage": "a ledger row that is not what the log adds up to",
    "quota.limits": "stored limits that are not those of the log",
    "names.held": "a unique name that is not held by whom the log says",
    "catalogue.tie": "what is tied to a volume type that does not exist, or does not say so",
    "closures.differ": "a service and the list of closed backends that disagree",
    "pool.promised": "what is promised on a pool is not what the log adds up to",
    "pool.overcommitted": "a volume placed where more was promised than could be",
    "placement.repeated": "a volume placed on a backend that had failed to make it",
    "placement.closed": "a volume placed on a backend that was disabled or frozen",
    "projection.missing": "a row that a read model should have",
    "projection.extra": "a row that a read model should not have",
    "projection.differs": "a row of a read model that is not what the log leads to",
    "projection.stopped": "a read model that does not follow the log",
    "object.missing": "a usable volume that its backend does not have",
    "object.orphan": "an object on a backend that no volume accounts for",
    "key.tie": "something encrypted and a key that do not know each other",
    "key.missing": "something encrypted whose key the key manager does not have",
    "key.orphan": "a key in the key manager that no volume accounts for",
    "connection.missing": "an attachment whose backend lets nobody reach the volume",
    "connection.extra": "a connection on a backend that is none of the log's attachments",
    "image_cache.entry": "an image that a backend keeps in a volume that does not hold it",
    "image_cache.stray": "a volume that keeps an image which its backend does not know of",
    "rest.not": "something not at rest, where everything was to be",
}
"""Every kind of finding, and what it means."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one audit."""

    at: datetime
    position: int
    """Where the log ended when the audit was made."""
    events: int
    aggregates: dict[str, int]
    """How many there are of each kind."""
    compared: dict[str, int]
    """How much was held against the log, by what it is."""
    findings: list[Finding]
    notes: list[Note]
    unchecked: list[Note]
    """What was to be checked and could not be."""

    @property
    def exit_code(self) -> int:
        """0: all is well; 1: there are findings; 2: none, but something could not be checked."""
        return 1 if self.findings else 2 if self.unchecked else 0
