"""No snapshot waits for ever, and no volume for its snapshots, whoever never comes back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.deadlines import WAITS
from projections import PROJECTIONS
from projections.runner import Runner
from projections.views import Views
from services.processes.deadlines import give_up_overdue
from services.settings import Deadlines
from services.unit_of_work import Commands
from tests.services.processes.ring import Ring, a_ring_with_a_volume
from tests.support.read_models import read_models

ALLOWED = Deadlines().allowed

GIVEN_UP = {
    # waits        after its deadline                     when they come back after all
    "requested":  ("error", "whether its pool has the room", "error"),
    "placed":     ("error", "did not begin to make it", "error"),
    "making":     ("error", "whether it made it", "error"),
    "cancelling": ("deleting", "had stopped making it", "deleted"),
    "deleting":   ("error_deleting", "did not begin to delete it", "error_deleting"),
    "removing":   ("error_deleting", "whether it deleted it", "error_deleting"),
}  # fmt: skip


@pytest.fixture
async def views(tmp_path: Path) -> AsyncIterator[Views]:
    engine = read_models(tmp_path)
    opened = Views(engine)
    opened.engine = engine  # type: ignore[attr-defined]
    yield opened
    await opened.close()
    engine.dispose()


async def overdue(ring: Ring, views: Views) -> int:
    """How much is given up now, by a process that has seen nothing yet."""
    runner = Runner(views.engine, ring.store, PROJECTIONS, clock=ring.clock)  # type: ignore[attr-defined]
    await runner.catch_up()
    runner.close()
    return await give_up_overdue(Commands(ring.store), views, clock=ring.clock, allowed=ALLOWED)


def test_every_wait_of_a_snapshot_is_tried():
    assert GIVEN_UP.keys() == WAITS["snapshot"].keys()


@pytest.mark.parametrize("state", GIVEN_UP)
async def test_a_snapshot_that_nobody_goes_on_with_is_given_up_with_the_reason(views, state):
    ring = await a_ring_with_a_volume()
    at_first = ring.clock.now_s
    await ring.world.has_a_snapshot(in_state=state)
    ends, missed, in_the_end = GIVEN_UP[state]
    ring.clock.now_s = ALLOWED[WAITS["snapshot"][state].deadline] - 1
    assert at_first < ring.clock.now_s
    assert await overdue(ring, views) == 0
    ring.clock.now_s += 1
    assert await overdue(ring, views) == 1
    assert (await ring.the_snapshot()).state == ends
    told = [getattr(r.event, "reason", None) or "" for r in await ring.store.log(0, 1_000)]
    assert any(missed in each for each in told)
    await ring.world.assert_sound()
    await ring.go_on()
    assert (await ring.the_snapshot()).state == in_the_end
    assert await overdue(ring, views) == 0
    await ring.world.assert_sound()


async def test_a_volume_does_not_wait_for_its_snapshots_for_ever(views):
    ring = await a_ring_with_a_volume()
    await ring.world.has_a_snapshot()
    await ring.delete(cascade=True)
    ring.clock.now_s = ALLOWED["deletion"]
    assert await overdue(ring, views) == 2
    volume = await ring.volume()
    assert (volume.state, (await ring.the_snapshot()).state) == ("error_deleting",) * 2
    await ring.go_on()
    assert (await ring.volume()).version == volume.version
