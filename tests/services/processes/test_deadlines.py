"""Nothing is stuck, whoever never comes back, and what comes too late changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.drivers.memory import Fault
from domain.aggregates import remnant, volume
from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.deadlines import WAITS
from domain.encryption import Encryption
from domain.errors import NotAllowed, Unavailable
from projections import MESSAGES
from projections.projection import fold
from services.commands.attaching import DetachVolume
from services.commands.encryption_key import FinishKeyMaking
from services.commands.transfer import OfferVolume
from services.processes.deadlines import give_up_overdue, keep_deadlines
from services.unit_of_work import Commands
from tests.services.processes.keeping import GIVEN_UP
from tests.services.processes.lateness import ALLOWED, ATTACHMENT, BIG, HOUR_S, PATHS, Late, late
from tests.services.processes.waits import CASES
from tests.support.around import Life, around
from tests.support.builders import PROJECT, USER, a_moment, an_id

each_wait = pytest.mark.parametrize("waiting", CASES)


@pytest.fixture
async def open_late(tmp_path: Path) -> AsyncIterator[list[Late]]:
    """Those in it are closed."""
    opened: list[Late] = []
    yield opened
    for each in opened:
        await each.close()


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Late]:
    opened = await late(tmp_path)
    yield opened
    await opened.close()


def test_everything_that_can_wait_is_tried_here():
    waits = {(lifecycle, state) for lifecycle, states in WAITS.items() for state in states}
    of_snapshots = {("snapshot", state) for state in WAITS["snapshot"]} | {("volume", "emptying")}
    of_backups = {("backup", state) for state in GIVEN_UP}
    reverting = {("volume_operation", state) for state in ("reverting", "rewriting")}
    of_images = {("volume", "awaiting")}
    elsewhere = of_snapshots | of_backups | reverting | of_images  # see the tests of those
    assert {case.waits for case in CASES.values()} == waits - elsewhere
    assert CASES.keys() == PATHS.keys() - {"available"}


@each_wait
async def test_when_nobody_comes_it_is_given_up_and_at_rest_with_nothing_left(there, waiting):
    case = CASES[waiting]
    await there.comes_to(waiting)
    assert await there.until_rest(without=case.absent) == case.given_up
    now = await there.ring.volume()
    assert (now.state, now.host, now.size_gib) == (*case.ends, 2)
    assert now.under_way is None
    assert any(case.missed in reason for reason in await there.reasons())
    assert await there.ring.world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    await there.assert_sound()

    await there.ring.go_on()  # they do come back, but it is too late
    assert (await there.ring.volume()).version == now.version
    expected = {"requested": []}.get(waiting, [now.host])
    assert [f"h@{name}#p" for name in there.ring.held] == expected
    _, promised = await there.ring.store.promises()
    assert {name: p.gib for name, p in promised.items() if p.gib} == dict.fromkeys(expected, 2)
    await there.assert_sound()


@each_wait
async def test_after_an_hour_of_outage_whatever_is_taken_up_again_in_time_goes_on(there, waiting):
    await there.comes_to(waiting)
    there.ring.clock.now_s += HOUR_S
    await there.ring.go_on()
    now = await there.ring.volume()
    assert (now.state, now.host, now.size_gib) == CASES[waiting].back
    assert now.at_rest
    assert await there.give_up_overdue() == 0
    await there.assert_sound()


@each_wait
async def test_given_up_the_moment_its_backend_is_back_it_comes_to_rest_all_the_same(
    there, waiting
):
    await there.comes_to(waiting)
    there.ring.clock.now_s += CASES[waiting].wait_s
    assert await there.give_up_overdue() == 1
    await there.ring.go_on()
    now = await there.ring.volume()
    assert now.at_rest
    assert now.state == ("deleted" if waiting == "cancelling" else CASES[waiting].ends[0])
    await there.assert_sound()


@each_wait
async def test_before_its_time_nothing_is_given_up(there, waiting):
    await there.comes_to(waiting)
    lifecycle, state = CASES[waiting].waits
    deadline = WAITS[lifecycle][state].deadline
    before = await there.ring.volume()
    there.ring.clock.now_s += ALLOWED[deadline] - 1
    assert await there.give_up_overdue() == 0
    there.ring.clock.now_s += 1
    assert await there.give_up_overdue(**{deadline: ALLOWED[deadline] + 1}) == 0
    assert (await there.ring.volume()).version == before.version
    assert await there.give_up_overdue() == 1


@each_wait
async def test_a_view_that_is_behind_gives_nothing_up(there, waiting):
    case = CASES[waiting]
    await there.comes_to(waiting)
    await there.project()
    there.ring.clock.now_s += case.wait_s
    await there.ring.go_on()
    before = await there.ring.store.last_position()
    given_up = await give_up_overdue(
        Commands(there.ring.store), there.views, clock=there.ring.clock, allowed=ALLOWED
    )
    assert (given_up, await there.ring.store.last_position()) == (0, before)
    assert (await there.ring.volume()).state == case.back[0]


@each_wait
async def test_a_process_that_gives_up_may_die_at_any_point(open_late, tmp_path, waiting):
    points = 0
    while True:
        directory = tmp_path / str(points)
        directory.mkdir()
        there = await late(directory)
        open_late.append(there)
        await there.comes_to(waiting)
        there.ring.clock.now_s += CASES[waiting].wait_s
        await there.project()
        life = Life(ends_at=points)
        store = around(there.ring.store, before=life.before, after=life.after)
        try:
            await give_up_overdue(
                Commands(store), there.views, clock=there.ring.clock, allowed=ALLOWED
            )
            break
        except BaseException:
            assert life.ended_at is not None
        await there.until_rest(without=CASES[waiting].absent)
        assert (await there.ring.volume()).state == CASES[waiting].ends[0]
        await there.assert_sound()
        points += 1
    assert points >= 4


async def test_claims_that_are_taken_over_again_and_again_do_not_make_it_younger(there):
    await there.comes_to("provisioning")
    for _ in range(6):
        there.ring.clock.now_s += HOUR_S / 6
        for step in PATHS["provisioning"][1:2]:
            await step(there)
    assert (await there.ring.volume()).attempt == 7
    assert await there.give_up_overdue() == 1
    assert (await there.ring.volume()).state == "requested"


async def test_two_who_look_after_deadlines_give_everything_up_once(there):
    for number in range(2, 7):
        await there.ring.world.run(there.ring.world.creation(number, at=there.now()))
    await there.comes_to("requested")
    there.ring.clock.now_s += HOUR_S
    await there.project()
    both = [Commands(there.ring.store), Commands(there.ring.store)]
    counts = await asyncio.gather(
        *(
            give_up_overdue(each, there.views, clock=there.ring.clock, allowed=ALLOWED)
            for each in both
        )
    )
    assert sum(counts) == 6
    log = await there.ring.store.log(0, 1_000)
    failed = [r.aggregate_id for r in log if isinstance(r.event, volume.PlacementFailed)]
    assert sorted(failed) == [an_id(number) for number in range(1, 7)]


async def test_more_than_are_looked_at_in_one_go_are_all_given_up(there, monkeypatch):
    monkeypatch.setattr("services.processes.deadlines.AT_ONCE", 2)
    for number in range(1, 6):
        await there.ring.world.run(there.ring.world.creation(number, at=there.now()))
    there.ring.clock.now_s += HOUR_S
    assert await there.give_up_overdue() == 5


async def test_each_backend_is_given_its_time_until_none_is_left(there):
    await there.comes_to("provisioning")
    absent = [f"provisioning-h@{name}" for name in there.ring.backends]
    given_up = await there.until_rest(without=[*absent, *BIG])
    assert given_up == ["provisioning", "placed", "placed"]
    [failed] = [
        r.event
        for r in await there.ring.store.events(an_id(1))
        if isinstance(r.event, volume.ProvisioningFailed)
    ]
    assert [tried.pool for tried in failed.tried] == ["h@big#p", "h@middle#p", "h@small#p"]
    assert all("3600 s being allowed" in tried.reason for tried in failed.tried)
    assert (await there.ring.volume()).state == "error"
    left = [r for r in await there.ring.store.log(0, 1_000) if isinstance(r.event, remnant.Left)]
    assert [r.event.host for r in left] == ["h@big#p"]  # elsewhere nobody had begun
    await there.assert_sound()


async def test_whoever_asked_is_told_under_the_request_that_they_made(there):
    await there.comes_to("requested")
    there.ring.clock.now_s += HOUR_S
    await there.give_up_overdue()
    log = await there.ring.store.log(0, 1_000)
    [failed] = [r for r in log if isinstance(r.event, volume.PlacementFailed)]
    assert failed.moment.actor.user_id == "system:deadlines"
    assert failed.moment.cause == f"{an_id(1)}:1"
    [message] = fold(MESSAGES, log).values()
    assert (message["project_id"], message["request_id"]) == (PROJECT, a_moment().request_id)


async def test_what_is_offered_to_another_project_may_wait_as_long_as_it_likes(there):
    await there.comes_to("available")
    await there.ring.world.run(
        OfferVolume(
            id=an_id(9),
            volume_id=an_id(1),
            project_id=PROJECT,
            user_id=USER,
            name="a gift",
            key="k",
            salt="s",
            at=there.now(),
        )
    )
    there.ring.clock.now_s += 1000 * HOUR_S
    assert await there.give_up_overdue() == 0


async def test_a_volume_whose_key_nobody_makes_is_in_error_and_the_key_goes(there):
    ring = there.ring
    await ring.world.has_encryption(Encryption(provider="luks", key_size=256))
    await there.comes_to("requested")
    assert await there.until_rest(without=["encryption-keys"]) == ["requested"]
    assert (await ring.volume()).state == "error"
    [failed] = [
        r.event
        for r in await ring.store.events(an_id(1))
        if isinstance(r.event, volume.encryption.KeyFailed)
    ]
    assert failed.reason.startswith("its key was not made: ")
    await there.assert_sound()
    await ring.go_on()  # whoever makes keys is back, too late
    key = EncryptionKey.from_history(key_of(an_id(1)), await ring.store.events(key_of(an_id(1))))
    assert (key.state, await ring.keys.keys()) == ("destroyed", {})
    await there.assert_sound()


async def test_a_key_that_is_made_too_late_does_not_stay(there):
    ring = there.ring
    await ring.world.has_encryption(Encryption(provider="luks", key_size=256))
    await there.comes_to("requested")
    [asked] = await ring.store.events(key_of(an_id(1)))
    ring.clock.now_s += HOUR_S
    assert await there.give_up_overdue() == 1
    await ring.go_on()
    await ring.keys.create_key(str(key_of(an_id(1))), algorithm="aes", bits=256)
    with pytest.raises(NotAllowed):
        await ring.world.another_process().run(
            FinishKeyMaking(id=key_of(an_id(1)), key_id="late", at=there.now())
        )
    [making] = [m for m in ring.managers(Life()) if m.consumer == "encryption-keys"]
    await making.react(asked)
    assert await ring.keys.keys() == {}
    await there.assert_sound()


@pytest.mark.parametrize(
    ("waiting", "status"), [("connecting", "available"), ("disconnecting", "in-use")]
)
async def test_a_volume_that_was_not_connected_is_free_one_that_may_still_be_reached_is_not(
    there, waiting, status
):
    await there.comes_to(waiting)
    await there.until_rest(without=BIG)
    now = await there.ring.volume()
    assert (now.status, now.attachments[str(ATTACHMENT)].status) == (status, "error_detaching")
    detach = DetachVolume(id=an_id(1), project_id=None, attachment_id=ATTACHMENT, at=there.now())
    await there.ring.world.another_process().run(detach)
    await there.ring.go_on()
    now = await there.ring.volume()
    assert (now.status, now.attachments) == ("available", {})
    assert there.ring.backends["big"].pools["p"].connected == {}
    await there.assert_sound()


# Whoever looks after them


async def test_who_has_just_started_lets_everything_be_for_a_while(there):
    await there.comes_to("requested")
    there.ring.clock.now_s += HOUR_S
    await there.project()
    states: list[tuple[float, str]] = []

    async def pause(pause_s: float) -> None:
        states.append((pause_s, (await there.ring.volume()).state))
        if len(states) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep_deadlines(
            Commands(there.ring.store),
            there.views,
            clock=there.ring.clock,
            allowed=ALLOWED,
            interval_s=30.0,
            grace_s=300.0,
            sleep=pause,
        )
    assert states == [(300.0, "requested"), (30.0, "error"), (30.0, "error")]


async def test_it_is_looked_again_and_again_through_an_outage_of_the_store(there):
    await there.comes_to("requested")
    there.ring.clock.now_s += HOUR_S
    await there.project()
    refused = 0

    async def away(method: str) -> None:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise Unavailable(part="store", reason="away")

    store = around(there.ring.store, before=away)
    looking = asyncio.create_task(
        keep_deadlines(
            Commands(store),
            there.views,
            clock=there.ring.clock,
            allowed=ALLOWED,
            interval_s=0,
            grace_s=0,
        )
    )
    async with asyncio.timeout(60):
        while (await there.ring.volume()).state != "error":  # noqa: ASYNC110
            await asyncio.sleep(0)
    looking.cancel()
    assert refused == 3


async def test_a_parked_message_does_not_keep_its_volume_for_ever(there):
    ring = there.ring
    await there.comes_to("placed")
    ring.faults["big"].plan("create_volume", Fault(failure=RuntimeError("a mistake")), times=9)
    await ring.go_on()
    [parked] = await ring.bus.parked()
    assert "a mistake" in parked.error
    assert (await ring.volume()).state == "provisioning"
    ring.clock.now_s += HOUR_S
    assert await there.give_up_overdue() == 1
    await ring.go_on()
    assert (await ring.volume()).host == "h@middle#p"
    await ring.bus.retry_parked(parked.id)
    await ring.go_on()
    assert (ring.held, (await ring.volume()).state) == (["middle"], "available")
    await there.assert_sound()
