"""Commands about volumes: which events they lead to, what they refuse, what quota they move."""

from typing import Any
from uuid import uuid5

import pytest

from domain.errors import (
    InvalidRequest,
    LapilliError,
    NotAllowed,
    NotFound,
    OverQuota,
    Superseded,
)
from domain.quota import MAX_USAGE, Usage
from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.volume import (
    ChangeVolumeMetadata,
    DeleteVolume,
    DescribeVolume,
    FinishDeletion,
    FinishProvisioning,
    PlaceVolume,
)
from tests.services.commands import world as w
from tests.services.commands.world import PATHS, STEPS, World
from tests.support.builders import PROJECT, ZONE, a_moment, a_pool, an_id

NOW = a_moment(60)


async def a_world() -> World:
    return await World().has_a_type()


async def refusal(world: World, command: Any) -> LapilliError:
    """How the command is refused; nothing may come of it."""
    before = await world.verbs()
    with pytest.raises(LapilliError) as refused:
        await world.run(command)
    assert await world.verbs() == before
    return refused.value


# create


async def test_a_created_volume_and_its_reservation_are_one_append():
    world = await a_world()
    assert await world.news(world.creation(1, size_gib=5)) == [
        "quota_reservation.reserved",
        "volume.requested",
    ]
    assert await world.usage() == {"volumes": (0, 1), "gigabytes": (0, 5)}
    assert (await world.volume()).reservations == [str((await world.reservation()).id)]
    await world.assert_sound()


async def test_a_created_volume_counts_for_its_type_too():
    world = await a_world()
    await world.run(world.creation(1, size_gib=5))
    usage = await world.store.usage(PROJECT)
    assert usage[f"volumes_{world.type_id}"] == Usage(0, 1)
    assert usage[f"gigabytes_{world.type_id}"] == Usage(0, 5)


async def test_a_created_volume_has_all_that_was_asked():
    world = await a_world()
    await world.run(
        world.creation(
            1,
            name="  db ",
            description="primary",
            metadata={"a": "b"},
            availability_zone=ZONE,
            size_gib=7,
        )
    )
    volume = await world.volume()
    assert (volume.name, volume.description, volume.metadata) == ("db", "primary", {"a": "b"})
    assert (volume.availability_zone, volume.size_gib) == (ZONE, 7)
    assert volume.volume_type_id == str(world.type_id)


REFUSED_CREATIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"size_gib": 0}, InvalidRequest, "size must be 1 to"),
    ({"size_gib": -1}, InvalidRequest, "size must be 1 to"),
    ({"size_gib": MAX_USAGE + 1}, InvalidRequest, "size must be 1 to"),
    ({"availability_zone": "mars"}, InvalidRequest, "zone 'mars' is invalid; known: .'nova'"),
    ({"name": "x" * 256}, InvalidRequest, "field name"),
    ({"description": "x" * 256}, InvalidRequest, "field description"),
    ({"metadata": {"": "v"}}, InvalidRequest, "metadata key"),
    ({"metadata": {"k": "v" * 256}}, InvalidRequest, "metadata value"),
    ({"volume_type_id": an_id(404)}, NotFound, "Volume type .* could not be found"),
]


@pytest.mark.parametrize(("changes", "error", "reason"), REFUSED_CREATIONS)
async def test_a_creation_that_breaks_a_rule_leaves_nothing_behind(changes, error, reason):
    world = await a_world()
    refused = await refusal(world, world.creation(1, **changes))
    assert isinstance(refused, error)
    with pytest.raises(error, match=reason):
        raise refused
    assert await world.usage() == {}


OVERS: list[tuple[dict[str, int], list[str]]] = [
    ({"volumes": 0}, ["volumes"]),
    ({"gigabytes": 4}, ["gigabytes"]),
    ({"per_volume_gigabytes": 4}, ["per_volume_gigabytes"]),
    ({"volumes": 0, "gigabytes": 4}, ["gigabytes", "volumes"]),
]


@pytest.mark.parametrize(("limits", "over"), OVERS)
async def test_a_creation_beyond_quota_records_the_refusal_and_nothing_else(limits, over):
    world = await a_world()
    await world.run(ChangeQuotaLimits(subject=PROJECT, limits=limits, at=NOW))
    with pytest.raises(OverQuota) as refused:
        await world.run(world.creation(1, size_gib=5))
    assert [o.resource for o in refused.value.overs] == over
    assert await world.verbs() == ["quota_limits.changed", "quota_reservation.refused"]
    assert await world.usage() == {}
    assert not (await world.volume()).exists
    await world.assert_sound()


async def test_a_limit_of_the_type_counts():
    world = await a_world()
    limits = {f"volumes_{world.type_id}": 1}
    await world.run(ChangeQuotaLimits(subject=PROJECT, limits=limits, at=NOW))
    await world.run(world.creation(1))
    with pytest.raises(OverQuota):
        await world.run(world.creation(2))


async def test_the_same_id_is_created_once():
    world = await a_world()
    await world.run(world.creation(1))
    with pytest.raises(LapilliError):
        await world.run(world.creation(1))
    assert await world.verbs() == ["quota_reservation.reserved", "volume.requested"]


# from request to rest

LIVES: list[tuple[str, list[str], str, dict[str, tuple[int, int]]]] = [
    # state before, events of the step, step, (in use, reserved) after
    ("requested", ["volume.placed"], "place", {"volumes": (0, 1), "gigabytes": (0, 2)}),
    (
        "requested",
        ["volume.placement_failed", "quota_reservation.committed"],
        "place nowhere",
        {"volumes": (1, 0), "gigabytes": (2, 0)},
    ),
    (
        "requested",
        ["volume.deletion_requested", "volume.deleted", "quota_reservation.rolled_back"],
        "delete",
        {"volumes": (0, 0), "gigabytes": (0, 0)},
    ),
    (
        "placed",
        ["volume.provisioning_started"],
        "start",
        {"volumes": (0, 1), "gigabytes": (0, 2)},
    ),
    (
        "placed",
        ["volume.deletion_requested"],
        "force",
        {"volumes": (0, 1), "gigabytes": (0, 2)},
    ),
    (
        "provisioning",
        ["volume.provisioned", "quota_reservation.committed"],
        "made",
        {"volumes": (1, 0), "gigabytes": (2, 0)},
    ),
    (
        "provisioning",
        ["volume.provisioning_failed", "quota_reservation.committed"],
        "not made",
        {"volumes": (1, 0), "gigabytes": (2, 0)},
    ),
    (
        "downloading",
        [
            "volume.provisioned",
            "volume.bootable_changed",
            "volume.image_metadata_changed",
            "quota_reservation.committed",
        ],
        "made",
        {"volumes": (1, 0), "gigabytes": (2, 0)},
    ),
    (
        "downloading",
        ["volume.download_failed", "quota_reservation.committed"],
        "not come",
        {"volumes": (1, 0), "gigabytes": (2, 0)},
    ),
    (
        "provisioning",
        ["volume.cancellation_requested"],
        "force",
        {"volumes": (0, 1), "gigabytes": (0, 2)},
    ),
    (
        "cancelling",
        ["volume.creation_cancelled"],
        "made",
        {"volumes": (0, 1), "gigabytes": (0, 2)},
    ),
    (
        "cancelling",
        ["volume.creation_cancelled"],
        "not made",
        {"volumes": (0, 1), "gigabytes": (0, 2)},
    ),
    (
        "cancelling",
        ["volume.creation_cancelled"],
        "start",
        {"volumes": (0, 1), "gigabytes": (0, 2)},
    ),
    ("cancelling", [], "force", {"volumes": (0, 1), "gigabytes": (0, 2)}),
    ("available", ["volume.deletion_requested"], "delete", {"volumes": (1, 0)}),
    ("error", ["volume.deletion_requested"], "delete", {"volumes": (1, 0)}),
    (
        "error, on no backend",
        ["volume.deletion_requested", "volume.deleted", "quota_reservation.released"],
        "delete",
        {"volumes": (0, 0), "gigabytes": (0, 0)},
    ),
    ("deleting", ["volume.deletion_started"], "remove", {"volumes": (1, 0)}),
    (
        "removing",
        ["volume.deleted", "quota_reservation.released"],
        "gone",
        {"volumes": (0, 0), "gigabytes": (0, 0)},
    ),
    ("removing", ["volume.found_busy"], "busy", {"volumes": (1, 0)}),
    ("removing", ["volume.deletion_failed"], "not gone", {"volumes": (1, 0)}),
    (
        "removing, never made",
        ["volume.deleted", "quota_reservation.rolled_back"],
        "gone",
        {"volumes": (0, 0), "gigabytes": (0, 0)},
    ),
    (
        "removing, never made",
        ["volume.deletion_failed", "quota_reservation.committed"],
        "not gone",
        {"volumes": (1, 0), "gigabytes": (2, 0)},
    ),
    (
        "removing, never made",
        ["volume.found_busy", "quota_reservation.committed"],
        "busy",
        {"volumes": (1, 0), "gigabytes": (2, 0)},
    ),
    ("error_deleting", ["volume.deletion_requested"], "force", {"volumes": (1, 0)}),
]


@pytest.mark.parametrize(("state", "news", "step", "usage"), LIVES)
async def test_each_step_of_a_life_records_its_events_and_settles_its_quota(
    state, news, step, usage
):
    world = await (await a_world()).has_a_volume(in_state=state)
    assert await world.news(await STEPS[step](world, an_id(1))) == news
    now = await world.usage()
    assert {resource: now[resource] for resource in usage} == usage
    await world.assert_sound()


LEGAL = {(state, step) for state, _, step, _ in LIVES} | {
    ("provisioning", "start"),
    ("downloading", "start"),
    ("downloading", "come"),
    ("downloading", "not made"),
    ("downloading", "force"),
    ("requested", "force"),
    ("available", "force"),
    ("error", "force"),
    ("error, on no backend", "force"),
    ("deleting", "force"),
    ("deleting", "gone"),
    ("deleting, never made", "force"),
    ("deleting, never made", "remove"),
    ("deleting, never made", "gone"),
    ("removing", "force"),
    ("removing", "remove"),
    ("removing, never made", "force"),
    ("removing, never made", "remove"),
}

ILLEGAL = [(state, step) for state in PATHS for step in STEPS if (state, step) not in LEGAL]


@pytest.mark.parametrize(("state", "step"), ILLEGAL)
async def test_every_other_step_in_every_other_state_is_refused_and_changes_nothing(state, step):
    world = await (await a_world()).has_a_volume(in_state=state)
    refused = await refusal(world, await STEPS[step](world, an_id(1)))
    assert isinstance(refused, (NotAllowed, Superseded, NotFound, InvalidRequest))
    await world.assert_sound()


@pytest.mark.parametrize(("state", "step"), sorted(LEGAL))
async def test_after_every_legal_step_all_is_sound(state, step):
    world = await (await a_world()).has_a_volume(in_state=state)
    await world.run(await STEPS[step](world, an_id(1)))
    await world.assert_sound()


async def test_placement_goes_by_the_size_and_zone_that_were_asked():
    world = await a_world()
    await world.run(world.creation(1, size_gib=20, availability_zone=ZONE))
    pools = [
        a_pool("small", total_gib=10),
        a_pool("elsewhere", zone="mars", total_gib=500),
        a_pool("right", total_gib=30),
    ]
    await world.run(PlaceVolume(id=an_id(1), pools=pools, at=NOW))
    assert (await world.volume()).host == "right"


async def test_claims_are_numbered_and_only_the_newest_may_finish():
    world = await (await a_world()).has_a_volume(in_state="placed")
    start = await w.start(world, an_id(1))
    assert [await world.run(start), await world.run(start)] == [1, 2]
    late = FinishProvisioning(id=an_id(1), attempt=1, provider_id="late", at=NOW)
    assert isinstance(await refusal(world, late), Superseded)
    await world.run(FinishProvisioning(id=an_id(1), attempt=2, provider_id="good", at=NOW))
    assert (await world.volume()).state == "available"


async def test_who_comes_to_make_a_cancelled_volume_is_told_there_is_nothing_to_make():
    world = await (await a_world()).has_a_volume(in_state="cancelling")
    assert await world.run(await w.start(world, an_id(1))) is None
    assert (await world.volume()).state == "deleting"


async def test_an_outcome_told_twice_counts_once():
    world = await (await a_world()).has_a_volume(in_state="provisioning")
    done = await w.made(world, an_id(1))
    await world.run(done)
    assert isinstance(await refusal(world, done), Superseded)
    assert await world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}


async def test_gone_told_twice_gives_back_once():
    world = await (await a_world()).has_a_volume(in_state="removing")
    gone = FinishDeletion(id=an_id(1), attempt=2, at=NOW)
    await world.run(gone)
    assert isinstance(await refusal(world, gone), NotAllowed)
    assert await world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}


# who may see it

BY_USERS = {
    "describe": lambda project: DescribeVolume(id=an_id(1), project_id=project, name="n", at=NOW),
    "metadata": lambda project: ChangeVolumeMetadata(
        id=an_id(1), project_id=project, set={"k": "v"}, at=NOW
    ),
    "delete": lambda project: DeleteVolume(id=an_id(1), project_id=project, at=NOW),
    "force delete": lambda project: DeleteVolume(
        id=an_id(1), project_id=project, force=True, at=NOW
    ),
}

HIDDEN = [
    # state (None: was never created), who asks
    (None, PROJECT),
    (None, None),
    ("available", "another"),
    ("deleted", PROJECT),
    ("deleted", None),
    ("deleted, on no backend", PROJECT),
]


@pytest.mark.parametrize("command", BY_USERS.values(), ids=list(BY_USERS))
@pytest.mark.parametrize(("state", "project"), HIDDEN)
async def test_what_a_user_may_not_see_is_not_found(command, state, project):
    world = await a_world()
    if state is not None:
        await world.has_a_volume(in_state=state)
    assert isinstance(await refusal(world, command(project)), NotFound)


@pytest.mark.parametrize("command", BY_USERS.values(), ids=list(BY_USERS))
@pytest.mark.parametrize("project", [PROJECT, None])
async def test_owners_and_those_who_see_all_may_change_it(command, project):
    world = await (await a_world()).has_a_volume(in_state="available")
    assert len(await world.news(command(project))) == 1


# words

DESCRIPTIONS: list[tuple[dict[str, Any], list[str], tuple[str | None, str | None]]] = [
    ({}, [], ("volume 1", None)),
    ({"name": "new"}, ["volume.described"], ("new", None)),
    ({"name": None}, ["volume.described"], (None, None)),
    ({"name": " volume 1 "}, [], ("volume 1", None)),
    ({"description": "d"}, ["volume.described"], ("volume 1", "d")),
    ({"name": "n", "description": "d"}, ["volume.described"], ("n", "d")),
    ({"metadata": {"a": "b"}}, ["volume.metadata_changed"], ("volume 1", None)),
    (
        {"name": "n", "metadata": {"a": "b"}},
        ["volume.described", "volume.metadata_changed"],
        ("n", None),
    ),
]


@pytest.mark.parametrize(("changes", "news", "words"), DESCRIPTIONS)
async def test_what_is_not_named_stays_as_it_is(changes, news, words):
    world = await (await a_world()).has_a_volume(in_state="available")
    change = DescribeVolume(id=an_id(1), project_id=PROJECT, at=NOW, **changes)
    assert await world.news(change) == news
    volume = await world.volume()
    assert (volume.name, volume.description) == words
    assert volume.metadata == changes.get("metadata", {})


BAD_WORDS: list[dict[str, Any]] = [
    {"name": "x" * 256},
    {"description": "x" * 256},
    {"metadata": {"": "v"}},
    {"name": "good", "metadata": {"k": "v" * 256}},
]


@pytest.mark.parametrize("changes", BAD_WORDS)
async def test_words_that_break_a_rule_change_nothing(changes):
    world = await (await a_world()).has_a_volume(in_state="available")
    change = DescribeVolume(id=an_id(1), project_id=PROJECT, at=NOW, **changes)
    assert isinstance(await refusal(world, change), InvalidRequest)


METADATA: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"set": {"b": "9", "c": "3"}}, {"a": "1", "b": "9", "c": "3"}),
    ({"set": {"c": "3"}, "replace": True}, {"c": "3"}),
    ({"replace": True}, {}),
    ({"remove": ("a",)}, {"b": "2"}),
    ({"remove": ("a", "b")}, {}),
    ({"set": {"c": "3"}, "remove": ("a",)}, {"b": "2", "c": "3"}),
    ({}, {"a": "1", "b": "2"}),
]


@pytest.mark.parametrize(("change", "after"), METADATA)
async def test_metadata_is_merged_replaced_or_removed(change, after):
    world = await a_world()
    await world.run(world.creation(1, metadata={"a": "1", "b": "2"}))
    command = ChangeVolumeMetadata(id=an_id(1), project_id=PROJECT, at=NOW, **change)
    assert await world.run(command) == after
    assert (await world.volume()).metadata == after


BAD_METADATA: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"remove": ("missing",)}, NotFound),
    ({"set": {"c": "3"}, "remove": ("missing",)}, NotFound),
    ({"remove": ("a", "a")}, NotFound),
    ({"replace": True, "remove": ("a",)}, NotFound),
    ({"set": {"": "v"}}, InvalidRequest),
    ({"set": {"k": "v" * 256}}, InvalidRequest),
]


@pytest.mark.parametrize(("change", "error"), BAD_METADATA)
async def test_metadata_that_breaks_a_rule_changes_nothing(change, error):
    world = await a_world()
    await world.run(world.creation(1, metadata={"a": "1"}))
    command = ChangeVolumeMetadata(id=an_id(1), project_id=PROJECT, at=NOW, **change)
    assert isinstance(await refusal(world, command), error)


async def test_every_event_of_a_command_tells_when_and_by_whom_it_was_asked():
    world = await a_world()
    await world.run(world.creation(1, at=a_moment(7, request="req-7")))
    log = await world.store.log(1, 10)
    assert {recorded.moment for recorded in log} == {a_moment(7, request="req-7")}


async def test_the_reservation_of_a_volume_can_be_found_without_an_index():
    world = await (await a_world()).has_a_volume(in_state="available")
    assert (await world.volume()).reservations == [str(uuid5(an_id(1), "reservation"))]
