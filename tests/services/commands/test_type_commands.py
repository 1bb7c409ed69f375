"""Commands about volume types, QoS specs and default types, one after the other and at once."""

import asyncio
from itertools import repeat
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume_type import VolumeType
from domain.errors import AlreadyExists, InUse, InvalidRequest, NotFound
from domain.names import Names
from services.commands.attaching import CreateAttachment
from services.commands.default_type import ChooseDefaultType, UnsetDefaultType
from services.commands.exporting import FinishConnection, StartConnection
from services.commands.qos_specs import (
    AssociateQos,
    ChangeQosSpecs,
    CreateQosSpecs,
    DeleteQosSpecs,
    DisassociateQos,
    RemoveQosKeys,
)
from services.commands.volume_type import (
    ChangeExtraSpecs,
    ChangeVolumeType,
    CreateVolumeType,
    DeleteVolumeType,
    EnsureDefaultVolumeType,
    GrantTypeAccess,
    RevokeTypeAccess,
)
from tests.services.commands.world import ReluctantStore, World
from tests.support.builders import PROJECT, a_moment, an_id

NOW = a_moment(60)
GOLD, SILVER, QOS = an_id(0x601D), an_id(0x5117), an_id(0x905)
DEFAULT = "default"


def creation(id: UUID = GOLD, *, name: str = "gold", **changes: Any) -> CreateVolumeType:
    said: dict[str, Any] = {"description": None, "is_public": True, "extra_specs": {}}
    return CreateVolumeType(id=id, name=name, at=NOW, **{**said, **changes})


def change(id: UUID = GOLD, **what: Any) -> ChangeVolumeType:
    return ChangeVolumeType(id=id, deployment_default=DEFAULT, at=NOW, **what)


def deletion(id: UUID = GOLD) -> DeleteVolumeType:
    return DeleteVolumeType(id=id, deployment_default=DEFAULT, at=NOW)


def specs(**what: str) -> ChangeExtraSpecs:
    return ChangeExtraSpecs(id=GOLD, set=what, at=NOW)


def some_qos(id: UUID = QOS, name: str = "brisk") -> CreateQosSpecs:
    return CreateQosSpecs(id=id, name=name, consumer="both", specs={"iops": "5"}, at=NOW)


ASSOCIATE = AssociateQos(id=QOS, volume_type_id=GOLD, at=NOW)
DEFAULT_GOLD = ChooseDefaultType(project_id=PROJECT, volume_type_id=GOLD, at=NOW)
DEFAULT_SILVER = ChooseDefaultType(project_id=PROJECT, volume_type_id=SILVER, at=NOW)
UNSET = UnsetDefaultType(project_id=PROJECT, at=NOW)


async def a_world(*commands: Any) -> World:
    """With the default type, gold (private) and silver, after these commands."""
    world = await World().has_a_type()
    for command in (creation(is_public=False), creation(SILVER, name="silver"), *commands):
        await world.run(command)
    return world


async def gold(world: World) -> VolumeType:
    return VolumeType.from_history(GOLD, await world.store.events(GOLD))


async def qos(world: World) -> QosSpecs:
    return QosSpecs.from_history(QOS, await world.store.events(QOS))


async def outcomes(*commands: Any) -> list[str]:
    answers = await asyncio.gather(*commands, return_exceptions=True)
    return sorted(type(a).__name__ if isinstance(a, Exception) else "done" for a in answers)


REFUSED = [
    # what was done before, what is refused, how
    ([], creation(an_id(9)), AlreadyExists),
    ([], creation(an_id(9), name="  "), InvalidRequest),
    ([], creation(an_id(9), name="x" * 256), InvalidRequest),
    ([], change(name="silver"), AlreadyExists),
    ([], change(name=" "), InvalidRequest),
    ([], change(an_id(9), name="x"), NotFound),
    ([deletion()], change(name="x"), NotFound),
    ([deletion()], deletion(), NotFound),
    ([], ChangeExtraSpecs(id=GOLD, remove=("k",), at=NOW), NotFound),
    ([], GrantTypeAccess(id=SILVER, project_id="p", at=NOW), InvalidRequest),
    ([], RevokeTypeAccess(id=GOLD, project_id="p", at=NOW), NotFound),
    ([some_qos()], some_qos(an_id(9)), AlreadyExists),
    ([some_qos(), ASSOCIATE], DeleteQosSpecs(id=QOS, at=NOW), InUse),
    ([some_qos(), ASSOCIATE, some_qos(an_id(9), "calm")],
     AssociateQos(id=an_id(9), volume_type_id=GOLD, at=NOW), InvalidRequest),
    ([some_qos()], RemoveQosKeys(id=QOS, keys=frozenset({"iops", "x"}), at=NOW), NotFound),
    ([some_qos()], AssociateQos(id=QOS, volume_type_id=an_id(9), at=NOW), NotFound),
    ([], AssociateQos(id=QOS, volume_type_id=GOLD, at=NOW), NotFound),
    ([DEFAULT_GOLD], deletion(), InUse),
    ([], UNSET, NotFound),
    ([DEFAULT_GOLD, UNSET], UNSET, NotFound),
    ([deletion()], DEFAULT_GOLD, NotFound),
]  # fmt: skip


@pytest.mark.parametrize(("before", "command", "error"), REFUSED)
async def test_what_cannot_be_is_refused_and_leaves_no_trace(before, command, error):
    world = await a_world(*before)
    log = await world.store.last_position()
    with pytest.raises(error):
        await world.run(command)
    assert await world.store.last_position() == log


async def test_the_deployments_default_keeps_its_name_and_stays():
    world = await a_world()
    for command in (change(world.type_id, name="x"), deletion(world.type_id)):
        with pytest.raises(InUse, match=r"volume_types\.default"):
            await world.run(command)
    await world.run(change(world.type_id, name=DEFAULT, description="ours"))


async def test_a_default_that_was_given_up_and_deleted_is_made_anew():
    world = await a_world()
    old = DeleteVolumeType(id=world.type_id, deployment_default="gold", at=NOW)
    await world.run(old)
    made = await world.run(EnsureDefaultVolumeType(name=DEFAULT, at=NOW))
    assert made not in (None, world.type_id)
    assert await world.run(EnsureDefaultVolumeType(name=DEFAULT, at=NOW)) == made


async def test_a_default_that_an_administrator_made_is_good_enough():
    world = await a_world()
    assert await world.run(EnsureDefaultVolumeType(name="gold", at=NOW)) is None


async def test_a_type_is_deleted_with_what_ties_it_to_its_qos():
    world = await a_world(some_qos(), ASSOCIATE, deletion())
    assert ((await gold(world)).state, (await qos(world)).volume_types) == ("deleted", ())
    await world.run(DeleteQosSpecs(id=QOS, at=NOW))


@pytest.mark.parametrize(
    ("command", "state"),
    [
        (DeleteQosSpecs(id=QOS, force=True, at=NOW), "deleted"),
        (DisassociateQos(id=QOS, at=NOW), "available"),
        (DisassociateQos(id=QOS, volume_type_id=GOLD, at=NOW), "available"),
    ],
)
async def test_types_and_qos_let_go_of_each_other_at_once(command, state):
    world = await a_world(some_qos(), ASSOCIATE, ASSOCIATE, command)
    assert (await gold(world)).qos_specs_id is None
    assert ((await qos(world)).volume_types, (await qos(world)).state) == ((), state)


async def test_a_type_that_does_not_have_them_is_left_alone():
    world = await a_world(some_qos(), ASSOCIATE)
    await world.run(DisassociateQos(id=QOS, volume_type_id=SILVER, at=NOW))
    assert (await qos(world)).volume_types == (str(GOLD),)


async def test_the_default_of_a_project_moves_from_type_to_type():
    world = await a_world(DEFAULT_GOLD, DEFAULT_GOLD, DEFAULT_SILVER)
    await world.run(deletion())
    with pytest.raises(InUse):
        await world.run(deletion(SILVER))
    await world.run(UNSET)
    await world.run(deletion(SILVER))


# volumes


async def test_volumes_of_a_private_type_are_for_those_with_access():
    world = await a_world()
    for_members = {"volume_type_id": GOLD, "visible_to": PROJECT}
    with pytest.raises(NotFound):
        await world.run(world.creation(1, **for_members))
    await world.run(GrantTypeAccess(id=GOLD, project_id=PROJECT, at=NOW))
    await world.run(world.creation(1, **for_members))
    await world.run(RevokeTypeAccess(id=GOLD, project_id=PROJECT, at=NOW))
    with pytest.raises(NotFound):
        await world.run(world.creation(2, **for_members))
    await world.run(world.creation(2, volume_type_id=GOLD))


BOUNDS = {"provisioning:min_vol_size": "2", "provisioning:max_vol_size": "3"}


@pytest.mark.parametrize(("size_gib", "made"), [(1, False), (2, True), (3, True), (4, False)])
async def test_the_type_bounds_the_size(size_gib, made):
    world = await a_world(ChangeExtraSpecs(id=GOLD, set=BOUNDS, at=NOW))
    command = world.creation(1, volume_type_id=GOLD, size_gib=size_gib)
    if made:
        await world.run(command)
    else:
        with pytest.raises(InvalidRequest):
            await world.run(command)
    assert (await world.usage()) == (
        {"volumes": (0, 1), "gigabytes": (0, size_gib)} if made else {}
    )


async def test_a_process_that_knows_an_old_type_decides_by_the_new_one():
    world = await a_world()
    other = world.another_process()
    await other.run(other.creation(1, volume_type_id=SILVER))
    await world.run(ChangeExtraSpecs(id=GOLD, set=BOUNDS, at=NOW))
    await other.run(change(description="seen"))  # knows gold now
    await world.run(ChangeExtraSpecs(id=GOLD, set={"provisioning:min_vol_size": "3"}, at=NOW))
    with pytest.raises(InvalidRequest):
        await other.run(other.creation(2, volume_type_id=GOLD, size_gib=2))


async def test_what_looks_as_wished_in_an_old_view_is_wished_again():
    world = await a_world()
    other = world.another_process()
    await other.run(change(description="one"))
    await world.run(change(description="two"))
    await other.run(change(description="one"))
    assert (await gold(world)).description == "one"


WORD = "vendor:k"  # of a scope that placement leaves alone
CHANGES = [
    deletion(),
    specs(**{WORD: "w"}),
    ChangeExtraSpecs(id=GOLD, remove=(WORD,), at=NOW),
]


@pytest.mark.parametrize("command", CHANGES)
@pytest.mark.parametrize("state", ["requested", "available", "error", "removing", "deleted"])
async def test_a_type_in_use_stays_as_it_is_until_its_last_volume_is_gone(command, state):
    world = await a_world(specs(**{WORD: "v"}))
    await world.has_a_volume(in_state=state, volume_type_id=GOLD)
    if state == "deleted":
        await world.run(command)
    else:
        with pytest.raises(InUse):
            await world.run(command)


# at once


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_of_many_creations_of_a_name_at_once_one_succeeds(turns):
    world = World(ReluctantStore(repeat(turns)))
    commands = (world.run(creation(an_id(0x100 + i), name="bronze")) for i in range(10))
    assert await outcomes(*commands) == ["AlreadyExists"] * 9 + ["done"]


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("command", [deletion(), specs(k="v")])
async def test_of_a_creation_and_the_end_of_its_type_at_once_one_loses(command, turns):
    patience = iter([0] * 4 + [turns, 0, 1, turns, 2, 0, 3] * 9)
    world = await World(ReluctantStore(patience)).has_a_type()
    await world.run(creation())
    other = world.another_process()
    became = await outcomes(world.run(world.creation(1, volume_type_id=GOLD)), other.run(command))
    volume, type_ = await world.volume(), await gold(world)
    if volume.exists and "InUse" in became:
        assert (type_.state, type_.extra_specs) == ("available", {})
    elif volume.exists:  # made after the specs had changed
        assert (became, type_.extra_specs) == (["done", "done"], {"k": "v"})
    else:
        assert (became, type_.state) == (["NotFound", "done"], "deleted")
    _, names = await world.store.names()
    assert names == Names().settle(await world.store.log(0, 1000)).holders


async def test_of_two_qos_specs_for_one_type_at_once_one_is_taken():
    world = await a_world(some_qos(), some_qos(an_id(9), "calm"))
    other = world.another_process()
    rival = AssociateQos(id=an_id(9), volume_type_id=GOLD, at=NOW)
    assert await outcomes(world.run(ASSOCIATE), other.run(rival)) == ["InvalidRequest", "done"]


async def test_a_type_that_becomes_a_default_while_it_is_deleted_is_either():
    world = await a_world()
    other = world.another_process()
    became = await outcomes(world.run(DEFAULT_GOLD), other.run(deletion()))
    assert became in (["InUse", "done"], ["NotFound", "done"])


async def test_a_worker_that_knew_the_qos_hands_out_the_limits_as_they_are_now():
    world = await a_world(some_qos(), ASSOCIATE)
    await world.has_a_volume(in_state="available", volume_type_id=GOLD)
    about: dict[str, Any] = {"id": an_id(1), "attachment_id": an_id(8), "at": NOW}
    await world.run(
        CreateAttachment(
            project_id=PROJECT, server_id="s", mode=None, connector={"host": "node1"}, **about
        )
    )
    await world.run(StartConnection(worker="w", **about))
    await world.another_process().run(ChangeQosSpecs(id=QOS, specs={"iops": "9"}, at=NOW))
    await world.run(FinishConnection(attempt=1, **about))
    [attachment] = (await world.volume()).attachments.values()
    assert attachment.connection["data"]["qos_specs"] == {"iops": "9"}
