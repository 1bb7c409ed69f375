"""A small world of commands on a store in memory, and what must hold in it at any moment."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from uuid import UUID, uuid5

from adapters.event_store.memory import MemoryEventStore
from domain.aggregates import AGGREGATES
from domain.aggregates.backup import Backup
from domain.aggregates.quota_reservation import Committed, QuotaReservation, Released
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.encryption import Encryption
from domain.event import Event, Recorded
from domain.lifecycle import NEW
from domain.placement import Pool
from domain.quota import Ledger, of_snapshot, of_type, settle
from services.commands import HANDLERS
from services.commands.creation import CreateVolume
from services.commands.imaging import FailDownload, RecordDownload
from services.commands.snapshot import (
    CreateSnapshot,
    DeleteSnapshot,
    FinishSnapshotCreation,
    FinishSnapshotDeletion,
    PlaceSnapshot,
    StartSnapshotCreation,
    StartSnapshotDeletion,
)
from services.commands.volume import (
    DeleteVolume,
    FinishDeletion,
    FinishProvisioning,
    PlaceVolume,
    StartDeletion,
    StartProvisioning,
)
from services.commands.volume_type import EncryptVolumeType, EnsureDefaultVolumeType
from services.unit_of_work import Commands
from tests.support.builders import AN_IMAGE, PROJECT, USER, ZONE, a_moment, a_pool, an_id, bare

LIMITS = {"volumes": 10, "gigabytes": 100}

ON_NO_BACKEND: Sequence[Pool] = ()


class ReluctantStore(MemoryEventStore):
    """Lets others go first before it answers, as often as `patience` says."""

    def __init__(self, patience: Iterator[int]) -> None:
        super().__init__(default_limits=LIMITS)
        self._patience = patience

    async def append(self, events: Sequence[Recorded[Event]], **more: Any) -> int:
        await self._let_others_go_first()
        return await super().append(events, **more)

    async def events(
        self, aggregate_id: UUID, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Event]]:
        await self._let_others_go_first()
        return await super().events(aggregate_id, after=after, limit=limit)

    async def _let_others_go_first(self) -> None:
        for _ in range(next(self._patience, 0)):
            await asyncio.sleep(0)


class World:
    """Runs commands as one process does, with what it has cached."""

    def __init__(self, store: MemoryEventStore | None = None) -> None:
        self.store = MemoryEventStore(default_limits=LIMITS) if store is None else store
        self.commands = Commands(self.store)
        self.type_id = UUID(int=0)

    async def run(self, command: Any) -> Any:
        """The command's answer."""
        return (await self.commands.run(HANDLERS[type(command)], command)).value

    def another_process(self) -> "World":
        """The same store, but nothing cached."""
        other = World(self.store)
        other.type_id = self.type_id
        return other

    # given

    async def has_a_type(self, *, name: str = "default") -> "World":
        self.type_id = await self.run(EnsureDefaultVolumeType(name=name, at=a_moment()))
        return self

    async def has_encryption(self, encryption: Encryption) -> "World":
        """Volumes of its type are encrypted from now on."""
        id, at = uuid5(self.type_id, "encryption"), a_moment()
        await self.run(
            EncryptVolumeType(id=self.type_id, encryption_id=id, encryption=encryption, at=at)
        )
        return self

    def creation(self, number: int = 1, **changes: Any) -> CreateVolume:
        """A request for a volume that nothing is wrong with, but for the changes."""
        wanted: dict[str, Any] = {
            "id": an_id(number),
            "project_id": PROJECT,
            "user_id": USER,
            "size_gib": 2,
            "name": f"volume {number}",
            "description": None,
            "metadata": {},
            "volume_type_id": self.type_id,
            "availability_zone": None,
            "known_zones": frozenset({ZONE}),
            "at": a_moment(),
        }
        return CreateVolume(**{**wanted, **changes})

    def snapshotting(self, number: int = 1, *, of: int = 1, **changes: Any) -> CreateSnapshot:
        """A request for a snapshot of a volume that nothing is wrong with, but for the changes."""
        wanted: dict[str, Any] = {
            "id": snapshot_id(number),
            "volume_id": an_id(of),
            "of_project": PROJECT,
            "user_id": USER,
            "name": f"snapshot {number}",
            "description": None,
            "metadata": {},
            "at": a_moment(),
        }
        return CreateSnapshot(**{**wanted, **changes})

    async def has_a_snapshot(
        self, *, in_state: str = "available", number: int = 1, of: int = 1, **changes: Any
    ) -> "World":
        """One that came there by commands alone."""
        await self.run(self.snapshotting(number, of=of, **changes))
        for step in SNAPSHOT_PATHS[in_state]:
            await self.run(await step(self, snapshot_id(number)))
        return self

    async def has_a_volume(self, *, in_state: str, number: int = 1, **changes: Any) -> "World":
        """One that came there by commands alone."""
        if come in PATHS[in_state]:
            changes = {"image": AN_IMAGE, **changes}
        await self.run(self.creation(number, **changes))
        for step in PATHS[in_state]:
            await self.run(await step(self, an_id(number)))
        return self

    # then

    async def volume(self, number: int = 1) -> Volume:
        history = await self.store.events(an_id(number))
        return Volume.from_history(an_id(number), history)

    async def snapshot(self, number: int = 1) -> Snapshot:
        id = snapshot_id(number)
        return Snapshot.from_history(id, await self.store.events(id))

    async def reservation(self, number: int = 1) -> QuotaReservation:
        id = uuid5(an_id(number), "reservation")
        return QuotaReservation.from_history(id, await self.store.events(id))

    async def verbs(self) -> list[str]:
        """The names of all events, in order, without those about types."""
        log = await self.store.log(0, 1_000_000)
        return [r.event.type_name for r in log if r.event.kind != "volume_type"]

    async def news(self, command: Any) -> list[str]:
        """The events that the command leads to."""
        before = len(await self.verbs())
        await self.run(command)
        return (await self.verbs())[before:]

    async def usage(self, project_id: str = PROJECT) -> dict[str, tuple[int, int]]:
        """What is used of each resource, and what is reserved; per-type resources left out."""
        usage = await self.store.usage(project_id)
        return {r: (u.in_use, u.reserved) for r, u in usage.items() if "-" not in r}

    async def assert_sound(self) -> None:
        """Lives are legal, the ledger is the sum over the log, every reservation is accounted for.

        A reservation is open exactly as long as nobody knows yet whether its volume comes to be.
        """
        log = await self.store.log(0, 1_000_000)
        states: dict[UUID, str] = {}
        for recorded in log:
            lifecycle = AGGREGATES[recorded.event.kind].lifecycle
            state = states.get(recorded.aggregate_id, NEW)
            target = lifecycle.next(recorded.event.verb, state)
            assert target is not None, f"{recorded.event.topic} in {state}"
            states[recorded.aggregate_id] = target
        _, usage, _ = await self.store.ledger()
        assert usage == settle(Ledger(defaults=LIMITS), bare(log)).usage
        assert all(used.in_use >= 0 and used.reserved >= 0 for used in usage.values())
        needs: dict[tuple[UUID, UUID], str] = {}
        for id, kind in {r.aggregate_id: r.event.kind for r in log}.items():
            if kind == "backup":
                needs |= _needs(Backup.from_history(id, [r for r in log if r.aggregate_id == id]))
            if kind not in ("volume", "snapshot"):
                continue
            cls = Volume if kind == "volume" else Snapshot
            thing = cls.from_history(id, [r for r in log if r.aggregate_id == id])
            reservation = UUID(thing.reservations[0])
            paid, due = _paid(reservation, states), PAID if kind == "volume" else PAID_SNAPSHOT
            assert paid in due[states[id]], (states[id], paid)
            first = uuid5(id, "reservation")
            assert first == reservation or _paid(first, states) in _FREE  # it changed hands
            self._assert_paid_in_full(thing, log)
            if isinstance(thing, Volume) and thing.holds_image_of is not None:
                needs[UUID(thing.holds_image_of), id] = "copy"
            if isinstance(thing, Snapshot) and thing.state != "deleted":
                needs[UUID(thing.volume_id), id] = "snapshot"
                assert states[UUID(thing.volume_id)] not in ("deleting", "removing", "deleted")
            if isinstance(thing, Volume) and thing.holds_source and thing.source is not None:
                needs[UUID(thing.source.id), id] = "copy"
        assert (await self.store.dependence())[1] == needs

    def _assert_paid_in_full(
        self, thing: Volume | Snapshot, log: Sequence[Recorded[Event]]
    ) -> None:
        """What is committed and not released for a thing is exactly what it is and holds."""
        id = thing.id
        held: Counter[str] = Counter()
        for event in (r.event for r in log):
            match event:
                case Committed(subject=subject) if subject == str(id):
                    held.update(event.amounts)
                case Released(subject=subject) if subject == str(id):
                    held.subtract(event.amounts)
        if thing.state in (
            "available",
            "error",
            "error_deleting",
            "error_extending",
            "error_restoring",
            "unreachable",
        ):
            amounts = {"volumes": 1, "gigabytes": thing.size_gib}
            if isinstance(thing, Snapshot):
                amounts = of_snapshot(thing.size_gib, counts_gigabytes=thing.counts_gigabytes)
            assert {r: n for r, n in held.items() if n} == of_type(amounts, thing.volume_type_id)
        elif thing.state == "deleted":
            assert not any(held.values())


def _needs(backup: Backup) -> dict[tuple[UUID, UUID], str]:
    """What a backup needs: what it is made of, and, unless that failed, what it goes on from."""
    found = {}
    if backup.state in ("requested", "making", "cancelling"):
        found[UUID(backup.snapshot_id or backup.volume_id), backup.id] = "backup"
    if backup.parent is not None and backup.state not in ("error", "deleted"):
        found[UUID(backup.parent.id), backup.id] = "increment"
    return found


def _paid(reservation: UUID, states: dict[UUID, str]) -> str:
    """What has become of a reservation, also by the one that gives it back."""
    released = uuid5(reservation, "release") in states
    return states[reservation] + (" and released" if released else "")


Step = Callable[[World, UUID], Awaitable[Any]]


async def _attempt(world: World, id: UUID) -> int:
    return Volume.from_history(id, await world.store.events(id)).attempt


async def place(world: World, id: UUID) -> PlaceVolume:
    return PlaceVolume(id=id, pools=[a_pool()], at=a_moment())


async def place_nowhere(world: World, id: UUID) -> PlaceVolume:
    return PlaceVolume(id=id, pools=list(ON_NO_BACKEND), at=a_moment())


async def start(world: World, id: UUID) -> StartProvisioning:
    return StartProvisioning(id=id, worker="worker-1", at=a_moment())


async def made(world: World, id: UUID) -> FinishProvisioning:
    attempt = await _attempt(world, id)
    return FinishProvisioning(id=id, attempt=attempt, provider_id="p", at=a_moment())


async def not_made(world: World, id: UUID) -> FinishProvisioning:
    attempt = await _attempt(world, id)
    return FinishProvisioning(id=id, attempt=attempt, failure="no space", at=a_moment())


async def come(world: World, id: UUID) -> RecordDownload:
    attempt = await _attempt(world, id)
    return RecordDownload(id=id, attempt=attempt, done_bytes=2**20, at=a_moment())


async def not_come(world: World, id: UUID) -> FailDownload:
    attempt = await _attempt(world, id)
    return FailDownload(
        id=id, attempt=attempt, problem="not_copied", reason="it is gone", at=a_moment()
    )


async def delete(world: World, id: UUID) -> DeleteVolume:
    return DeleteVolume(id=id, project_id=PROJECT, at=a_moment())


async def force(world: World, id: UUID) -> DeleteVolume:
    return DeleteVolume(id=id, project_id=PROJECT, force=True, at=a_moment())


async def remove(world: World, id: UUID) -> StartDeletion:
    return StartDeletion(id=id, worker="worker-1", at=a_moment())


async def gone(world: World, id: UUID) -> FinishDeletion:
    return FinishDeletion(id=id, attempt=await _attempt(world, id), at=a_moment())


async def busy(world: World, id: UUID) -> FinishDeletion:
    attempt = await _attempt(world, id)
    return FinishDeletion(id=id, attempt=attempt, failure="in use", busy=True, at=a_moment())


async def not_gone(world: World, id: UUID) -> FinishDeletion:
    attempt = await _attempt(world, id)
    return FinishDeletion(id=id, attempt=attempt, failure="backend says no", at=a_moment())


def snapshot_id(number: int = 1) -> UUID:
    """Of the snapshot of that number."""
    return an_id(0x500 + number)


async def _attempt_on_snapshot(world: World, id: UUID) -> int:
    return Snapshot.from_history(id, await world.store.events(id)).attempt


async def room(world: World, id: UUID) -> PlaceSnapshot:
    return PlaceSnapshot(id=id, pools=[a_pool()], at=a_moment())


async def no_room(world: World, id: UUID) -> PlaceSnapshot:
    return PlaceSnapshot(id=id, pools=[], at=a_moment())


async def take(world: World, id: UUID) -> StartSnapshotCreation:
    return StartSnapshotCreation(id=id, worker="worker-1", at=a_moment())


async def taken(world: World, id: UUID) -> FinishSnapshotCreation:
    attempt = await _attempt_on_snapshot(world, id)
    return FinishSnapshotCreation(id=id, attempt=attempt, provider_id="p", at=a_moment())


async def not_taken(world: World, id: UUID) -> FinishSnapshotCreation:
    attempt = await _attempt_on_snapshot(world, id)
    return FinishSnapshotCreation(id=id, attempt=attempt, failure="no space", at=a_moment())


async def drop(world: World, id: UUID) -> DeleteSnapshot:
    return DeleteSnapshot(id=id, project_id=PROJECT, at=a_moment())


async def force_drop(world: World, id: UUID) -> DeleteSnapshot:
    return DeleteSnapshot(id=id, project_id=PROJECT, force=True, at=a_moment())


async def clear(world: World, id: UUID) -> StartSnapshotDeletion:
    return StartSnapshotDeletion(id=id, worker="worker-1", at=a_moment())


async def cleared(world: World, id: UUID) -> FinishSnapshotDeletion:
    attempt = await _attempt_on_snapshot(world, id)
    return FinishSnapshotDeletion(id=id, attempt=attempt, at=a_moment())


async def snapshot_busy(world: World, id: UUID) -> FinishSnapshotDeletion:
    attempt = await _attempt_on_snapshot(world, id)
    return FinishSnapshotDeletion(
        id=id, attempt=attempt, failure="in use", busy=True, at=a_moment()
    )


async def not_cleared(world: World, id: UUID) -> FinishSnapshotDeletion:
    attempt = await _attempt_on_snapshot(world, id)
    return FinishSnapshotDeletion(id=id, attempt=attempt, failure="backend says no", at=a_moment())


SNAPSHOT_STEPS: dict[str, Step] = {
    "place the snapshot": room,
    "place the snapshot nowhere": no_room,
    "start the snapshot": take,
    "snapshot made": taken,
    "snapshot not made": not_taken,
    "clear the snapshot": clear,
    "snapshot cleared": cleared,
    "snapshot busy": snapshot_busy,
    "snapshot not cleared": not_cleared,
}
"""All that processes do with a snapshot that was asked for."""

SNAPSHOT_PATHS: dict[str, Sequence[Step]] = {
    "requested": [],
    "placed": [room],
    "making": [room, take],
    "available": [room, take, taken],
    "error": [room, take, not_taken],
    "error, without room": [no_room],
    "cancelling": [room, take, force_drop],
    "deleting": [room, take, taken, drop],
    "deleting, never made": [room, take, force_drop, taken],
    "removing": [room, take, taken, drop, clear],
    "error_deleting": [room, take, taken, drop, clear, not_cleared],
    "busy": [room, take, taken, drop, clear, snapshot_busy],
    "deleted": [room, take, taken, drop, clear, cleared],
}
"""How commands lead a snapshot into each of its states."""

STEPS: dict[str, Step] = {
    "place": place,
    "place nowhere": place_nowhere,
    "start": start,
    "made": made,
    "not made": not_made,
    "come": come,
    "not come": not_come,
    "delete": delete,
    "force": force,
    "remove": remove,
    "gone": gone,
    "busy": busy,
    "not gone": not_gone,
}
"""All that can be done with a volume that was asked for."""

PATHS: dict[str, Sequence[Step]] = {
    "requested": [],
    "placed": [place],
    "provisioning": [place, start],
    "downloading": [place, start, come],
    "available": [place, start, made],
    "error": [place, start, not_made],
    "error, on no backend": [place_nowhere],
    "cancelling": [place, start, force],
    "deleting": [place, start, made, delete],
    "deleting, never made": [place, start, force, made],
    "removing": [place, start, made, delete, remove],
    "removing, never made": [place, start, force, made, remove],
    "error_deleting": [place, start, made, delete, remove, not_gone],
    "deleted": [place, start, made, delete, remove, gone],
    "deleted, on no backend": [delete],
}
"""How commands lead a volume into each of its states."""

_OPEN = {"reserved"}
_KEPT = {"committed"}
_FREE = {"rolled_back", "committed and released"}

PAID: dict[str, set[str]] = {
    "requested": _OPEN,
    "placed": _OPEN,
    "awaiting": _OPEN,
    "provisioning": _OPEN,
    "downloading": _OPEN,
    "available": _KEPT,
    "error": _KEPT,
    "cancelling": _OPEN,
    "emptying": _KEPT,
    "deleting": _OPEN | _KEPT,
    "removing": _OPEN | _KEPT,
    "error_deleting": _KEPT,
    "error_extending": _KEPT,
    "error_restoring": _KEPT,
    "unreachable": _KEPT,
    "deleted": _FREE,
}
"""What may have become of the reservation of a volume in each state."""

PAID_SNAPSHOT: dict[str, set[str]] = {
    **dict.fromkeys(("requested", "placed", "making", "cancelling"), _OPEN),
    **dict.fromkeys(("available", "restoring", "error", "error_deleting"), _KEPT),
    **dict.fromkeys(("deleting", "removing"), _OPEN | _KEPT),
    "deleted": _FREE,
}
"""The same of a snapshot."""
