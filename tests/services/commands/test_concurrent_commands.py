"""Commands about one volume at the same time, from several processes: all ends are legal.

Every order in which their reads and writes can meet is tried, by chance and within bounds.
"""

import asyncio
from itertools import combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import Conflict, InvalidRequest, LapilliError, NotAllowed, NotFound, Superseded
from services.unit_of_work import MAX_TRIES
from tests.services.commands.world import PATHS, STEPS, ReluctantStore, World, come
from tests.support.builders import AN_IMAGE, an_id

REFUSALS = (NotAllowed, Superseded, NotFound, InvalidRequest)

PATIENCE = st.lists(st.integers(0, 3), min_size=20, max_size=60)


async def at_once(state: str, steps: list[str], patience: list[int]) -> World:
    """A volume in this state, and all of these steps at the same time in processes of their own.

    Each process knows the volume as it was at first, which may be less than the newest.
    """
    slowly: list[int] = []
    world = await World(
        ReluctantStore(iter(lambda: slowly.pop() if slowly else 0, -1))
    ).has_a_type()
    image = AN_IMAGE if come in PATHS[state] else None
    await world.has_a_volume(in_state="requested", image=image)
    others = [world.another_process() for _ in steps]
    for other in others[::2]:
        await other.commands.aggregates.read(type(await world.volume()), an_id(1))
    for step in PATHS[state]:
        await world.run(await step(world, an_id(1)))
    commands = [await STEPS[step](world, an_id(1)) for step in steps]

    slowly.extend(patience)
    answers = await asyncio.gather(
        *(other.run(command) for other, command in zip(others, commands, strict=True)),
        return_exceptions=True,
    )
    for answer in answers:
        if isinstance(answer, BaseException):
            assert isinstance(answer, REFUSALS), answer
    await world.assert_sound()
    return world


PAIRS = list(combinations_with_replacement(STEPS, 2))


@pytest.mark.parametrize("pair", PAIRS, ids=" with ".join)
def test_every_pair_of_commands_in_every_state_ends_legal_and_paid_for(pair):
    for state in PATHS:
        for patience in ([1] * 20, [0, 3] * 20):
            asyncio.run(at_once(state, list(pair), patience))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(PATHS)),
    st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=5),
    PATIENCE,
)
def test_any_commands_at_once_end_legal_and_paid_for(state, steps, patience):
    asyncio.run(at_once(state, steps, patience))


@settings(max_examples=100, deadline=None)
@given(PATIENCE)
def test_of_two_deletions_one_wins_and_the_other_is_told(patience):
    world = asyncio.run(at_once("available", ["delete", "delete"], patience))
    verbs = asyncio.run(world.verbs())
    assert verbs.count("volume.deletion_requested") == 1


@settings(max_examples=100, deadline=None)
@given(PATIENCE)
def test_a_deletion_while_it_is_placed_wins_or_is_refused(patience):
    world = asyncio.run(at_once("requested", ["delete", "place"], patience))
    volume = asyncio.run(world.volume())
    assert volume.state in ("deleted", "placed")


@settings(max_examples=100, deadline=None)
@given(PATIENCE)
def test_a_forced_deletion_while_it_is_made_always_leads_to_its_end(patience):
    world = asyncio.run(at_once("provisioning", ["force", "made"], patience))
    volume = asyncio.run(world.volume())
    assert volume.state == "deleting"


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), PATIENCE)
def test_concurrent_creations_never_pass_the_limit(how_many, patience):
    async def create() -> None:
        world = await World(ReluctantStore(iter(patience))).has_a_type()
        processes = [world.another_process() for _ in range(how_many)]
        answers = await asyncio.gather(
            *(p.run(p.creation(i, size_gib=40)) for i, p in enumerate(processes)),
            return_exceptions=True,
        )
        refused = [answer for answer in answers if isinstance(answer, LapilliError)]
        assert len(refused) == how_many - 2  # 100 GiB have room for two of 40
        assert (await world.usage())["gigabytes"] == (0, 80)
        await world.assert_sound()

    asyncio.run(create())


def test_more_rivals_than_tries_end_in_conflicts_and_nothing_worse():
    async def rival() -> None:
        world = await World(ReluctantStore(iter([1] * 10_000))).has_a_type()
        await world.has_a_volume(in_state="placed")
        start = await STEPS["start"](world, an_id(1))
        answers = await asyncio.gather(
            *(world.another_process().run(start) for _ in range(3 * MAX_TRIES)),
            return_exceptions=True,
        )
        won = [answer for answer in answers if isinstance(answer, int)]
        lost = [answer for answer in answers if isinstance(answer, Conflict)]
        assert len(won) + len(lost) == len(answers)
        assert sorted(won) == list(range(1, len(won) + 1))
        assert lost
        await world.assert_sound()

    asyncio.run(rival())
