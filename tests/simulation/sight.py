"""What a client knows when it wishes for something: mostly how things are, sometimes how not."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates.closures import CLOSURES_ID, Closure, Closures
from domain.aggregates.transfer import Transfer
from domain.aggregates.volume import Volume
from domain.aggregates.volume.attachment import Attachment
from domain.aggregates.volume_type import VolumeType
from domain.event import Actor, Moment
from domain.image import ChosenImage
from services.images import chosen
from tests.simulation.watch import bytes_in
from tests.support.builders import ZONE

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")
A = TypeVar("A", bound=Aggregate)

PROJECTS = ("red", "blue")
KEY = "0123456789abcdef"


class Sight:
    """One client's, for one wish. All that it draws follows from the wish's number."""

    def __init__(self, world: "World", chance: random.Random, project_id: str) -> None:
        self.world, self.chance, self.project_id = world, chance, project_id
        self.zone = ZONE

    def moment(self) -> Moment:
        """Now, in a request of its own."""
        now: datetime = self.world.clock()
        return Moment(
            at=now, request_id=f"req-{self.new_id()}", actor=Actor("ann", self.project_id)
        )

    def new_id(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128))

    def number(self, low: int, high: int) -> int:
        return self.chance.randint(low, high)

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def one(self, of: Sequence[T]) -> T:
        return of[int(self.chance.random() * len(of))]

    def any_of(self, kind: type[A], fits: Callable[[A], bool] = lambda each: True) -> A | None:
        """One of those that there ever were; mostly one that fits, if there is one."""
        every = [each for each in self.world.watch.replay.aggregates.values() if type(each) is kind]
        return self._mostly([each for each in every if fits(each)], every)

    def _mostly(self, fitting: Sequence[T], every: Sequence[T]) -> T | None:
        found = fitting if self.often(0.9) else every
        return self.one(found) if found else None

    def singular(self, kind: type[A], id: UUID) -> A:
        """The one of that kind that lives there, even if nobody ever spoke of it."""
        found = self.world.watch.replay.aggregates.get(id)
        return found if isinstance(found, kind) else kind(id=id)

    def volume(self, *statuses: str) -> Volume | None:
        """Of anybody; mostly one in such a status, or at least one that is there."""

        def fits(volume: Volume) -> bool:
            return volume.status in statuses if statuses else volume.state != "deleted"

        return self.any_of(Volume, fits)

    def attachment(self, *states: str) -> tuple[Volume, Attachment] | None:
        """Mostly one in such a state."""
        every = [
            (volume, each)
            for volume in self.world.watch.replay.aggregates.values()
            if isinstance(volume, Volume)
            for each in volume.attachments.values()
        ]
        return self._mostly([found for found in every if found[1].state in states], every)

    def is_unused(self, kind: VolumeType) -> bool:
        """Whether no volume is of this type."""
        volumes = self.world.watch.replay.of_kind(Volume.kind)
        return not any(
            isinstance(each, Volume)
            and each.state != "deleted"
            and each.volume_type_id == str(kind.id)
            for each in volumes
        )

    def closed(self, how: Callable[[Closure], bool]) -> str | None:
        """A backend that is closed so."""
        closed = self.singular(Closures, CLOSURES_ID).closed
        found = sorted(backend for backend, closure in closed.items() if how(closure))
        return self._mostly(found, [self.backend()])

    def transfer(self) -> Transfer | None:
        return self.any_of(Transfer, lambda each: each.state == "offered")

    def failure(self) -> str | None:
        """Of an event that told one."""
        log = self.world.store._log
        failed = [each for each in log if each.event.verb.endswith(("failed", "refused"))]
        return self.one(failed).id if failed else None

    def image(self) -> ChosenImage:
        """One that is complete."""
        images = self.world.images
        image = self.one([each for each in images.images.values() if each.status == "active"])
        self.world.watch.images[image.id] = images.contents[image.id]
        return chosen(image)

    def connector(self) -> dict[str, str]:
        """Of a node; now and then one that will not do."""
        return {"host": self.one(("node1", "node2"))} if self.often(0.95) else {"ip": "192.0.2.1"}

    def host(self) -> str:
        """A pool."""
        return self.one(sorted(self.world.pools))

    def backend(self) -> str:
        return self.host().partition("#")[0]

    def is_well(self, volume: Volume) -> bool:
        """Whether an administrator who looked at the backend would say so: it is there, whole, and
        nobody has been at it for longer than anything takes."""
        if volume.host is None or volume.since is None or volume.attachments:
            return False
        found = self.world.pool_of(volume.host).volumes.get(f"volume-{volume.id}")
        quiet_s = (self.world.clock() - volume.since).total_seconds()
        whole = found is not None and found.whole and found.size_gib == volume.size_gib
        same = found is not None and bytes_in(found) == self.world.watch.contents.get(volume.id)
        return whole and same and quiet_s > self.world.longest_s
