"""An extension done by hand, append by append, so that whoever does it may die in between."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from adapters.event_store.port import EventStore
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Volume, extension
from domain.event import Moment
from domain.quota import GIGABYTES, of_type
from services.unit_of_work import Aggregates
from tests.services.processes.ring import Ring, a_ring_with_a_volume
from tests.support.builders import PROJECT, a_moment, an_id

HELD = an_id(0xE)
SIZE_GIB, LARGER_GIB = 2, 5
LIFETIME_S, HOUR_S = 600.0, 3600.0

Decision = Callable[[Volume, QuotaReservation, Moment], object]


class Extending:
    """Extends volume 1 step by step, each one an append of its own, in a process that may die."""

    def __init__(self, store: EventStore, *, reservation_id: UUID = HELD) -> None:
        self.store, self.id = store, reservation_id
        self.now_s = 0.0

    async def decide(self, *decisions: Decision) -> None:
        """One append with all that is decided."""
        aggregates = Aggregates(self.store)
        volume = await aggregates.read(Volume, an_id(1))
        reservation = await aggregates.read(QuotaReservation, self.id)
        for decision in decisions:
            decision(volume, reservation, a_moment(self.now_s))
        read = {each.id: each.version for each in (volume, reservation) if not each.pending}
        await aggregates.write(volume, reservation, unchanged=read)

    async def hold(self) -> None:
        volume = await Aggregates(self.store).read(Volume, an_id(1))
        amounts = {GIGABYTES: LARGER_GIB - SIZE_GIB}
        held = QuotaReservation.hold(
            self.id,
            project_id=PROJECT,
            subject=volume.id,
            subject_kind="volume",
            amounts=of_type(amounts, volume.volume_type_id),
            largest_gib=LARGER_GIB,
            at=a_moment(self.now_s),
            lifetime=timedelta(seconds=LIFETIME_S),
        )
        await Aggregates(self.store).write(held)

    async def reservation(self) -> QuotaReservation:
        return await Aggregates(self.store).read(QuotaReservation, self.id)

    async def verbs(self) -> list[str]:
        return [recorded.event.verb for recorded in await self.store.events(self.id)]


def begun(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    used = str(reservation.id) in volume.reservations
    if used or reservation.state != "reserved":
        raise volume.not_allowed("extension")
    larger = volume.size_gib + reservation.amounts[GIGABYTES]
    extension.request(volume, larger, reservation_id=str(reservation.id), at=at)


def placed(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    extension.place(volume, ceiling_gib=None, at=at)


def started(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    extension.start(volume, "worker-1", at)


def succeeded(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    extension.succeed(volume, volume.attempt, at)


def failed(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    extension.give_up(volume, "no luck", at)


def committed(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    reservation.commit(at)


def rolled_back(volume: Volume, reservation: QuotaReservation, at: Moment) -> None:
    reservation.roll_back(at)


async def extending(*appends: Sequence[Decision]) -> tuple[Ring, Extending]:
    """A volume, a reservation for its extension, and how far that came before everybody died."""
    ring = await a_ring_with_a_volume()
    work = Extending(ring.store)
    work.now_s = ring.clock.now_s
    await work.hold()
    for decisions in appends:
        await work.decide(*decisions)
    return ring, work


async def settle(ring: Ring, name: str = "worker-1") -> None:
    """A process handles what there is for settlement, and nothing else is done."""
    for kind, delivery in await ring.deliveries():
        if kind == "settlement":
            await ring.process(name).handle(kind, delivery)


async def gigabytes(ring: Ring) -> tuple[int, int]:
    """In use and reserved."""
    return (await ring.world.usage())[GIGABYTES]


STARTED: Sequence[Sequence[Decision]] = ([begun], [placed], [started])
