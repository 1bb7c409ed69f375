"""Snapshots by commands alone: what is refused, what is paid, and what follows their volume."""

from uuid import UUID

import pytest

from domain.errors import InUse, InvalidRequest, NotAllowed, NotFound, OverQuota
from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.service import FreezeBackend
from services.commands.snapshot import (
    ChangeSnapshotMetadata,
    DeleteSnapshot,
    DescribeSnapshot,
    ResetSnapshot,
    StartSnapshotCreation,
)
from services.commands.snapshot_report import ReportSnapshot
from services.commands.volume import DeleteVolume
from tests.services.commands import moving
from tests.services.commands.rivals import RIVALS, SITUATIONS
from tests.services.commands.world import SNAPSHOT_PATHS, World, snapshot_id
from tests.support.builders import HOST, PROJECT, a_moment, an_id

AT = a_moment()
BACKEND = HOST.partition("#")[0]


async def a_world(*, in_state: str | None = None) -> World:
    """A volume of 2 GiB, and a snapshot of it if a state is given."""
    world = await (await World().has_a_type()).has_a_volume(in_state="available")
    return world if in_state is None else await world.has_a_snapshot(in_state=in_state)


@pytest.mark.parametrize("state", SNAPSHOT_PATHS)
async def test_every_state_is_reached_soundly(state):
    world = await a_world(in_state=state)
    reached = {"busy": "available"}.get(state, state.partition(",")[0])
    assert (await world.snapshot()).state == reached
    await world.assert_sound()
    used = {"deleted": (0, 0)}.get(state, (1, 0))
    waits = state in ("requested", "placed", "making", "cancelling", "deleting, never made")
    assert (await world.usage())["snapshots"] == ((0, 1) if waits else used)


POSSIBLE = {"available": False, "attached": True, "error": None, "extending": None,
            "retyping": None, "migrating": None, "awaiting-transfer": None, "reserved": None,
            "deleting": None, "requested": None, "error_extending": None}  # fmt: skip
"""Situations in which a volume can be snapshotted: by force or without; None: not at all."""


@pytest.mark.parametrize("situation", POSSIBLE)
@pytest.mark.parametrize("force", [False, True])
async def test_a_volume_that_is_well_can_be_snapshotted_in_use_by_force(situation, force):
    world = await SITUATIONS[situation]()
    before, needs_force = await world.store.last_position(), POSSIBLE[situation]
    if needs_force is not None and force >= needs_force:
        await world.run(world.snapshotting(force=force))
        assert (await world.snapshot()).state == "requested"
        return
    with pytest.raises(NotAllowed):
        await world.run(world.snapshotting(force=force))
    assert await world.store.last_position() == before


async def test_another_project_s_volume_is_not_there():
    with pytest.raises(NotFound):
        world = await a_world()
        await world.run(world.snapshotting(of_project="another"))


async def test_nothing_is_snapshotted_or_deleted_on_a_frozen_backend():
    world = await a_world(in_state="available")
    await world.run(FreezeBackend(host=BACKEND, at=AT))
    for command in (
        world.snapshotting(2),
        DeleteSnapshot(id=snapshot_id(), project_id=PROJECT, at=AT),
    ):
        with pytest.raises(InvalidRequest, match="frozen"):
            await world.run(command)


@pytest.mark.parametrize(
    ("limits", "over"),
    [({"snapshots": 1}, "snapshots"), ({"gigabytes": 5}, "gigabytes")],
)
async def test_quota_is_taken_for_it_and_for_its_size(limits, over):
    world = await a_world(in_state="available")
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (4, 0), "snapshots": (1, 0)}
    await world.run(ChangeQuotaLimits(subject=PROJECT, limits=limits, at=AT))
    with pytest.raises(OverQuota) as refusal:
        await world.run(world.snapshotting(2))
    assert [each.resource for each in refusal.value.overs] == [over]
    assert (await world.verbs())[-1] == "quota_reservation.refused"
    await world.assert_sound()


async def test_its_size_may_be_left_out_of_quota_and_stays_out():
    world = await (await a_world()).has_a_snapshot(counts_gigabytes=False)
    used = {"volumes": (1, 0), "gigabytes": (2, 0), "snapshots": (1, 0)}
    assert await world.usage() == used
    await world.run(await RIVALS["delete the snapshot"](world, 0))
    for name in ("clear the snapshot", "snapshot cleared"):
        await world.run(await RIVALS[name](world, 0))
    assert await world.usage() == {**used, "snapshots": (0, 0)}


async def test_a_pool_without_room_refuses_it_with_the_reason():
    world = await a_world(in_state="error, without room")
    failed = [r.event for r in await world.store.events(snapshot_id())][-1]
    assert (failed.verb, failed.reason) == ("placement_failed", f"{HOST} does not report")  # type: ignore[attr-defined]


async def test_what_was_cancelled_is_not_begun_again():
    world = await a_world(in_state="cancelling")
    again = StartSnapshotCreation(id=snapshot_id(), worker="worker-2", at=AT)
    assert await world.run(again) is None
    assert (await world.snapshot()).state == "deleting"


async def test_its_words_change_and_the_same_again_records_nothing():
    world = await a_world(in_state="available")
    id = snapshot_id()
    rename = DescribeSnapshot(id=id, project_id=PROJECT, name="new", at=AT)
    merge = ChangeSnapshotMetadata(id=id, project_id=PROJECT, set={"a": "1"}, at=AT)
    for command in (rename, merge):
        assert len(await world.news(command)) == 1
        assert await world.news(command) == []
    assert (await world.snapshot()).metadata == {"a": "1"}
    with pytest.raises(NotFound):
        await world.run(ChangeSnapshotMetadata(id=id, project_id=PROJECT, remove=("b",), at=AT))


@pytest.mark.parametrize("state", ["requested", "making", "deleting", "removing"])
async def test_reset_by_an_administrator_it_is_paid_for_and_can_be_deleted(state):
    world = await a_world(in_state=state)
    await world.run(ResetSnapshot(id=snapshot_id(), project_id=None, status="error", at=AT))
    assert (await world.usage())["snapshots"] == (1, 0)
    await world.assert_sound()
    await world.run(DeleteSnapshot(id=snapshot_id(), project_id=PROJECT, at=AT))


CAN_BE_SAID = {
    "creating": ("creating", "available", "error"),
    "deleting": ("deleting", "error_deleting"),
}


@pytest.mark.parametrize("state", SNAPSHOT_PATHS)
async def test_it_is_said_to_have_failed_only_while_it_is_made_or_deleted(state):
    for said in ("creating", "available", "error", "deleting", "error_deleting", "gone"):
        world = await a_world(in_state=state)
        now, before = (await world.snapshot()).status, await world.store.last_position()
        report = ReportSnapshot(id=snapshot_id(), project_id=PROJECT, status=said, at=AT)
        if said not in CAN_BE_SAID.get(now, ()):
            with pytest.raises(NotFound if state == "deleted" else InvalidRequest):
                await world.run(report)
        else:
            await world.run(report)
        if said in ("error", "error_deleting") and said in CAN_BE_SAID.get(now, ()):
            assert (await world.snapshot()).status == said
            assert (await world.usage())["snapshots"] == (1, 0)
        else:  # that it goes on or has been made is for its backend to say
            assert await world.store.last_position() == before
        await world.assert_sound()


# with its volume


def deletion(**how: object) -> DeleteVolume:
    return DeleteVolume(id=an_id(1), project_id=PROJECT, at=AT, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [{}, {"force": True}])
async def test_a_volume_with_snapshots_is_not_deleted_without_them(how):
    world = await a_world(in_state="available")
    with pytest.raises(InUse, match=str(snapshot_id())):
        await world.run(deletion(**how))
    await world.assert_sound()


@pytest.mark.parametrize(
    ("state", "how"),
    [
        ("available", {}),
        ("error", {}),
        ("deleting", {}),
        ("removing", {}),
        ("making", {"force": True}),
        ("requested", {"force": True}),
        ("error_deleting", {"force": True}),
    ],
)
async def test_they_go_along_and_the_volume_waits_for_them(state, how):
    world = await a_world(in_state=state)
    await world.run(deletion(cascade=True, **how))
    assert ((await world.volume()).state, (await world.volume()).status) == (
        "emptying",
        "deleting",
    )
    assert (await world.snapshot()).going
    await world.assert_sound()


@pytest.mark.parametrize("state", ["requested", "making", "error_deleting"])
async def test_one_that_cannot_go_keeps_all_as_they_are(state):
    world = await (await a_world(in_state="available")).has_a_snapshot(number=2, in_state=state)
    before = await world.store.last_position()
    with pytest.raises(NotAllowed, match=str(snapshot_id(2))):
        await world.run(deletion(cascade=True))
    assert await world.store.last_position() == before


async def test_a_volume_without_snapshots_is_deleted_at_once_even_so():
    world = await a_world(in_state="deleted")
    assert (await world.news(deletion(cascade=True))) == ["volume.deletion_requested"]


async def test_one_that_appears_while_this_is_decided_goes_along(monkeypatch):
    world = await a_world()
    append, meanwhile = world.store.append, [world.snapshotting()]

    async def after_others(events, **more):
        if meanwhile:
            await world.another_process().run(meanwhile.pop())
        return await append(events, **more)

    monkeypatch.setattr(world.store, "append", after_others)
    await world.run(deletion(cascade=True, force=True))
    assert (await world.volume()).state == "emptying"
    assert (await world.snapshot()).going
    await world.assert_sound()


async def test_snapshots_that_another_project_kept_are_not_deleted_by_the_new_owner():
    world = await a_world(in_state="available")
    for name in ("offered without snapshots", "accept"):
        await world.run(await RIVALS[name](world, 0))
    owner = (await world.volume()).project_id
    assert (await world.snapshot()).project_id == PROJECT != owner
    theirs = DeleteVolume(id=an_id(1), project_id=owner, cascade=True, at=AT)
    with pytest.raises(InvalidRequest, match="another project"):
        await world.run(theirs)
    await world.run(DeleteVolume(id=an_id(1), project_id=None, cascade=True, at=AT))
    await world.assert_sound()


async def test_they_go_along_to_another_project_and_are_paid_for_there():
    world = await (await a_world(in_state="available")).has_a_snapshot(number=2)
    for name in ("offered", "accept"):
        await world.run(await RIVALS[name](world, 0))
    owner = (await world.volume()).project_id
    assert {(await world.snapshot(n)).project_id for n in (1, 2)} == {owner}
    none, all_ = (0, 0), {"volumes": (1, 0), "gigabytes": (6, 0), "snapshots": (2, 0)}
    assert await world.usage() == dict.fromkeys(all_, none)
    assert await world.usage(owner) == all_
    await world.assert_sound()


@pytest.mark.parametrize("state", ["making", "error", "deleting"])
async def test_a_volume_is_not_offered_with_a_snapshot_that_is_not_available(state):
    world = await a_world(in_state=state)
    with pytest.raises(NotAllowed, match="available"):
        await world.run(await RIVALS["offered"](world, 0))
    await world.run(await RIVALS["offered without snapshots"](world, 0))


async def test_a_new_owner_without_quota_for_the_snapshots_does_not_get_the_volume():
    world = await a_world(in_state="available")
    await world.run(await RIVALS["offered"](world, 0))
    limits = ChangeQuotaLimits(subject="another-project", limits={"snapshots": 0}, at=AT)
    await world.run(limits)
    with pytest.raises(OverQuota):
        await world.run(await RIVALS["accept"](world, 0))
    assert (await world.volume()).project_id == PROJECT == (await world.snapshot()).project_id
    await world.assert_sound()


async def by_type(world: World, name: str, type_id: UUID) -> tuple[int, int]:
    used = (await world.store.usage(PROJECT)).get(f"{name}_{type_id}")
    return (used.in_use, used.reserved) if used else (0, 0)


@pytest.mark.parametrize("gone", [False, True])
async def test_their_type_and_quota_follow_a_retype(gone):
    world = await a_world(in_state="available")
    await world.run(moving.a_silver_type())
    for name in ("retype", "place the move here", "start the move"):
        await world.run(await RIVALS[name](world, 0))
    assert await by_type(world, "snapshots", moving.SILVER) == (0, 1)
    if gone:
        for step in SNAPSHOT_PATHS["deleted"][3:]:
            await world.run(await step(world, snapshot_id()))
    await world.run(await RIVALS["moved"](world, 0))
    left = 0 if gone else 1
    assert await by_type(world, "snapshots", moving.SILVER) == (left, 0)
    assert await by_type(world, "gigabytes", moving.SILVER) == (2 + 2 * left, 0)
    assert await by_type(world, "snapshots", world.type_id) == (0, 0)
    assert (await world.snapshot()).volume_type_id == str(world.type_id if gone else moving.SILVER)
    await world.assert_sound()


@pytest.mark.parametrize("end", ["not moved", "reset to available", "force delete"])
async def test_a_retype_that_fails_gives_their_quota_back(end):
    world = await a_world(in_state="available")
    await world.run(moving.a_silver_type())
    for name in ("retype", "place the move here", "start the move"):
        await world.run(await RIVALS[name](world, 0))
    if end == "force delete":
        await world.run(deletion(force=True, cascade=True))
    else:
        await world.run(await RIVALS[end](world, 0))
    assert await by_type(world, "snapshots", moving.SILVER) == (0, 0)
    assert (await world.usage())["snapshots"] == (1, 0)
    await world.assert_sound()


async def test_a_volume_with_snapshots_does_not_leave_its_pool():
    world = await a_world(in_state="available")
    await world.run(moving.a_silver_type())
    with pytest.raises(InUse, match="its snapshot"):
        await world.run(moving.migrate())
    await world.run(moving.retype(policy="on-demand"))
    await world.run(await RIVALS["place the move there"](world, 0))
    move = await moving.the_move(world)
    assert move.host == HOST, "another pool was the only one that was offered, too"
