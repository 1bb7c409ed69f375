"""Transfers: owner and quota change hands together, or not at all."""

import asyncio

import msgspec
import pytest

from domain.aggregates.transfer import Transfer
from domain.errors import Conflict, InvalidRequest, NotAllowed, NotFound, OverQuota
from services.commands.extension import ExtendVolume
from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.transfer import AcceptTransfer, OfferVolume, WithdrawTransfer
from services.commands.volume import DeleteVolume
from services.commands.volume_reset import ResetVolume
from tests.services.commands.world import STEPS, World
from tests.support.builders import PROJECT, USER, a_moment, an_id

KEY, OTHER = "0123456789abcdef", "another-project"
NOTHING = {"volumes": (0, 0), "gigabytes": (0, 0)}
TWO_GIB = {"volumes": (1, 0), "gigabytes": (2, 0)}


def offer(number: int = 1, *, id: int = 9) -> OfferVolume:
    return OfferVolume(
        id=an_id(id), volume_id=an_id(number), project_id=PROJECT, user_id=USER, name="n",
        key=KEY, salt="s", at=a_moment(),
    )  # fmt: skip


def accept(*, key: str = KEY, by: str = OTHER) -> AcceptTransfer:
    return AcceptTransfer(id=an_id(9), key=key, project_id=by, user_id="bob", at=a_moment())


def withdraw(project_id: str | None = PROJECT) -> WithdrawTransfer:
    return WithdrawTransfer(id=an_id(9), project_id=project_id, at=a_moment())


async def an_offered_volume() -> World:
    world = await (await World().has_a_type()).has_a_volume(in_state="available")
    await world.run(offer())
    return world


async def test_owner_and_quota_change_hands_in_one_append():
    world = await an_offered_volume()
    assert await world.news(accept()) == [
        "quota_reservation.released",
        "quota_reservation.reserved",
        "quota_reservation.committed",
        "volume.transferred",
        "transfer.accepted",
    ]
    assert await world.usage() == NOTHING
    assert await world.usage(OTHER) == TWO_GIB
    volume = await world.volume()
    assert (volume.project_id, volume.status) == (OTHER, "available")


async def test_the_new_owner_can_delete_it_and_has_its_quota_back():
    world = await an_offered_volume()
    await world.run(accept())
    with pytest.raises(NotFound):
        await world.run(DeleteVolume(id=an_id(1), project_id=PROJECT, at=a_moment()))
    await world.run(DeleteVolume(id=an_id(1), project_id=OTHER, at=a_moment()))
    for step in ("remove", "gone"):
        await world.run(await STEPS[step](world, an_id(1)))
    assert await world.usage(OTHER) == NOTHING


async def test_who_has_no_quota_left_does_not_get_it_and_it_stays_on_offer():
    world = await an_offered_volume()
    await world.run(ChangeQuotaLimits(subject=OTHER, limits={"gigabytes": 1}, at=a_moment()))
    with pytest.raises(OverQuota):
        await world.run(accept())
    assert (await world.verbs())[-1] == "quota_reservation.refused"
    assert (await world.volume()).status == "awaiting-transfer"
    assert (await world.usage(), await world.usage(OTHER)) == (TWO_GIB, {})
    await world.run(ChangeQuotaLimits(subject=OTHER, limits={"gigabytes": 2}, at=a_moment()))
    await world.run(msgspec.structs.replace(accept(), at=a_moment(1)))
    assert (await world.usage(), await world.usage(OTHER)) == (NOTHING, TWO_GIB)


async def test_a_project_at_its_limit_can_take_its_own_volume_back():
    world = await an_offered_volume()
    await world.run(ChangeQuotaLimits(subject=PROJECT, limits={"volumes": 1}, at=a_moment()))
    await world.run(accept(by=PROJECT))
    assert await world.usage() == TWO_GIB


async def test_who_knows_only_of_a_former_offer_ends_nothing_else_that_is_under_way():
    world = await an_offered_volume()
    late = world.another_process()
    await late.commands.aggregates.read(Transfer, an_id(9))
    await world.run(withdraw())
    grow = ExtendVolume(id=an_id(1), project_id=PROJECT, new_size_gib=9, at=a_moment())
    await world.run(grow)
    with pytest.raises(NotFound):
        await late.run(withdraw())
    assert (await world.volume()).operation == "extending"


async def test_a_wrong_key_changes_nothing():
    world = await an_offered_volume()
    before = await world.verbs()
    with pytest.raises(InvalidRequest):
        await world.run(accept(key="wrong"))
    assert await world.verbs() == before


async def test_what_is_withdrawn_is_its_owners_as_before():
    world = await an_offered_volume()
    with pytest.raises(NotFound):
        await world.run(withdraw(OTHER))
    assert await world.news(withdraw()) == ["volume.offer_withdrawn", "transfer.withdrawn"]
    with pytest.raises(NotFound):
        await world.run(accept())
    assert (await world.volume()).status == "available"
    await world.run(offer(id=10))


@pytest.mark.parametrize("how", ["deletion by force", "reset"])
async def test_an_offer_ends_with_the_volume_it_is_of(how):
    world = await an_offered_volume()
    if how == "reset":
        command = ResetVolume(id=an_id(1), project_id=None, status="error", at=a_moment())
        await world.run(command)
    else:
        await world.run(DeleteVolume(id=an_id(1), project_id=None, force=True, at=a_moment()))
    assert "transfer.withdrawn" in await world.verbs()
    with pytest.raises(NotFound):
        await world.run(accept())
    await world.assert_sound()


@pytest.mark.parametrize("seed", range(10))
async def test_of_all_who_accept_at_once_one_gets_it(seed: int):
    world = await an_offered_volume()
    others = [world.another_process() for _ in range(5)]
    projects = [f"project-{n}" for n in range(5)]
    outcomes = await asyncio.gather(
        *(other.run(accept(by=p)) for other, p in zip(others, projects, strict=True)),
        *([world.run(withdraw())] if seed % 2 else []),
        return_exceptions=True,
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert all(o is None or isinstance(o, (NotFound, NotAllowed, Conflict)) for o in outcomes)
    owner = (await world.volume()).project_id
    for project in (PROJECT, *projects):
        expected = TWO_GIB if project == owner else NOTHING
        assert await world.usage(project) in (expected, {} if project != owner else expected)
