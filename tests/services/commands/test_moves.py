"""Retypes and migrations by commands: what is refused, and what is settled with each outcome."""

from uuid import UUID

import pytest

from domain.aggregates.move import Move
from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from domain.errors import InUse, InvalidRequest, NotAllowed, NotFound, OverQuota, Superseded
from domain.placement import Promise
from services.commands.attaching import ConnectNode
from services.commands.extension import ExtendVolume
from services.commands.migration import MigrateVolume
from services.commands.move import PlaceMove, RecordCopied, StartMove
from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.service import DisableService
from services.commands.volume import DeleteVolume, FinishDeletion, StartDeletion
from services.commands.volume_type import ChangeExtraSpecs, DeleteVolumeType
from tests.services.commands.moving import (
    AFTER,
    BACK,
    BEFORE,
    DURING,
    ID,
    NOT_AFTER,
    SILVER,
    UP,
    Failing,
    a_silver_type,
    a_world,
    by_an_administrator,
    by_force,
    declined,
    finish,
    migrate,
    place,
    promises,
    retype,
    start,
    the_move,
    typed,
    without_a_pool,
)
from tests.services.commands.world import World
from tests.support.builders import HOST, PROJECT, THERE, a_moment, a_pool, an_id

# a retype, step by step


async def test_in_its_own_pool_the_types_quota_moves_with_the_success():
    world = await a_world()
    assert await world.news(retype()) == [
        "quota_reservation.held",
        "volume.retype_requested",
        "move.requested",
    ]
    assert await typed(world) == DURING
    assert await world.news(await place(world, HOST, THERE)) == ["move.placed"]
    assert await world.run(await start(world)) == 1
    assert await world.news(await finish(world)) == [
        "move.finished",
        "volume.retyped",
        "quota_reservation.committed",
    ]
    assert await typed(world) == AFTER
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    assert await promises(world) == {HOST: Promise(2, 1)}
    volume = await world.volume()
    assert (volume.volume_type_id, volume.status) == (str(SILVER), "available")
    await world.assert_sound()


async def test_elsewhere_its_old_place_is_left_in_the_append_that_switches_it():
    world = await a_world()
    await world.run(retype(policy="on-demand"))
    await world.run(await place(world, THERE))
    assert await promises(world) == {HOST: Promise(2, 1), THERE: Promise(2, 1)}
    await world.run(await start(world))
    move = await the_move(world)
    await world.run(RecordCopied(id=move.id, attempt=1, at=a_moment()))
    assert (await world.volume()).host == HOST
    assert await world.news(await finish(world)) == [
        "move.finished",
        "volume.moved",
        "volume.retyped",
        "remnant.left",
        "quota_reservation.committed",
    ]
    volume = await world.volume()
    assert (volume.host, volume.volume_type_id) == (THERE, str(SILVER))
    assert await promises(world) == {HOST: Promise(2, 1), THERE: Promise(2, 1)}
    await world.assert_sound()


@pytest.mark.parametrize(
    ("failing", "ends"),
    [
        (without_a_pool, ["move.refused", "volume.retype_refused"]),
        (declined, ["move.failed", "volume.retype_failed"]),
        (by_force, ["volume.retype_failed", "volume.deletion_requested", "move.failed"]),
        (by_an_administrator, ["volume.retype_failed", "volume.reset_to_available", "move.failed"]),
    ],
)
async def test_however_it_fails_both_types_quota_is_as_it_was_at_once(failing: Failing, ends):
    """Defect 13: Cinder's scheduler gives back the new type's part alone."""
    world = await a_world()
    await world.run(retype())
    assert await failing(world) == [*ends, "quota_reservation.rolled_back"]
    assert await typed(world) == NOT_AFTER
    assert await promises(world) == {HOST: Promise(2, 1)}
    assert (await world.volume()).volume_type_id == str(world.type_id)


async def test_a_volume_of_several_types_gives_everything_back_when_it_is_deleted():
    world = await a_world()
    for wanted in (SILVER, world.type_id, SILVER):
        await world.run(retype(volume_type_id=wanted))
        await world.run(await place(world, HOST))
        await world.run(await start(world))
        await world.run(await finish(world))
    await world.run(DeleteVolume(id=ID, project_id=PROJECT, at=a_moment()))
    attempt = await world.run(StartDeletion(id=ID, worker="w", at=a_moment()))
    await world.run(FinishDeletion(id=ID, attempt=attempt, at=a_moment()))
    assert set((await typed(world)).values()) == {(0, 0)}
    assert await promises(world) == {}
    await world.assert_sound()


async def test_a_late_result_changes_nothing():
    world = await a_world()
    await world.run(migrate())
    await world.run(await place(world, THERE))
    await world.run(await start(world))
    late = await finish(world)
    await world.run(await start(world))
    with pytest.raises(Superseded):
        await world.run(late)
    with pytest.raises(NotAllowed):  # the message of an earlier place
        await world.run(StartMove(id=late.id, host=HOST, worker="worker-2", at=a_moment()))


# what a retype is refused


async def test_a_retype_that_a_types_quota_does_not_allow_leaves_only_the_refusal():
    world = await a_world()
    limits = {f"volumes_{SILVER}": 0}
    await world.run(ChangeQuotaLimits(subject=PROJECT, limits=limits, at=a_moment()))
    with pytest.raises(OverQuota, match="volumes_"):
        await world.run(retype())
    assert (await world.verbs())[-1] == "quota_reservation.refused"
    assert (await world.volume()).operation == "idle"
    assert await typed(world) == BEFORE


async def test_a_type_that_does_not_exist_or_cannot_be_seen_is_not_found():
    world = await a_world()
    with pytest.raises(NotFound):
        await world.run(retype(volume_type_id=an_id(0xFF)))
    hidden = await World().has_a_type()
    await hidden.run(a_silver_type(is_public=False))
    await hidden.has_a_volume(in_state="available")
    with pytest.raises(NotFound):
        await hidden.run(retype(type_visible_to=PROJECT))
    await hidden.run(retype(type_visible_to=None))


async def test_refusals_change_nothing():
    world = await a_world(provisioning__min_vol_size="3")
    before = await world.verbs()
    with pytest.raises(NotFound):
        await world.run(retype(project_id="another"))
    with pytest.raises(InvalidRequest, match="already"):
        await world.run(retype(volume_type_id=world.type_id))
    with pytest.raises(InvalidRequest, match="minimum"):
        await world.run(retype())
    assert await world.verbs() == before


async def test_a_type_is_in_use_from_the_moment_that_a_volume_is_to_be_of_it():
    world = await a_world()
    await world.run(retype())
    for change in (
        DeleteVolumeType(id=SILVER, deployment_default="default", at=a_moment()),
        ChangeExtraSpecs(id=SILVER, set={"a": "b"}, at=a_moment()),
    ):
        with pytest.raises(InUse):
            await world.run(change)


async def test_one_thing_at_a_time():
    world = await a_world()
    others = [
        retype(),
        migrate(),
        ExtendVolume(id=ID, project_id=PROJECT, new_size_gib=5, at=a_moment()),
        DeleteVolume(id=ID, project_id=PROJECT, at=a_moment()),
    ]
    for first in (retype(), migrate(), migrate(lock=True)):
        await world.run(first)
        for other in others:
            with pytest.raises(NotAllowed):
                await world.run(other)
        await world.run(await place(world))
        assert (await world.volume()).at_rest


# where it may go


async def test_a_type_that_fixes_zones_sends_it_there_and_another_one_keeps_it_in_its_own():
    world = await a_world(RESKEY__availability_zones="attic, cellar")
    await world.run(retype(policy="on-demand"))
    assert (await the_move(world)).zones == ["attic", "cellar"]
    plain = await a_world()
    await plain.run(retype(policy="on-demand"))
    assert (await the_move(plain)).zones == ["nova"]
    await plain.run(await place(plain, THERE, zone="attic"))
    assert (await plain.verbs())[-2] == "volume.retype_refused"


async def test_a_retype_on_demand_stays_in_its_pool_while_a_node_reaches_it_unseen():
    world = await a_world()
    await world.run(
        ConnectNode(id=ID, project_id=PROJECT, connector={"host": "node1"}, at=a_moment())
    )
    await world.run(retype(policy="on-demand"))
    assert (await the_move(world)).only == HOST


async def test_an_administrator_may_take_it_to_another_zone():
    world = await a_world()
    await world.run(migrate())
    await world.run(await place(world, THERE, zone="attic"))
    await world.run(await start(world))
    await world.run(await finish(world))
    volume = await world.volume()
    assert (volume.host, volume.availability_zone) == (THERE, "attic")
    assert volume.volume_type_id == str(world.type_id)


async def test_hints_told_where_to_begin_and_bind_no_longer():
    world = await World().has_a_type()
    await world.has_a_volume(in_state="available")
    await world.has_a_volume(in_state="available", number=2, hints={"same_host": [str(an_id(1))]})
    await world.run(MigrateVolume(id=an_id(2), project_id=None, to=THERE, up=UP, at=a_moment()))
    await world.run(await place(world, THERE))
    assert (await the_move(world)).state == "placed"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (HOST, "already"),
        ("host9@gone#pool1", "no backend 'host9@gone' that is up"),
        ("gone", "no backend 'gone' that is up"),
    ],
)
async def test_where_nothing_can_go_is_refused(to, said):
    world = await a_world()
    before = await world.verbs()
    with pytest.raises(InvalidRequest, match=said):
        await world.run(migrate(to))
    assert await world.verbs() == before


async def test_a_backend_that_is_disabled_takes_nothing():
    world = await a_world()
    name = ServiceName(VOLUME_SERVICE, "host2@blue")
    await world.run(DisableService(name=name, reason="new disks", at=a_moment()))
    with pytest.raises(InvalidRequest, match="disabled: new disks"):
        await world.run(migrate("host2@blue#pool1"))


async def test_backends_that_cannot_exchange_data_are_not_chosen():
    world = await a_world()
    await world.run(migrate("host2@blue"))
    await world.run(await place(world, "host2@blue#pool1"))
    refused = (await world.store.events(ID))[-1].event
    assert "cannot exchange data with host1@gold" in refused.reason  # type: ignore[attr-defined]
    await world.run(migrate("host2@blue"))
    await world.run(await place(world, "host2@blue#pool1", capabilities=BACK))
    assert (await the_move(world)).host == "host2@blue#pool1"


async def test_two_moves_to_one_pool_never_promise_the_same_room():
    world = await a_world()
    await world.has_a_volume(in_state="available", number=2)
    moves: list[UUID] = []
    for number in (1, 2):
        await world.run(
            MigrateVolume(id=an_id(number), project_id=None, to=THERE, up=UP, at=a_moment())
        )
        moves.append((await the_move(world)).id)
    pool = a_pool(THERE, total_gib=3, foreign_gib=0.0)
    for id in moves:
        await world.another_process().run(PlaceMove(id=id, pools=[pool], at=a_moment()))
    states = [Move.from_history(id, await world.store.events(id)).state for id in moves]
    assert states == ["placed", "refused"]
    assert (await promises(world))[THERE] == Promise(2, 1)


async def test_a_new_volume_of_a_type_under_retype_counts_against_its_limit():
    world = await a_world()
    limits = {f"volumes_{SILVER}": 1}
    await world.run(ChangeQuotaLimits(subject=PROJECT, limits=limits, at=a_moment()))
    await world.run(retype())
    with pytest.raises(OverQuota):
        await world.run(world.creation(2, volume_type_id=SILVER))
    await world.run(await place(world))
    await world.run(world.creation(3, volume_type_id=SILVER))


async def test_a_refusal_does_not_stand_in_the_way_of_the_next_try():
    world = await a_world()
    for allowed in (0, 0, 1):
        limits = {f"volumes_{SILVER}": allowed}
        await world.run(ChangeQuotaLimits(subject=PROJECT, limits=limits, at=a_moment()))
        at = a_moment(allowed + len(await world.verbs()))
        if allowed:
            await world.run(retype(at=at))
        else:
            with pytest.raises(OverQuota):
                await world.run(retype(at=at))
    assert (await world.volume()).status == "retyping"
