"""Retypes and migrations: one volume, in one place, with what it held, whatever dies or fails."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from adapters.drivers.content import BLOCK_BYTES
from adapters.drivers.contract import DriverFailure, TypeChange
from adapters.drivers.memory import Fault, Hold, Work
from domain.aggregates.move import Move
from domain.aggregates.remnant import Remnant, remnant_id
from domain.aggregates.volume import migrating, retyping
from domain.aggregates.volume.under_way import MigrationPolicy
from services.commands.migration import MigrateVolume
from services.commands.qos_specs import AssociateQos, CreateQosSpecs
from services.commands.retype import RetypeVolume
from services.commands.volume import DeleteVolume
from services.commands.volume_type import CreateVolumeType
from tests.services.processes.ring import WORKLOAD
from tests.services.processes.several import BROKEN, Several
from tests.support.around import Crash, Life
from tests.support.builders import PROJECT, a_moment, an_id

HERE, BESIDE, FAR = "h@near#p", "h@near#q", "h@far#p"
NAME = f"volume-{an_id(1)}"
CONTENT = {0: b"boot".ljust(BLOCK_BYTES, b"\0"), 7 * BLOCK_BYTES: b"x" * BLOCK_BYTES}
ANY_TYPE, FAR_TYPE, NO_TYPE = an_id(0x71), an_id(0x72), an_id(0x73)
"""Types that fit anywhere, on the far backend alone, nowhere."""
STUCK = DriverFailure("the target does not let go", True)


async def a_volume() -> Several:
    """One of 2 GiB, at HERE, that holds CONTENT."""
    ring = await Several({"near": 50, "far": 30}, pools=("p", "q")).open()
    for id, name, specs in (
        (ANY_TYPE, "any", {"tier:level": "2"}),
        (FAR_TYPE, "far", {"volume_backend_name": "far"}),
        (NO_TYPE, "none", {"volume_backend_name": "nowhere"}),
    ):
        await ring.world.run(
            CreateVolumeType(
                id=id, name=name, description=None, is_public=True, extra_specs=specs, at=a_moment()
            )
        )
    await ring.create()
    await ring.go_on()
    ring.pool(HERE).volumes[NAME].content = dict(CONTENT)
    return ring


async def migrate(ring: Several, to: str, *, host_copy: bool = False) -> None:
    await ring.world.another_process().run(
        MigrateVolume(
            id=an_id(1),
            project_id=None,
            to=to,
            up=frozenset({"h@near", "h@far"}),
            host_copy=host_copy,
            at=a_moment(),
        )
    )


async def retype(ring: Several, to: UUID, policy: MigrationPolicy = "never") -> None:
    await ring.world.another_process().run(
        RetypeVolume(
            id=an_id(1), project_id=PROJECT, volume_type_id=to, policy=policy, at=a_moment()
        )
    )


async def the_move(ring: Several) -> Move:
    log = await ring.store.log(0, 1_000)
    id = [r.aggregate_id for r in log if r.event.kind == "move"][-1]
    return Move.from_history(id, await ring.store.events(id))


async def assert_at(ring: Several, host: str, *, type_id: UUID | None = None) -> None:
    """One volume, there alone, with what it held, paid for once as what it is."""
    volume = await ring.volume()
    assert (volume.state, volume.operation, volume.host) == ("available", "idle", host)
    assert volume.volume_type_id == str(type_id or ring.world.type_id)
    held = {
        f"h@{name}#{pool_name}": pool.volumes
        for name, backend in ring.backends.items()
        for pool_name, pool in backend.pools.items()
        if pool.volumes or pool.provisioned_gib
    }
    assert list(held) == [host]
    assert list(held[host]) == [NAME]
    assert held[host][NAME].whole
    assert held[host][NAME].content == CONTENT
    _, promised = await ring.store.promises()
    assert {name: p.gib for name, p in promised.items() if p.gib or p.volumes} == {host: 2}
    assert await ring.world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
    assert await ring.bus.parked() == []
    await ring.assert_sound()


async def last_event(ring: Several) -> object:
    return (await ring.store.events(an_id(1)))[-1].event


# where it goes


@pytest.mark.parametrize("host_copy", [False, True], ids=["adopted", "copied"])
@pytest.mark.parametrize("to", [BESIDE, FAR, "h@far", "h@near"])
async def test_it_moves_with_all_that_it_holds_and_nothing_stays_behind(to, host_copy):
    ring = await a_volume()
    await migrate(ring, to, host_copy=host_copy)
    await ring.go_on()
    there = {"h@far": FAR, "h@near": BESIDE}.get(to, to)
    await assert_at(ring, there)
    assert (await ring.verbs())[-3:] == ["migration_requested", "moved", "migrated"]


async def test_it_may_come_back():
    ring = await a_volume()
    for to in (FAR, BESIDE, HERE, FAR, HERE):
        await migrate(ring, to)
        await ring.go_on()
        await assert_at(ring, to)


@pytest.mark.parametrize("policy", ["never", "on-demand"])
async def test_a_type_that_its_pool_fits_changes_it_where_it_is(policy):
    ring = await a_volume()
    await retype(ring, ANY_TYPE, policy)
    await ring.go_on()
    await assert_at(ring, HERE, type_id=ANY_TYPE)
    assert (await ring.verbs())[-2:] == ["retype_requested", "retyped"]


async def test_a_type_that_its_pool_does_not_fit_takes_it_elsewhere_on_demand():
    ring = await a_volume()
    await retype(ring, FAR_TYPE, "on-demand")
    await ring.go_on()
    await assert_at(ring, FAR, type_id=FAR_TYPE)
    assert (await ring.verbs())[-3:] == ["retype_requested", "moved", "retyped"]


async def test_what_its_backend_cannot_change_goes_elsewhere_on_demand():
    ring = await a_volume()
    ring.faults["near"].fail("retype_volume", DriverFailure("it stays thin", False))
    await retype(ring, ANY_TYPE, "on-demand")
    await ring.go_on()
    await assert_at(ring, BESIDE, type_id=ANY_TYPE)
    assert (await the_move(ring)).declined == "it stays thin"


async def test_its_backend_is_told_what_differs_and_is_for_backends_to_enforce():
    """Types that are equal to it need no backend at all."""
    ring = await a_volume()
    await ring.world.run(
        CreateVolumeType(
            id=an_id(0x74),
            name="twin",
            description=None,
            is_public=True,
            extra_specs={},
            at=a_moment(),
        )
    )
    for id, consumer, type_id in ((0x81, "both", ANY_TYPE), (0x82, "front-end", an_id(0x74))):
        specs = {"iops": str(id)}
        await ring.world.run(
            CreateQosSpecs(
                id=an_id(id), name=consumer, consumer=consumer, specs=specs, at=a_moment()
            )
        )
        await ring.world.run(AssociateQos(id=an_id(id), volume_type_id=type_id, at=a_moment()))
    await retype(ring, an_id(0x74))
    await ring.go_on()
    assert ring.retyped == []
    await retype(ring, ANY_TYPE)
    await ring.go_on()
    [(spec, change)] = ring.retyped
    assert (spec.id, spec.pool) == (an_id(1), "p")
    assert change == TypeChange(
        extra_specs={"tier:level": (None, "2")}, qos_specs={"iops": (None, str(0x81))}
    )


# what keeps it


REFUSALS: list[tuple[str, Callable[[Several], Awaitable[None]], str]] = [
    ("never", lambda ring: retype(ring, FAR_TYPE), "is not h@near#p"),
    ("nowhere", lambda ring: retype(ring, NO_TYPE, "on-demand"), "nowhere"),
    ("full", lambda ring: migrate(ring, FAR), "2 GiB asked, 1.0 GiB left"),
]


@pytest.mark.parametrize(("why", "ask", "said"), REFUSALS, ids=[row[0] for row in REFUSALS])
async def test_what_no_pool_can_take_stays_as_it_was(why, ask, said):
    ring = await a_volume()
    if why == "full":
        for each in ("p", "q"):
            ring.pool(f"h@far#{each}").capacity_gib = 1
        await ring.report()
    await ask(ring)
    await ring.go_on()
    await assert_at(ring, HERE)
    refused = await last_event(ring)
    assert isinstance(refused, retyping.RetypeRefused | migrating.MigrationRefused)
    assert said in refused.reason
    assert (await the_move(ring)).state == "refused"


async def test_what_its_backend_cannot_change_stays_as_it_was_when_it_may_not_go():
    ring = await a_volume()
    ring.faults["near"].fail("retype_volume", DriverFailure("it stays thin", False))
    await retype(ring, ANY_TYPE)
    await ring.go_on()
    await assert_at(ring, HERE)
    assert await last_event(ring) == retyping.RetypeFailed(
        host=HERE, reason="it stays thin", migration_failed=False, left_number=None
    )


@pytest.mark.parametrize("work", Work)
@pytest.mark.parametrize(
    ("to", "operation"), [(BESIDE, "adopt_volume"), (FAR, "write_volume"), (FAR, "read")]
)
async def test_a_copy_that_fails_leaves_it_as_it_was_and_nothing_at_the_target(to, operation, work):
    ring = await a_volume()
    reads = operation == "read"
    source = "near" if reads else to.removeprefix("h@").partition("#")[0]
    ring.faults[source].plan(operation, Fault(failure=BROKEN, work=work))
    await migrate(ring, to)
    await ring.go_on()
    await assert_at(ring, HERE)
    assert await last_event(ring) == migrating.MigrationFailed(
        host=HERE, reason="the shelf is full", left_number=2
    )


async def test_a_copy_that_differs_from_its_source_is_not_taken_for_it():
    """Something of its name and size is at the target already, and nobody knows what it is."""
    ring = await a_volume()
    await migrate(ring, FAR)
    await ring.step("placement")
    there = ring.pool(FAR)
    there.provision(2)
    there.volumes[NAME] = type(ring.pool(HERE).volumes[NAME])(
        2, 2, whole=True, content={0: b"y" * BLOCK_BYTES}
    )
    await ring.go_on()
    await assert_at(ring, HERE)
    failed = await last_event(ring)
    assert isinstance(failed, migrating.MigrationFailed)
    assert "does not hold what" in failed.reason


async def test_a_source_that_is_gone_is_said():
    ring = await a_volume()
    kept = ring.pool(HERE).volumes.pop(NAME)
    await migrate(ring, FAR)
    await ring.go_on()
    failed = await last_event(ring)
    assert isinstance(failed, migrating.MigrationFailed)
    assert f"{NAME} is not there to read" in failed.reason
    ring.pool(HERE).volumes[NAME] = kept
    await assert_at(ring, HERE)


async def test_where_something_of_it_is_still_to_be_removed_it_does_not_come_back():
    """What is left there would be taken for it, or be removed in its stead."""
    ring = await a_volume()
    ring.faults["near"].fail("delete_volume", STUCK, times=2)
    await migrate(ring, FAR)
    while (await ring.volume()).host == HERE:
        await ring.steps(1)
    await migrate(ring, HERE)
    await ring.step("placement")
    refused = await last_event(ring)
    assert isinstance(refused, migrating.MigrationRefused)
    assert "still has to remove what placement 1 left there" in refused.reason
    await ring.go_on()
    await assert_at(ring, FAR)
    await migrate(ring, HERE)
    await ring.go_on()
    await assert_at(ring, HERE)


async def test_a_source_that_never_lets_go_stays_promised_and_is_parked():
    ring = await a_volume()
    ring.faults["near"].fail("delete_volume", STUCK, times=100)
    await migrate(ring, FAR)
    await ring.go_on()
    assert (await ring.volume()).host == FAR
    left = await ring.store.events(remnant_id(an_id(1), 1))
    assert Remnant.from_history(left[0].aggregate_id, left).state == "left"
    _, promised = await ring.store.promises()
    assert (promised[HERE].gib, promised[FAR].gib) == (2, 2)
    assert len(await ring.bus.parked()) == 1


# by force, and late


async def force(ring: Several) -> None:
    await ring.world.another_process().run(
        DeleteVolume(id=an_id(1), project_id=PROJECT, force=True, at=a_moment())
    )


async def assert_gone(ring: Several) -> None:
    assert (await ring.volume()).state == "deleted"
    assert ring.held == []
    assert await ring.world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}
    _, promised = await ring.store.promises()
    assert not any(p.gib or p.volumes for p in promised.values())
    assert await ring.bus.parked() == []
    await ring.assert_sound()


ASKS: dict[str, Callable[[Several], Awaitable[None]]] = {
    "adopted": lambda ring: migrate(ring, BESIDE),
    "copied in the backend": lambda ring: migrate(ring, BESIDE, host_copy=True),
    "copied": lambda ring: migrate(ring, FAR),
    "retyped": lambda ring: retype(ring, ANY_TYPE),
    "retyped elsewhere": lambda ring: retype(ring, FAR_TYPE, "on-demand"),
    "refused": lambda ring: retype(ring, NO_TYPE),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=list(ASKS))
async def test_deleted_by_force_at_any_moment_it_is_gone_everywhere(ask):
    """After each reaction in turn."""
    for steps in range(20):
        ring = await a_volume()
        await ask(ring)
        done = await ring.steps(steps)
        await force(ring)
        await ring.go_on()
        await assert_gone(ring)
        if done < steps:
            return
    raise AssertionError("it never comes to rest")


HELD = [("write_volume", "far"), ("read", "near")]


@pytest.mark.parametrize(("operation", "backend"), HELD)
async def test_deleted_by_force_while_it_is_copied_nothing_of_the_copy_stays(operation, backend):
    ring, held, copying = await copying_held(operation, backend)
    await force(ring)
    await ring.go_on()
    held.release()
    await copying
    await ring.go_on()
    await assert_gone(ring)


async def copying_held(operation: str, backend: str) -> tuple[Several, Hold, "asyncio.Task[None]"]:
    """A copy that stands still in a call of the driver."""
    ring, held = await a_volume(), Hold()
    await migrate(ring, FAR)
    await ring.step("placement")
    ring.faults[backend].plan(operation, Fault(hold=held))  # type: ignore[arg-type]
    copying = asyncio.create_task(ring.step("moving-h@far"))
    async with asyncio.timeout(30):
        await held.reached.wait()
    return ring, held, copying


async def test_two_workers_at_once_make_one_copy():
    ring, held, copying = await copying_held("write_volume", "far")
    ring.clock.now_s += WORKLOAD.ack_wait_s
    finishing = asyncio.create_task(ring.go_on())
    held.release()
    async with asyncio.timeout(30):
        await asyncio.gather(copying, finishing)
    await ring.go_on()
    await assert_at(ring, FAR)


@pytest.mark.parametrize(("operation", "backend"), HELD)
async def test_a_copy_that_hangs_is_given_up_on(operation, backend):
    ring, held = await a_volume(), Hold()
    await migrate(ring, FAR)
    await ring.step("placement")
    ring.faults[backend].plan(operation, Fault(hold=held))
    await ring.go_on(copy_timeout_s=0.05)
    assert held.reached.is_set()
    await ring.go_on()
    await assert_at(ring, HERE)
    failed = await last_event(ring)
    assert isinstance(failed, migrating.MigrationFailed)
    assert failed.reason == "the driver did not answer within 0.05 s"


# death


ENDS: dict[str, tuple[Callable[[Several], Awaitable[None]], str, UUID | None]] = {
    "adopted": (ASKS["adopted"], BESIDE, None),
    "copied in the backend": (ASKS["copied in the backend"], BESIDE, None),
    "copied": (ASKS["copied"], FAR, None),
    "retyped": (ASKS["retyped"], HERE, ANY_TYPE),
    "retyped elsewhere": (ASKS["retyped elsewhere"], FAR, FAR_TYPE),
    "refused": (ASKS["refused"], HERE, None),
}


@pytest.mark.parametrize(("ask", "host", "type_id"), ENDS.values(), ids=list(ENDS))
async def test_wherever_a_process_dies_it_arrives(ask, host, type_id):
    points: list[str] = []
    while True:
        ring, life = await a_volume(), Life(ends_at=len(points))
        await ask(ring)
        try:
            await ring.go_on(life=life)
            break
        except Crash as crash:
            points.append(str(crash))
        await ring.go_on()
        await assert_at(ring, host, type_id=type_id)
    assert {"before append", "after append", "before ack"} <= set(points)
    if host == FAR:
        streamed = {"before read", "after read"}
        assert streamed | {"before write_volume", "after write_volume"} <= set(points)


@pytest.mark.parametrize("ends_in", ["what it cannot be", "a broken target"])
async def test_wherever_a_process_dies_on_the_way_to_a_failure_it_is_as_it_was(ends_in):
    points = 0
    while True:
        ring = await a_volume()
        if ends_in == "a broken target":
            fault = Fault(failure=BROKEN, work=Work.HALF)
            ring.faults["far"].plan("write_volume", fault, times=10)
            await migrate(ring, FAR)
        else:
            stays = Fault(failure=DriverFailure("it stays thin", False))
            ring.faults["near"].plan("retype_volume", stays, times=10)
            await retype(ring, ANY_TYPE)
        try:
            await ring.go_on(life=Life(ends_at=points))
            break
        except Crash:
            points += 1
        await ring.go_on()
        await assert_at(ring, HERE)
    assert points > 10
