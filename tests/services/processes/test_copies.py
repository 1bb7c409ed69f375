"""Volumes made from others: whole, of one moment, and released, whatever dies or fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Hold, Work
from domain.aggregates.encryption_key import key_of
from domain.encryption import Encryption
from domain.placement import Rules
from services.commands.attaching import ConnectNode, DisconnectNode
from services.commands.giving_up import GiveUp
from tests.services.processes.lateness import ALLOWED
from tests.services.processes.originals import (
    BESIDE,
    CONTENT,
    FAR,
    HERE,
    SNAPSHOT,
    Kind,
    a_ring,
    claims,
    clone,
    fill,
    force,
    held,
    make_room,
)
from tests.services.processes.several import BROKEN, Several
from tests.support.around import Crash, Life
from tests.support.builders import (
    PROJECT,
    a_moment,
    an_id,
)

ANYWHERE = Rules(copies_stay=False)
every_kind = pytest.mark.parametrize("kind", ["volume", "snapshot"])
NODE = {"host": "node1"}
LUKS = Encryption(provider="luks", key_size=256)


async def assert_source_as_it_was(ring: Several) -> None:
    volume = await ring.volume()
    assert (volume.state, volume.operation, volume.host) == ("available", "idle", HERE)
    assert ring.pool(HERE).volumes[f"volume-{an_id(1)}"].content == CONTENT
    assert ring.pool(HERE).snapshots[f"snapshot-{SNAPSHOT}"].content == CONTENT
    assert await claims(ring) == set()
    assert await ring.bus.parked() == []
    await ring.assert_sound()


async def assert_copied(ring: Several, *, to: str = HERE, size_gib: int = 2) -> None:
    """One copy, there alone, whole, paid for once; the source is as it was, and free."""
    copy = await ring.volume(2)
    assert (copy.state, copy.host, copy.size_gib) == ("available", to, size_gib)
    assert held(ring) == {to: True}
    there = ring.pool(to).volumes[f"volume-{an_id(2)}"]
    assert (there.content, there.size_gib) == (CONTENT, size_gib)
    assert await ring.world.usage() == paid(2, size_gib)
    await assert_source_as_it_was(ring)


async def assert_in_error(ring: Several, why: str) -> None:
    """No copy, nothing of it anywhere, and whoever asked is told why."""
    copy = await ring.volume(2)
    assert copy.state == "error"
    assert why in await reason(ring)
    assert held(ring) == {}
    assert await ring.world.usage() == paid(2, 2)
    await assert_source_as_it_was(ring)


def paid(volumes: int, copied_gib: int) -> dict[str, tuple[int, int]]:
    """Of the volume, its snapshot and the copy, nothing being open."""
    return {"volumes": (volumes, 0), "gigabytes": (4 + copied_gib, 0), "snapshots": (1, 0)}


async def reason(ring: Several) -> str:
    """Why it failed: the last but its letting go of its source."""
    *_, failed, _ = await ring.store.events(an_id(2))
    return str(failed.event.reason)  # type: ignore[attr-defined]


async def assert_gone(ring: Several) -> None:
    assert (await ring.volume(2)).state == "deleted"
    assert held(ring) == {}
    assert await ring.world.usage() == paid(1, 0)
    await assert_source_as_it_was(ring)


# where it goes


PLACES: dict[str, tuple[Rules, list[str], str]] = {
    "where it is made from": (Rules(), [], HERE),
    "beside it": (Rules(), [HERE], BESIDE),
    "near, though others have more room": (ANYWHERE, [], HERE),
    "elsewhere": (ANYWHERE, [HERE, BESIDE], FAR),
}


@pytest.mark.parametrize(("rules", "full", "to"), PLACES.values(), ids=list(PLACES))
@pytest.mark.parametrize("size_gib", [None, 5])
@every_kind
async def test_a_copy_holds_what_it_is_made_from(kind, size_gib, rules, full, to):
    ring = await a_ring(rules=rules)
    await fill(ring, *full)
    await clone(ring, kind, size_gib=size_gib)
    assert await claims(ring) == {an_id(2)}
    await ring.go_on()
    await assert_copied(ring, to=to, size_gib=size_gib or 2)


@every_kind
async def test_what_its_backend_cannot_clone_is_copied_block_by_block(kind):
    ring = await a_ring()
    ring.backends["near"].clones_across_pools = False
    await fill(ring, HERE)
    await clone(ring, kind)
    await ring.go_on()
    await assert_copied(ring, to=BESIDE)


STAYS = "h@far#p is not of h@near, which has what it is made from"
UNREADABLE = "h@far#p cannot read from h@near, which has what it is made from"
NOWHERE: dict[str, tuple[Kind, Rules, Callable[[Several], Any], str]] = {
    "it has to stay": ("snapshot", Rules(), lambda ring: ring.report(), STAYS),
    "nobody can read it": ("snapshot", ANYWHERE, lambda ring: report_blind(ring), UNREADABLE),
    "it is in use": ("volume", ANYWHERE, lambda ring: attached(ring), STAYS),
}


async def report_blind(ring: Several) -> None:
    """As backends on different machines do."""
    await ring.report()
    for report in await ring.reports.all():
        await ring.reports.put(msgspec.structs.replace(report, reads_from=[]))


async def attached(ring: Several) -> None:
    await ring.world.another_process().run(
        ConnectNode(id=an_id(1), project_id=PROJECT, connector=NODE, at=a_moment())
    )
    await ring.step("attaching-h@near")


@pytest.mark.parametrize(("kind", "rules", "given", "said"), NOWHERE.values(), ids=list(NOWHERE))
async def test_where_it_cannot_be_copied_to_is_said(kind, rules, given, said):
    ring = await a_ring(rules=rules)
    await fill(ring, HERE, BESIDE)
    await given(ring)
    await clone(ring, kind)
    await ring.go_on()
    assert (await ring.volume(2)).state == "error"
    assert said in await reason(ring)
    assert await claims(ring) == set()


# what fails


FAILS: dict[str, tuple[str, str, str]] = {
    "its own backend cannot clone it": ("near", "clone_volume", FAR),
    "it cannot be read": ("near", "read", HERE),
    "it cannot be written": ("far", "write_volume", HERE),
}


@pytest.mark.parametrize(("backend", "operation", "to"), FAILS.values(), ids=list(FAILS))
@pytest.mark.parametrize("work", Work)
async def test_another_backend_tries_where_one_fails_and_nothing_stays_there(
    backend, operation, to, work
):
    ring = await a_ring(rules=ANYWHERE)
    ring.faults[backend].plan(operation, Fault(failure=BROKEN, work=work))
    if to == HERE:
        await fill(ring, HERE, BESIDE)
    await clone(ring)
    await ring.step("placement")
    await make_room(ring)
    await ring.go_on()
    await assert_copied(ring, to=to)


@pytest.mark.parametrize("operation", ["read", "write_volume", "clone_volume"])
@pytest.mark.parametrize("work", Work)
async def test_defect_07_a_copy_that_no_backend_can_make_leaves_nothing_but_the_reason(
    operation, work
):
    ring = await a_ring(rules=ANYWHERE)
    far = operation != "clone_volume"
    final = DriverFailure("it cannot be done", False)
    backend = "far" if operation == "write_volume" else "near"
    ring.faults[backend].plan(operation, Fault(failure=final, work=work))
    if far:
        await fill(ring, HERE, BESIDE)
    await clone(ring)
    await ring.go_on()
    await assert_in_error(ring, "it cannot be done")


async def test_a_copy_that_hangs_is_given_up_on():
    ring, held_up = await a_ring(), Hold()
    await clone(ring)
    await ring.step("placement")
    ring.faults["near"].plan("clone_volume", Fault(hold=held_up))
    await ring.go_on(copy_timeout_s=0.05)
    await ring.go_on()
    assert held_up.reached.is_set()
    await assert_in_error(ring, "the driver did not answer within 0.05 s")


# what changes meanwhile


HELD = [(FAR, "read", "near"), (FAR, "write_volume", "far"), (HERE, "clone_volume", "near")]


async def copying_held(to: str, operation: Any, backend: str) -> tuple[Several, Hold, Any]:
    """A copy that stands still in a call of the driver."""
    ring, hold = await a_ring(rules=ANYWHERE), Hold()
    if to == FAR:
        await fill(ring, HERE, BESIDE)
    await clone(ring)
    await ring.step("placement")
    ring.faults[backend].plan(operation, Fault(hold=hold))
    copying = asyncio.create_task(ring.step(f"provisioning-{to.partition('#')[0]}"))
    async with asyncio.timeout(30):
        await hold.reached.wait()
    return ring, hold, copying


@pytest.mark.parametrize(("to", "operation", "backend"), HELD)
async def test_deleted_by_force_while_it_is_copied_nothing_of_it_stays(to, operation, backend):
    ring, hold, copying = await copying_held(to, operation, backend)
    await force(ring)
    assert await claims(ring) == {an_id(2)}  # somebody still reads
    hold.release()
    await copying
    await ring.go_on()
    await assert_gone(ring)


@pytest.mark.parametrize(("to", "operation", "backend"), HELD)
async def test_given_up_while_it_is_copied_nothing_of_it_stays(to, operation, backend):
    ring, hold, copying = await copying_held(to, operation, backend)
    late = a_moment(ring.clock.now_s + ALLOWED["copying"])
    early = a_moment(ring.clock.now_s + ALLOWED["creation"])
    for at in (early, late):
        given_up = await ring.world.run(GiveUp(id=an_id(2), allowed=ALLOWED, at=at))
        assert given_up is (at is late)
    await ring.go_on()
    hold.release()
    await copying
    await force(ring)
    await ring.go_on()
    await assert_gone(ring)


@pytest.mark.parametrize("detached", [False, True])
async def test_what_is_attached_while_another_backend_copies_it_is_copied_by_its_own(detached):
    """Blocks read one after the other would be of no moment."""
    ring, hold, copying = await copying_held(FAR, "write_volume", "far")
    await attached(ring)
    if detached:
        await ring.world.another_process().run(
            DisconnectNode(id=an_id(1), project_id=PROJECT, connector=NODE, at=a_moment())
        )
        await ring.step("detaching-h@near")
    await make_room(ring)
    hold.release()
    await copying
    await ring.go_on()
    copy = await ring.volume(2)
    assert (copy.state, copy.host) == ("available", HERE)
    assert held(ring) == {HERE: True}
    assert "was attached while it was copied" in copy.tried[0].reason


# death


DEATHS: dict[str, tuple[Kind, str]] = {
    "cloned from a volume": ("volume", HERE),
    "cloned from a snapshot": ("snapshot", HERE),
    "copied from a volume": ("volume", FAR),
    "copied from a snapshot": ("snapshot", FAR),
}


@pytest.mark.parametrize(("kind", "to"), DEATHS.values(), ids=list(DEATHS))
async def test_wherever_a_process_dies_the_copy_is_made(kind, to):
    points = await die_everywhere(
        to, lambda ring: clone(ring, kind), lambda r: assert_copied(r, to=to)
    )
    assert {"before append", "after append", "before ack"} <= points
    calls = ("clone_volume",) if to == HERE else ("read", "write_volume")
    assert {f"{when} {call}" for when in ("before", "after") for call in calls} <= points


async def test_wherever_a_process_dies_on_the_way_to_a_failure_nothing_is_left():
    async def breaks(ring: Several) -> None:
        final = Fault(failure=DriverFailure("it cannot be done", False), work=Work.HALF)
        ring.faults["far"].plan("write_volume", final, times=10)
        await clone(ring)

    async def deleted(ring: Several) -> None:
        """What a worker died over before it could clear it goes with the volume."""
        assert (await ring.volume(2)).state == "error"
        await force(ring)
        await ring.go_on()
        await assert_gone(ring)

    assert len(await die_everywhere(FAR, breaks, deleted)) > 5


@every_kind
async def test_defect_19_wherever_a_process_dies_a_copy_has_a_key_of_its_own_and_none_leaks(kind):
    async def assert_keys(ring: Several) -> None:
        await assert_copied(ring)
        first, second = [(await ring.volume(number)).encryption_key_id for number in (1, 2)]
        assert await ring.keys.keys() == {
            first: str(key_of(an_id(1))),
            second: str(key_of(an_id(2))),
        }
        assert await ring.keys.get(str(first)) == await ring.keys.get(str(second))
        await force(ring)
        await ring.go_on()
        assert list(await ring.keys.keys()) == [first]

    points = await die_everywhere(
        HERE, lambda ring: clone(ring, kind), assert_keys, encryption=LUKS
    )
    assert {"before copy_key", "after copy_key"} <= points


async def test_without_the_key_to_copy_there_is_no_copy():
    ring = await a_ring(encryption=LUKS)
    await ring.keys.delete(str((await ring.volume()).encryption_key_id))
    await clone(ring)
    await ring.go_on()
    assert (await ring.volume(2)).state == "error"
    assert "could not be found" in await reason(ring)
    assert await claims(ring) == set()
    assert await ring.keys.keys() == {}


async def die_everywhere(
    to: str,
    begin: Callable[[Several], Awaitable[None]],
    then: Callable[[Several], Awaitable[None]],
    *,
    encryption: Encryption | None = None,
) -> set[str]:
    """A process dies at each point in turn, and another one goes on; the points."""
    points: list[str] = []
    while True:
        ring = await a_ring(rules=ANYWHERE, encryption=encryption)
        if to == FAR:
            await fill(ring, HERE, BESIDE)
        await begin(ring)
        try:
            await ring.go_on(life=Life(ends_at=len(points)))
            return set(points)
        except Crash as crash:
            points.append(str(crash))
        await ring.go_on()
        await then(ring)
