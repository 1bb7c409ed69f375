"""What every event store promises of things that others depend on."""

import asyncio

import pytest

from adapters.event_store.port import EventStore
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume, migrating
from domain.errors import Conflict, InUse
from tests.adapters.event_store.contract import Open
from tests.support.builders import (
    NO_PLACE,
    PATHS,
    THERE,
    TURNS,
    a_copy,
    a_moment,
    a_move,
    a_request,
    a_snapshot_request,
    an_id,
    pending,
)

AT = a_moment()


async def a_stored_volume(store: EventStore) -> Volume:
    volume = a_request(1)
    for step in PATHS["available"]:
        step(volume)
    await store.append(volume.pending)
    return volume.settled()


async def a_stored_snapshot(store: EventStore, of: Volume, number: int = 0x51) -> Snapshot:
    snapshot = a_snapshot_request(number, of=of)
    for turn in TURNS["available"]:
        turn(snapshot)
    await store.append(snapshot.pending)
    return snapshot.settled()


def wanting_to_be_deleted(thing: Volume | Snapshot) -> Volume | Snapshot:
    thing.request_deletion(AT)
    return thing


def failed(copy: Volume) -> Volume:
    copy.place(NO_PLACE, AT)
    return copy


class DependenceContract:
    """Subclasses have a fixture `open_store`."""

    @pytest.fixture
    def store(self, open_store: Open) -> EventStore:
        return open_store()

    async def test_a_volume_with_snapshots_stays(self, store):
        volume = await a_stored_volume(store)
        await a_stored_snapshot(store, volume)
        await a_stored_snapshot(store, volume, 0x52)
        with pytest.raises(InUse, match=f"its snapshot {an_id(0x51)} and 1 more"):
            await store.append(wanting_to_be_deleted(volume).pending)

    async def test_without_its_snapshots_it_may_go(self, store):
        volume = await a_stored_volume(store)
        snapshot = await a_stored_snapshot(store, volume)
        for turn in TURNS["deleted"][3:]:
            turn(snapshot)
        await store.append(snapshot.pending)
        assert await store.dependents(volume.id) == {}
        await store.append(wanting_to_be_deleted(volume).pending)

    async def test_what_is_being_copied_stays_until_the_copy_ends(self, store):
        volume = await a_stored_volume(store)
        snapshot = await a_stored_snapshot(store, volume)
        copy = a_copy(2, snapshot)
        await store.append(copy.pending, unchanged={snapshot.id: snapshot.version})
        assert await store.dependents(snapshot.id) == {copy.id: "copy"}
        with pytest.raises(InUse, match=f"volume {copy.id}, which is being made from it"):
            await store.append(wanting_to_be_deleted(snapshot.settled()).pending)
        await store.append(failed(copy.settled()).pending)
        await store.append(wanting_to_be_deleted(snapshot.settled()).pending)

    async def test_a_volume_that_is_copied_does_not_move(self, store):
        volume = await a_stored_volume(store)
        await store.append(a_copy(2, volume).pending)
        move = a_move(volume)
        with pytest.raises(Conflict):
            await store.append(move.pending)
        migrating.request(volume, THERE, move_id=str(move.id), lock=False, at=AT)
        with pytest.raises(InUse):
            await store.append(volume.pending)

    async def test_of_a_copy_and_a_deletion_at_once_one_happens(self, open_store):
        here, there = open_store(), open_store()
        volume = await a_stored_volume(here)
        for number in range(8):
            snapshot = await a_stored_snapshot(here, volume, 0x51 + number)
            copy = a_copy(0x100 + number, snapshot)
            answers = await asyncio.gather(
                here.append(copy.pending, unchanged={snapshot.id: snapshot.version}),
                there.append(wanting_to_be_deleted(snapshot.settled()).pending),
                return_exceptions=True,
            )
            refused = [type(each) for each in answers if not isinstance(each, int)]
            assert refused in ([InUse], [Conflict])

    async def test_who_lets_go_in_the_same_append_is_not_in_the_way(self, store):
        volume = await a_stored_volume(store)
        copy = a_copy(2, volume)
        await store.append(copy.pending)
        ended = failed(copy.settled())
        await store.append(pending(ended, wanting_to_be_deleted(volume)))

    async def test_all_of_it_can_be_read_with_its_position(self, store):
        volume = await a_stored_volume(store)
        snapshot = await a_stored_snapshot(store, volume)
        copy = a_copy(2, volume)
        position = await store.append(copy.pending)
        assert await store.dependence() == (
            position,
            {(volume.id, snapshot.id): "snapshot", (volume.id, copy.id): "copy"},
        )
