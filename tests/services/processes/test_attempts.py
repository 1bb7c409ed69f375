"""Attempts: when a backend fails another one tries, and nothing stays behind where it failed."""

from collections.abc import Sequence

import pytest

from adapters.drivers.contract import DriverFailure, VolumeSpec
from adapters.drivers.memory import Fault, MemoryDriver, Work
from domain.aggregates import remnant, volume
from domain.aggregates.remnant import Remnant, remnant_id
from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from projections import MESSAGES
from projections.projection import fold
from services.commands.service import DisableService, FreezeBackend
from services.commands.volume import DeleteVolume
from services.processes.sweep import sweep
from services.unit_of_work import Commands
from tests.services.processes.several import BROKEN, Several
from tests.support.around import Crash, Life
from tests.support.builders import PROJECT, a_moment, an_id

WRONG = DriverFailure("there is no such kind of volume", False)
STUCK = DriverFailure("the target does not let go", True)
SIZES = {"big": 30, "middle": 20, "small": 10}
"""Backends by name, the roomiest first: so they are tried in this order."""


async def three(*, max_attempts: int = 3) -> Several:
    return await Several(SIZES, max_attempts=max_attempts).open()


async def test_when_a_backend_fails_the_next_best_makes_it_and_nothing_stays_behind():
    ring = await three()
    ring.fails("big")
    await ring.create()
    await ring.go_on()
    made = await ring.volume()
    assert (made.state, made.host) == ("available", "h@middle#p")
    assert ring.held == ["middle"]
    assert await ring.verbs() == [
        "requested",
        "placed",
        "provisioning_started",
        "rescheduled",
        "placed",
        "provisioning_started",
        "provisioned",
    ]
    assert await ring.world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    _, promised = await ring.store.promises()
    assert {pool: p.gib for pool, p in promised.items()} == {"h@big#p": 0, "h@middle#p": 2}
    await ring.assert_sound()


async def test_when_all_attempts_fail_it_is_in_error_with_the_reason_of_each():
    ring = await three()
    ring.fails("big", "middle", "small")
    await ring.create()
    await ring.go_on()
    failed = (await ring.store.events(an_id(1)))[-1].event
    assert isinstance(failed, volume.ProvisioningFailed)
    assert [(t.pool, t.reason) for t in failed.tried] == [
        (f"h@{name}#p", "the shelf is full") for name in SIZES
    ]
    log = await ring.store.log(0, 1_000)
    said = [r.event.reason for r in log if isinstance(r.event, volume.Rescheduled)]
    assert [*said, failed.reason] == ["the shelf is full"] * 3
    [message] = fold(MESSAGES, log).values()
    assert message["event_id"] == "VOLUME_VOLUME_008_012"
    assert (message["resource_uuid"], message["project_id"]) == (str(an_id(1)), PROJECT)
    assert message["request_id"] == a_moment().request_id
    assert ring.held == []  # nobody is to try again
    await ring.world.run(DeleteVolume(id=an_id(1), project_id=PROJECT, at=a_moment()))
    await ring.go_on()
    assert ring.held == []
    assert await ring.world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}
    await ring.assert_sound()


async def test_when_no_other_backend_can_take_it_it_is_in_error_and_says_who_failed():
    ring = await three()
    ring.fails("big")
    await ring.create(size_gib=25)
    await ring.go_on()
    failed = (await ring.store.events(an_id(1)))[-1].event
    assert isinstance(failed, volume.PlacementFailed)
    assert "h@big#p was tried: the shelf is full" in failed.reason
    assert "h@middle#p 25 GiB asked, 20.0 GiB left" in failed.reason
    [message] = fold(MESSAGES, await ring.store.log(0, 1_000)).values()
    assert message["event_id"] == "VOLUME_VOLUME_001_003"
    assert ring.held == []
    await ring.assert_sound()


@pytest.mark.parametrize(
    ("failure", "max_attempts"), [(WRONG, 3), (BROKEN, 1)], ids=["wrong anywhere", "one attempt"]
)
async def test_what_must_not_be_tried_elsewhere_is_in_error_at_once(failure, max_attempts):
    ring = await three(max_attempts=max_attempts)
    ring.fails("big", failure=failure)
    await ring.create()
    await ring.go_on()
    assert (await ring.volume()).state == "error"
    assert await ring.verbs() == [
        "requested", "placed", "provisioning_started", "provisioning_failed",
    ]  # fmt: skip
    await ring.assert_sound()


async def test_a_backend_that_lets_nothing_go_is_asked_again_until_it_does():
    ring = await three()
    ring.fails("big")
    ring.faults["big"].fail("delete_volume", STUCK, times=2)
    await ring.create()
    await ring.go_on()
    assert ring.held == ["middle"]
    assert await ring.bus.parked() == []
    await ring.assert_sound()


async def test_a_backend_that_never_lets_go_is_parked_and_its_space_stays_promised():
    ring = await three()
    ring.fails("big")
    ring.faults["big"].fail("delete_volume", STUCK, times=100)
    await ring.create()
    await ring.go_on()
    assert (await ring.volume()).state == "available"
    [parked] = await ring.bus.parked()
    assert "the target does not let go" in parked.error
    _, promised = await ring.store.promises()
    assert promised["h@big#p"].gib == 2
    left = await ring.store.events(remnant_id(an_id(1), 1))
    assert Remnant.from_history(left[0].aggregate_id, left).state == "left"


async def test_an_old_message_does_not_touch_what_is_there_since():
    ring = await three()
    ring.fails("big")
    await ring.create()
    await ring.go_on()
    again = MemoryDriver(ring.backends["big"])
    [removal] = [
        m for m in ring.managers(Life()) if m.consumer.startswith("remnant") and "big" in m.consumer
    ]
    [left, _] = await ring.store.events(remnant_id(an_id(1), 1))
    assert isinstance(left.event, remnant.Left)

    await again.create_volume(VolumeSpec(id=an_id(1), size_gib=2, pool="p", project_id=PROJECT))
    await removal.react(left)
    assert "big" in ring.held


async def test_what_a_late_worker_left_where_the_volume_was_tried_first_is_found_and_removed():
    """A worker that stood still made it after its remnant was removed, and died."""
    ring = await three()
    ring.fails("big")
    await ring.create()
    await ring.go_on()
    driver = MemoryDriver(ring.backends["big"])
    await driver.create_volume(VolumeSpec(id=an_id(1), size_gib=2, pool="p", project_id=PROJECT))
    for name in SIZES:
        await sweep(
            Commands(ring.store),
            MemoryDriver(ring.backends[name]),
            backend=f"h@{name}",
            timeout_s=10.0,
            moment=a_moment,
        )
    _, promised = await ring.store.promises()
    assert {pool: p.gib for pool, p in promised.items()} == {"h@big#p": 2, "h@middle#p": 2}
    await ring.go_on()
    assert ring.held == ["middle"]
    await ring.assert_sound()


async def test_deleted_while_it_waits_for_another_backend_it_is_gone_everywhere():
    ring = await three()
    ring.fails("big")
    await ring.create()
    life = Life()
    placement = ring.managers(life)[0]
    await placement.react((await ring.store.events(an_id(1)))[0])
    [provisioning] = [m for m in ring.managers(life) if m.consumer == "provisioning-h@big"]
    await provisioning.react((await ring.store.events(an_id(1)))[-1])
    assert (await ring.volume()).state == "requested"
    await ring.world.another_process().run(
        DeleteVolume(id=an_id(1), project_id=PROJECT, at=a_moment())
    )
    await ring.go_on()
    assert (await ring.volume()).state == "deleted"
    assert ring.held == []
    assert await ring.world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}
    await ring.assert_sound()


FATES: Sequence[tuple[str, ...]] = ((), ("big",), ("big", "middle"), ("big", "middle", "small"))


@pytest.mark.parametrize("failing", FATES, ids=lambda names: "+".join(names) or "none")
async def test_wherever_a_process_dies_the_volume_comes_to_rest_and_nothing_is_left(failing):
    points = 0
    while True:
        ring = await three()
        for name in failing:  # as often as it is asked
            ring.faults[name].plan("create_volume", Fault(failure=BROKEN, work=Work.HALF), times=10)
        await ring.create()
        try:
            await ring.go_on(life=Life(ends_at=points))
            break
        except Crash:
            points += 1
        await ring.go_on()
        state = (await ring.volume()).state
        assert state == ("error" if len(failing) == 3 else "available")
        last = [list(SIZES)[min(len(failing), 2)]]
        # who died before it had tidied up leaves that to whoever deletes the volume
        assert ring.held in ([last] if state == "available" else [last, []])
        await ring.assert_sound()
    assert points > 10 * (len(failing) + 1)


async def test_a_backend_that_is_closed_takes_no_second_attempt_and_says_why():
    ring = await three()
    ring.fails("big")
    disabling = DisableService(
        name=ServiceName(VOLUME_SERVICE, "h@middle"), reason="new disks", at=a_moment()
    )
    await ring.world.another_process().run(disabling)
    await ring.create()
    await ring.go_on()
    assert (await ring.volume()).host == "h@small#p"
    decisions = [
        r.event.decision
        for r in await ring.store.events(an_id(1))
        if isinstance(r.event, volume.Placed)
    ]
    assert len(decisions) == 2
    for decision in decisions:
        [middle] = [each for each in decision.candidates if each.pool == "h@middle#p"]
        assert (middle.refused_by, middle.reason) == ("ServiceFilter", "disabled: new disks")
    await ring.assert_sound()


async def test_work_that_a_backend_has_is_finished_when_it_is_closed_meanwhile():
    ring = await three()
    await ring.create()
    await ring.managers(Life())[0].react((await ring.store.events(an_id(1)))[0])
    assert (await ring.volume()).host == "h@big#p"
    for command in (
        DisableService(name=ServiceName(VOLUME_SERVICE, "h@big"), at=a_moment()),
        FreezeBackend(host="h@big", at=a_moment()),
    ):
        await ring.world.another_process().run(command)
    await ring.go_on()
    made = await ring.volume()
    assert (made.state, made.host) == ("available", "h@big#p")
    await ring.assert_sound()
