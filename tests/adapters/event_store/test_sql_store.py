"""The event store on SQLite and PostgreSQL keeps the contract; and what group commit adds to it."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy.exc import SQLAlchemyError

from adapters.event_store.sql import SqlEventStore
from adapters.event_store.tables import names_table
from adapters.event_store.writer import MAX_GROUP
from domain.errors import Unavailable
from tests.adapters.event_store.catalogue_contract import (
    CatalogueContract,
    assert_names_are_those_of_the_log,
)
from tests.adapters.event_store.contract import (
    Batch,
    EventStoreContract,
    assert_sound,
    created,
    outcomes,
    whole_log,
)
from tests.adapters.event_store.databases import create_tables, held_writer
from tests.adapters.event_store.dependence_contract import DependenceContract
from tests.support.builders import a_moment, a_volume_type, an_id, limits_of, pending


async def in_one_transaction(
    store: SqlEventStore, *batches: Batch
) -> Sequence[int | BaseException]:
    """The answers to appends that share a transaction."""
    with held_writer(store) as held:
        first = asyncio.create_task(store.append([]))  # makes the writer stand there
        await held.standing()
        tasks = [asyncio.create_task(store.append(batch)) for batch in batches]
        await asyncio.sleep(0)  # all are in the queue now
        held.let_go()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await first
    return answers


class TestSqlEventStore(EventStoreContract):
    """Its fixtures are in conftest.py. What is under way together shares one transaction."""

    async def together(self, store, *batches):
        return await in_one_transaction(store, *batches)


class TestSqlCatalogue(CatalogueContract):
    """Its fixtures are in conftest.py."""


class TestSqlDependence(DependenceContract):
    """Its fixtures are in conftest.py."""


async def test_the_names_of_a_log_from_before_they_were_kept_are_found(open_store):
    store = open_store()
    gold = a_volume_type()
    await store.append(pending(gold, a_volume_type(0xB, name="silver")))
    gold = gold.settled()
    gold.rename("golden", a_moment())
    await store.append(gold.pending)
    with store._engine.begin() as connection:
        names_table.drop(connection)
    await asyncio.to_thread(store.create_tables)
    await assert_names_are_those_of_the_log(store)


async def test_commands_that_come_while_the_writer_is_busy_share_a_transaction(open_store):
    store = open_store()
    with held_writer(store) as held:
        first = asyncio.create_task(store.append(created(1)))
        await held.standing()
        rest = [asyncio.create_task(store.append(created(i))) for i in range(2, 32)]
        await asyncio.sleep(0)
        held.let_go()
        await asyncio.gather(first, *rest)
        assert held.transactions == 2
    await assert_sound(store)


async def test_a_transaction_is_shared_by_a_bounded_number_of_commands(open_store):
    store = open_store()
    with held_writer(store) as held:
        first = asyncio.create_task(store.append([]))
        await held.standing()
        rest = [
            asyncio.create_task(store.append(created(i, project_id=f"p{i}")))
            for i in range(MAX_GROUP + 1)
        ]
        await asyncio.sleep(0)
        held.let_go()
        await asyncio.gather(first, *rest)
        assert held.transactions == 3
    await assert_sound(store)


async def test_what_the_database_cannot_hold_fails_alone(open_store):
    store = open_store()
    answers = await in_one_transaction(
        store, created(1), limits_of(volumes=2**70).pending, created(3)
    )
    assert [isinstance(answer, int) for answer in answers] == [True, False, True]
    assert isinstance(answers[1], (SQLAlchemyError, OverflowError))
    assert await store.limits("a-project") == {}
    await assert_sound(store)


async def test_closing_finishes_what_was_accepted_and_refuses_what_comes_after(open_store):
    store, other = open_store(), open_store()
    with held_writer(store) as held:
        accepted = [asyncio.create_task(store.append(created(1)))]
        await held.standing()
        accepted += [asyncio.create_task(store.append(created(i))) for i in (2, 3)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await store.append(created(4))
        held.let_go()
        assert outcomes(await asyncio.gather(*accepted)) == ["stored"] * 3
        await closing
    assert len(await whole_log(other)) == 6


async def test_creating_the_tables_again_keeps_what_is_in_them(open_store, event_database):
    store = open_store()
    await store.append(created(1))
    await asyncio.to_thread(create_tables, event_database)
    assert len(await store.events(an_id(1))) == 1
    await assert_sound(store)
