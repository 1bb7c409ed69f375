"""Quota arithmetic: what a reservation asks for, what the ledger admits, what events change in it.

Resources are Cinder's (lifecycles 2). A resource of one volume type is `gigabytes_<type id>`
inside; the API shows it under the type's name, so that renaming a type changes nothing here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from domain.aggregates import quota_limits, quota_reservation, volume_type
from domain.aggregates.quota_limits import DEFAULT_CLASS
from domain.errors import InUse, LimitBelowUsage, Over, OverQuota
from domain.event import Event, Recorded

VOLUMES, SNAPSHOTS, GIGABYTES = "volumes", "snapshots", "gigabytes"
TYPED = (VOLUMES, SNAPSHOTS, GIGABYTES)
"""Resources that are also counted per volume type."""

BACKUPS, BACKUP_GIGABYTES = "backups", "backup_gigabytes"

COUNTED = (VOLUMES, SNAPSHOTS, BACKUPS, "groups")
"""Resources that are numbers of things."""

CEILING = "per_volume_gigabytes"
"""The largest volume, in GiB: a ceiling on each request, with no usage."""

UNLIMITED = -1
MAX_USAGE = 2**31 - 1
"""What Cinder can count per resource; also its largest size."""

KINDS = ("quota_reservation", "quota_limits")
"""The aggregates whose events concern the ledger."""

Amounts = Mapping[str, int]


class Usage(msgspec.Struct, frozen=True):
    """What a project consumes of one resource."""

    in_use: int = 0
    reserved: int = 0

    @property
    def consumed(self) -> int:
        """All that counts against the limit."""
        return self.in_use + self.reserved


_NOTHING = Usage()


class Entry(msgspec.Struct, frozen=True):
    """A change of the ledger: what is added to one resource of one project."""

    project_id: str
    resource: str
    in_use: int = 0
    reserved: int = 0


def of_type(amounts: Amounts, type_id: str) -> dict[str, int]:
    """The amounts, and the same again for the volume type where the resource has variants."""
    typed = {f"{name}_{type_id}": n for name, n in amounts.items() if name in TYPED}
    return {**amounts, **typed}


def of_backup(size_gib: int) -> dict[str, int]:
    """What a backup takes, whatever the store needs for it."""
    return {BACKUPS: 1, BACKUP_GIGABYTES: size_gib}


def of_snapshot(size_gib: int, *, counts_gigabytes: bool) -> dict[str, int]:
    """What a snapshot takes; `counts_gigabytes` says whether its size counts, too."""
    return {SNAPSHOTS: 1, **({GIGABYTES: size_gib} if counts_gigabytes else {})}


def exchanged(amounts: Amounts, old_type_id: str, new_type_id: str) -> dict[str, int]:
    """What a volume takes of its new type's resources, and gives back of its old type's."""
    return {
        **{f"{name}_{new_type_id}": n for name, n in amounts.items() if name in TYPED},
        **{f"{name}_{old_type_id}": -n for name, n in amounts.items() if name in TYPED},
    }


def entries(event: Event) -> list[Entry]:
    """What an event changes in the ledger. Nothing is reserved for amounts below zero."""
    match event:
        case quota_reservation.Reserved() | quota_reservation.Held():
            return [Entry(event.project_id, r, 0, max(n, 0)) for r, n in event.amounts.items()]
        case quota_reservation.Committed():
            return [Entry(event.project_id, r, n, -max(n, 0)) for r, n in event.amounts.items()]
        case quota_reservation.RolledBack() | quota_reservation.Expired():
            return [Entry(event.project_id, r, 0, -max(n, 0)) for r, n in event.amounts.items()]
        case quota_reservation.Released():
            return [Entry(event.project_id, r, -n, 0) for r, n in event.amounts.items()]
        case _:
            return []


def check_unused(recorded: Recorded[Event], ledger: "Ledger") -> None:
    """Raises InUse for an event that may not happen to a volume type while volumes are of it.

    Every volume holds one `volumes_<type id>` from the append that creates it until the one that
    ends it, so the ledger knows. It must know that resource of all projects.
    """
    resource = unused_resource(recorded)
    if resource is not None and ledger.consumed_by_all(resource):
        raise InUse(kind=recorded.event.kind, id=str(recorded.aggregate_id), by=VOLUMES)


def unused_resource(recorded: Recorded[Event]) -> str | None:
    """The resource that nobody may consume when an event happens."""
    return f"{VOLUMES}_{recorded.aggregate_id}" if isinstance(recorded.event, _OF_UNUSED) else None


_OF_UNUSED = (
    volume_type.Deleted,
    volume_type.ExtraSpecsChanged,
    volume_type.EncryptionAdded,
    volume_type.EncryptionChanged,
    volume_type.EncryptionRemoved,
)
"""What happens only to a type that no volume is of."""


def new_limits(event: Event) -> tuple[str, Mapping[str, int]] | None:
    """A project or quota class and its own limits after this event, if it changes them."""
    match event:
        case quota_limits.Changed():
            return event.subject, event.limits
        case quota_limits.Reset():
            return event.subject, {}
        case _:
            return None


def whose(event: Event) -> str:
    """The project, or the quota class, that an event of these KINDS is about."""
    match event:
        case quota_limits.Changed() | quota_limits.Reset():
            return event.subject
        case _:
            project_id: str = event.project_id  # type: ignore[attr-defined]
            return project_id


def check(
    event: Event, *, usage: Callable[[str, str], Usage], limit: Callable[[str, str], int]
) -> None:
    """Whether the ledger admits an event, given usage and limit by project and resource.

    Raises OverQuota, or LimitBelowUsage.
    """
    match event:
        case quota_reservation.Reserved() | quota_reservation.Held():
            overs = _overs(event, usage=usage, limit=limit)
            if overs:
                raise OverQuota(sentence(overs), project_id=event.project_id, overs=overs)
        case quota_limits.Changed():
            for resource in event.changed:
                wanted, used = event.limits[resource], usage(event.subject, resource)
                if wanted != UNLIMITED and wanted < used.consumed:
                    raise LimitBelowUsage(resource=resource, limit=wanted, consumed=used.consumed)
        case _:
            pass


def _overs(
    event: quota_reservation.Reserved | quota_reservation.Held,
    *,
    usage: Callable[[str, str], Usage],
    limit: Callable[[str, str], int],
) -> list[Over]:
    """Everything the reservation is over by, sorted by resource."""
    found: list[Over] = []
    project_id, largest = event.project_id, event.largest_gib
    ceiling = limit(project_id, CEILING)
    if ceiling != UNLIMITED and largest > ceiling:
        found.append(Over(resource=CEILING, requested=largest, limit=ceiling, consumed=0))
    for resource, amount in sorted(event.amounts.items()):
        consumed = usage(project_id, resource).consumed
        allowed = limit(project_id, resource)
        if amount > 0 and consumed + amount > (allowed if allowed != UNLIMITED else MAX_USAGE):
            found.append(
                Over(
                    resource=resource,
                    requested=amount,
                    limit=allowed if allowed != UNLIMITED else MAX_USAGE,
                    consumed=consumed,
                )
            )
    return found


def sentence(overs: Sequence[Over]) -> str:
    """What to tell the user: the ceiling first, then space, then counts, then what only we count
    (Cinder's order, and its VolumeSizeExceedsLimit, …SizeExceedsAvailableQuota, …LimitExceeded and
    UnexpectedOverQuota)."""
    over = min(overs, key=_precedence)
    kind = over.resource.partition("_")[0]
    if over.resource == CEILING:
        return (
            f"Requested volume size {over.requested}G is larger than the allowed {over.limit}G"
            f" ({CEILING})."
        )
    if GIGABYTES in over.resource:
        what = "backup" if kind == "backup" else "volume or snapshot"
        return (
            f"Requested {what} exceeds the {over.resource} quota: {over.requested}G"
            f" requested, {over.limit}G allowed, {over.consumed}G consumed."
        )
    if kind in COUNTED:
        return (
            f"Maximum number of {kind} allowed ({over.limit}) exceeded for quota '{over.resource}'."
        )
    return (
        f"Quota '{over.resource}' is unexpectedly exceeded: {over.requested} requested,"
        f" {over.limit} allowed, {over.consumed} consumed."
    )


def _precedence(over: Over) -> int:
    if over.resource == CEILING:
        return 0
    if GIGABYTES in over.resource:
        return 1
    return 2 if over.resource.partition("_")[0] in COUNTED else 3


class Ledger:
    """What some projects consume and may consume, and the say in what may be added.

    It is a projection of the quota events that can refuse one: whoever stores events asks it
    first, in log order, and stores what it `touched` in the same transaction. `limits` are those
    of projects and of quota classes; it must know those of DEFAULT_CLASS, whatever project it
    is asked about.
    """

    def __init__(
        self,
        *,
        defaults: Amounts,
        usage: Mapping[tuple[str, str], Usage] = {},
        limits: Mapping[str, Amounts] = {},
    ) -> None:
        self._defaults = defaults
        self.usage = dict(usage)
        self.limits = dict(limits)
        self.touched: set[tuple[str, str]] = set()
        self.relimited: set[str] = set()

    def admit(self, events: Sequence[Event]) -> None:
        """Takes in all of these events or, raising OverQuota or LimitBelowUsage, none."""
        usage: dict[tuple[str, str], Usage] = {}
        limits: dict[str, Amounts] = {}
        for event in events:
            if event.kind not in KINDS:
                continue
            check(event, usage=self._used_after(usage), limit=self.limit)
            self._fold(event, usage, limits)
        self.usage.update(usage)
        self.touched.update(usage)
        self.limits.update(limits)
        self.relimited.update(limits)

    def _fold(
        self,
        event: Event,
        usage: dict[tuple[str, str], Usage],
        limits: dict[str, Amounts],
    ) -> None:
        """Writes into these what an event changes, on from there or else from what is known."""
        for entry in entries(event):
            key = entry.project_id, entry.resource
            before = usage.get(key) or self.used(*key)
            usage[key] = Usage(before.in_use + entry.in_use, before.reserved + entry.reserved)
        changed = new_limits(event)
        if changed is not None:
            limits[changed[0]] = changed[1]

    def _used_after(self, usage: Mapping[tuple[str, str], Usage]) -> Callable[[str, str], Usage]:
        return lambda p, r: usage.get((p, r)) or self.used(p, r)

    def used(self, project_id: str, resource: str) -> Usage:
        """What the project consumes of the resource."""
        return self.usage.get((project_id, resource), _NOTHING)

    def consumed_by_all(self, resource: str) -> int:
        """What all known projects consume of the resource together."""
        return sum(used.consumed for (_, name), used in self.usage.items() if name == resource)

    def limit(self, project_id: str, resource: str) -> int:
        """The project's own limit, else that of the default class, else the configured one.

        Resources of a type are unlimited where none of these says anything.
        """
        for limits in (self.limits.get(project_id), self.limits.get(DEFAULT_CLASS), self._defaults):
            if limits and resource in limits:
                return limits[resource]
        return UNLIMITED


def settle(ledger: Ledger, events: Iterable[Event]) -> Ledger:
    """The ledger after events that happened: nothing is refused any more."""
    for event in events:
        ledger._fold(event, ledger.usage, ledger.limits)
    return ledger
