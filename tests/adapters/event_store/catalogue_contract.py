"""What every event store promises about names, and about what others depend on."""

import asyncio
from collections.abc import Awaitable
from uuid import UUID

import pytest

from adapters.event_store.port import EventStore
from domain.aggregates.volume_type import VolumeType
from domain.errors import AlreadyExists, Conflict, InUse
from domain.names import Name, Names
from domain.quota import of_type
from tests.adapters.event_store.contract import Batch, Open, outcomes, whole_log
from tests.support.builders import (
    a_moment,
    a_request,
    a_reservation,
    a_volume_type,
    an_id,
    pending,
)

NOW = a_moment(60)
TYPE, OTHER = an_id(0xA), an_id(0xB)
GOLD, SILVER = Name("volume_type", "gold"), Name("volume_type", "silver")


async def both(*appends: Awaitable[int]) -> list[str]:
    """What became of appends that are under way together."""
    return sorted(outcomes(await asyncio.gather(*appends, return_exceptions=True)))


def created_of_type(number: int, type_id: UUID = TYPE) -> Batch:
    """A volume of a type, and what pays for it."""
    amounts = of_type({"volumes": 1, "gigabytes": 1}, str(type_id))
    return pending(a_reservation(number, amounts=amounts), a_request(number))


def renamed(volume_type: VolumeType, name: str) -> Batch:
    changed = volume_type.settled()
    changed.rename(name, NOW)
    return changed.pending


def respecified(volume_type: VolumeType) -> Batch:
    changed = volume_type.settled()
    changed.change_extra_specs({"a": "b"}, NOW)
    return changed.pending


def deleted(volume_type: VolumeType) -> Batch:
    gone = volume_type.settled()
    gone.delete(NOW)
    return gone.pending


async def assert_names_are_those_of_the_log(store: EventStore) -> None:
    log = await whole_log(store)
    assert await store.names() == (len(log), Names().settle(log).holders)


class CatalogueContract:
    """Every store passes this. `open_store` opens one more on the same log (or the only one)."""

    @pytest.fixture
    async def store(self, open_store: Open) -> EventStore:
        """Holds the types gold and silver."""
        store = open_store()
        await store.append(pending(a_volume_type(), a_volume_type(0xB, name="silver")))
        return store

    GOLD = a_volume_type()
    SILVER = a_volume_type(0xB, name="silver")

    # names

    async def test_names_are_told_with_their_holders(self, store):
        assert await store.names() == (2, {GOLD: TYPE, SILVER: OTHER})

    @pytest.mark.parametrize("number", [1, 2])
    async def test_of_many_that_want_a_name_at_once_exactly_one_gets_it(self, open_store, number):
        stores = [open_store() for _ in range(number)]
        wanted = [a_volume_type(0x100 + i, name="bronze") for i in range(20)]
        became = await both(*(stores[i % number].append(t.pending) for i, t in enumerate(wanted)))
        assert became == ["AlreadyExists"] * 19 + ["stored"]
        assert len(await whole_log(stores[0])) == 1
        await assert_names_are_those_of_the_log(stores[-1])

    async def test_who_is_refused_a_name_disturbs_nobody(self, store):
        became = await both(
            store.append(a_volume_type(0x101, name="bronze").pending),
            store.append(a_volume_type(0x102, name="gold").pending),
            store.append(created_of_type(1)),
        )
        assert became == ["AlreadyExists", "stored", "stored"]
        await assert_names_are_those_of_the_log(store)

    async def test_a_refusal_names_what_there_is_already(self, store):
        with pytest.raises(AlreadyExists) as refused:
            await store.append(a_volume_type(0x101, name="gold").pending)
        assert (refused.value.kind, refused.value.id) == ("volume_type", "gold")

    async def test_a_rename_takes_the_new_name_and_frees_the_old(self, store):
        with pytest.raises(AlreadyExists):
            await store.append(renamed(self.GOLD, "silver"))
        await store.append(renamed(self.GOLD, "golden"))
        await store.append(a_volume_type(0x101, name="gold").pending)
        await assert_names_are_those_of_the_log(store)

    async def test_names_can_change_hands_within_one_append(self, store):
        await store.append([*renamed(self.GOLD, "x"), *renamed(self.SILVER, "gold")])
        assert (await store.names())[1] == {Name("volume_type", "x"): TYPE, GOLD: OTHER}

    async def test_a_deletion_frees_the_name(self, store):
        await store.append(deleted(self.GOLD))
        await store.append(a_volume_type(0x101, name="gold").pending)
        assert (await store.names())[1][GOLD] == an_id(0x101)

    async def test_who_conflicts_neither_takes_nor_frees_a_name(self, store):
        await store.append(respecified(self.GOLD))
        with pytest.raises(Conflict):
            await store.append(renamed(self.GOLD, "golden"))
        await assert_names_are_those_of_the_log(store)

    async def test_the_last_type_stays_even_if_two_are_deleted_at_once(self, store):
        became = await both(store.append(deleted(self.GOLD)), store.append(deleted(self.SILVER)))
        assert became == ["InvalidRequest", "stored"]
        await assert_names_are_those_of_the_log(store)

    # what is in use

    CHANGES = (deleted, respecified)

    @pytest.mark.parametrize("change", CHANGES)
    async def test_a_type_in_use_by_any_project_stays_as_it_is(self, store, change):
        await store.append(created_of_type(1))
        with pytest.raises(InUse):
            await store.append(change(self.GOLD))
        await store.append(change(self.SILVER))

    @pytest.mark.parametrize("change", CHANGES)
    async def test_a_type_whose_volumes_are_gone_can_change(self, store, change):
        reservation = a_reservation(1, amounts=of_type({"volumes": 1}, str(TYPE)))
        await store.append(reservation.pending)
        settled = reservation.settled()
        await store.append(settled.give_back(NOW).pending)
        await store.append(change(self.GOLD))

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("number", [1, 2])
    @pytest.mark.parametrize("create_first", [True, False])
    async def test_of_a_creation_and_a_change_of_its_type_at_once_one_loses(
        self, store, open_store, change, number, create_first
    ):
        other = store if number == 1 else open_store()
        creation = store.append(created_of_type(1), unchanged={TYPE: 1})
        change_ = other.append(change(self.GOLD))
        became = await both(*((creation, change_) if create_first else (change_, creation)))
        assert became in (["Conflict", "stored"], ["InUse", "stored"])

    async def test_what_was_read_must_be_as_it_was_read(self, store):
        await store.append(created_of_type(1), unchanged={TYPE: 1})
        await store.append(created_of_type(2), unchanged={TYPE: 1, OTHER: 1})
        await store.append(renamed(self.GOLD, "golden"))
        for stale in ({TYPE: 1}, {OTHER: 1, TYPE: 1}, {TYPE: 3}, {an_id(0x999): 1}):
            with pytest.raises(Conflict):
                await store.append(created_of_type(3), unchanged=stale)
        await store.append(created_of_type(3), unchanged={TYPE: 2})

    async def test_what_others_stored_meanwhile_is_seen(self, store, open_store):
        other = open_store()
        await store.append(created_of_type(1), unchanged={TYPE: 1})
        await other.append(renamed(self.GOLD, "golden"))
        with pytest.raises(Conflict):
            await store.append(created_of_type(2), unchanged={TYPE: 1})
        await store.append(created_of_type(2), unchanged={TYPE: 2})
