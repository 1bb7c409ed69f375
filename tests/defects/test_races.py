"""Cinder's defects that are races: what is read, judged and used later may have changed by then.

Ours are refused by the versions of what was read. The same checks fail on a store that saves
whatever it is given, as Cinder saves rows.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from adapters.event_store.memory import MemoryEventStore
from domain.aggregates.volume import Volume
from domain.errors import Conflict, NotAllowed, Superseded
from services.commands.volume import DescribeVolume
from services.commands.volume_type import CreateVolumeType, DeleteVolumeType
from tests.services.commands.rivals import SITUATIONS
from tests.services.commands.test_rivals import Pair, strangers
from tests.services.commands.world import STEPS, ReluctantStore, World
from tests.support.builders import PROJECT, a_moment, an_id
from tests.support.cinders_way import LastWriterWins

TYPE = an_id(0x7)

EVERY_STORE = pytest.mark.parametrize(
    ("kind", "sound"), [(MemoryEventStore, True), (LastWriterWins, False)], ids=["ours", "Cinder"]
)


async def a_type_about_to_be_deleted() -> Pair:
    world = await World().has_a_type()
    await world.run(
        CreateVolumeType(
            id=TYPE, name="t", description=None, is_public=True, extra_specs={}, at=a_moment()
        )
    )
    deletion = DeleteVolumeType(id=TYPE, deployment_default="default", at=a_moment())
    return Pair(world, world.creation(1, volume_type_id=TYPE), deletion)


def meeting(situation: str, first: str, second: str) -> Callable[[], Any]:
    async def pair() -> Pair:
        return await Pair.of(await SITUATIONS[situation](), first, second)

    return pair


async def check(given: Callable[[], Any], kind: type[MemoryEventStore], sound: bool) -> None:
    """Whether it always ends as if one had come after the other."""
    pair = await given()
    found = strangers(await pair.at_once(kind=kind), await pair.one_after_the_other())
    assert (not found) is sound, found


@EVERY_STORE
@pytest.mark.parametrize(
    "given",
    [
        a_type_about_to_be_deleted,
        meeting("awaiting-transfer", "accept", "withdraw"),
        meeting("available", "delete", "offer"),
        meeting("available", "snapshot", "delete"),
        meeting("with a snapshot", "delete the snapshot", "offer"),
    ],
    ids=[
        "the type of a new volume",
        "an offer that is accepted",
        "a volume that is offered",
        "a volume that is snapshotted",
        "a snapshot that is offered",
    ],
)
async def test_defect_01_what_is_checked_cannot_change_before_it_is_used(given, kind, sound):
    await check(given, kind, sound)


@EVERY_STORE
@pytest.mark.parametrize("wanted", ["extend", "offer", "clone"])
async def test_defect_23_nothing_is_deleted_under_the_feet_of_what_begins(wanted, kind, sound):
    await check(meeting("available", "delete", wanted), kind, sound)


@pytest.mark.parametrize(
    "situation", ["extending", "extension placed", "growing", "awaiting-transfer"]
)
async def test_defect_23_what_something_is_under_way_on_is_not_deleted(situation):
    world = await SITUATIONS[situation]()
    before = await world.verbs()
    with pytest.raises(NotAllowed):
        await world.run(await STEPS["delete"](world, an_id(1)))
    assert await world.verbs() == before


@EVERY_STORE
@pytest.mark.parametrize(
    ("situation", "first", "second"),
    [
        ("provisioning", "made", "force delete"),
        ("available", "name", "describe"),
        ("available", "set metadata", "set metadata"),
        ("removing", "reset to error", "gone"),
    ],
)
async def test_defect_25_no_writer_overwrites_what_another_wrote(
    situation, first, second, kind, sound
):
    await check(meeting(situation, first, second), kind, sound)


async def test_defect_25_a_deletion_that_races_with_the_end_of_creation_is_not_overwritten():
    for patience in ([], [1] * 30, [2, 0] * 30, [0, 3] * 30):
        slowly: list[int] = []
        store = ReluctantStore(iter(lambda slowly=slowly: slowly.pop() if slowly else 0, -1))  # type: ignore[misc]
        world = await (await World(store).has_a_type()).has_a_volume(in_state="provisioning")
        made = await STEPS["made"](world, an_id(1))
        force = await STEPS["force"](world, an_id(1))
        slowly.extend(patience)
        await asyncio.gather(world.another_process().run(made), world.another_process().run(force))
        assert (await world.volume()).state == "deleting"
        with pytest.raises(Superseded):
            await world.run(made)
        await world.assert_sound()


async def test_defect_25_two_changes_at_once_both_happen():
    store = ReluctantStore(iter([1, 2] * 50))
    world = await (await World(store).has_a_type()).has_a_volume(in_state="available")

    def change(**words: Any) -> DescribeVolume:
        return DescribeVolume(id=an_id(1), project_id=PROJECT, at=a_moment(), **words)

    await asyncio.gather(
        world.another_process().run(change(name="new")),
        world.another_process().run(change(description="words")),
    )
    volume = await world.volume()
    assert (volume.name, volume.description) == ("new", "words")


async def test_defect_25_a_decision_on_what_has_changed_is_refused_not_written():
    world = await (await World().has_a_type()).has_a_volume(in_state="provisioning")
    stale = Volume.from_history(an_id(1), await world.store.events(an_id(1)))
    await world.run(await STEPS["force"](world, an_id(1)))
    stale.provisioned(stale.attempt, "p", a_moment())
    with pytest.raises(Conflict):
        await world.store.append(stale.pending)
    assert (await world.volume()).state == "cancelling"
