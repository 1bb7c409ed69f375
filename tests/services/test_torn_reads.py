"""What several aggregates say is believed only if it was true at the same time."""

from itertools import count

import pytest

from domain.aggregates.closures import CLOSURES_ID, Closures
from domain.aggregates.volume import Volume
from domain.errors import Conflict, InvalidRequest
from services.unit_of_work import MAX_TRIES, Commands, UnitOfWork
from tests.services.test_unit_of_work import ID, a_store_with_a_volume, renamed_elsewhere


class Decision:
    """Reads the volume, then something else; the volume changes in between, so many times."""

    def __init__(self, store, *, changes: int, refuses: bool) -> None:
        self.store, self.refuses = store, refuses
        self.changes = iter(range(changes))
        self.seen: list[str | None] = []

    async def __call__(self, command: str, work: UnitOfWork) -> str | None:
        volume = await work.load(Volume, ID)
        self.seen.append(volume.name)
        if (change := next(self.changes, None)) is not None:
            await renamed_elsewhere(self.store, f"change {change}")
        await work.load(Closures, CLOSURES_ID)
        if self.refuses:
            raise InvalidRequest("no")
        return volume.name


async def test_a_refusal_on_what_was_never_true_is_decided_again():
    store = await a_store_with_a_volume()
    decision = Decision(store, changes=2, refuses=True)
    with pytest.raises(InvalidRequest):
        await Commands(store).run(decision, "x")
    assert decision.seen == ["volume 1", "change 0", "change 1"]


async def test_that_there_is_nothing_to_do_is_too():
    store = await a_store_with_a_volume()
    decision = Decision(store, changes=1, refuses=False)
    assert (await Commands(store).run(decision, "x")).value == "change 0"


@pytest.mark.parametrize("refuses", [True, False])
async def test_what_is_never_true_at_once_is_a_conflict_in_the_end(refuses):
    store = await a_store_with_a_volume()
    decision = Decision(store, changes=10**6, refuses=refuses)
    with pytest.raises(Conflict):
        await Commands(store).run(decision, "x")
    assert len(decision.seen) == MAX_TRIES


async def test_a_change_to_what_was_read_last_does_not_matter():
    """It was true while that was read."""
    store = await a_store_with_a_volume()
    tries = count()

    async def decide(command: str, work: UnitOfWork) -> None:
        next(tries)
        await work.load(Closures, CLOSURES_ID)
        await work.load(Volume, ID)
        await renamed_elsewhere(store, "later")
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        await Commands(store).run(decide, "x")
    assert next(tries) == 1
