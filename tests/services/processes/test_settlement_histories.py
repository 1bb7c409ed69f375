"""After any history of operations, deaths and settlements the ledger is right."""

import asyncio
import itertools
from collections.abc import Sequence
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates.volume import extension
from domain.aggregates.volume.under_way import Extension
from domain.errors import LapilliError
from domain.quota import GIGABYTES
from services.commands.settling import SettleReservation
from tests.services.commands.world import STEPS, World
from tests.services.processes.holding import (
    HELD,
    HOUR_S,
    Decision,
    Extending,
    begun,
    committed,
    failed,
    placed,
    rolled_back,
    started,
    succeeded,
)
from tests.support.builders import a_moment, an_id

STARTED_ANEW = ("hold", "begin", "place", "start")
PHRASES: Sequence[Sequence[str]] = [
    *((choice,) for choice in STARTED_ANEW),
    *((choice,) for choice in ("succeed", "succeed and die", "fail", "fail and die", "settle")),
    *((choice,) for choice in ("delete", "force", "remove", "gone", "not gone", "an hour passes")),
    ("hold", "begin"),
    STARTED_ANEW,
    (*STARTED_ANEW, "succeed"),
    (*STARTED_ANEW, "succeed and die"),
    ("force", "remove"),
]
DECISIONS: dict[str, Sequence[Decision]] = {
    "begin": [begun],
    "place": [placed],
    "start": [started],
    "succeed": [succeeded, committed],
    "succeed and die": [succeeded],
    "fail": [failed, rolled_back],
    "fail and die": [failed],
}


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PHRASES), max_size=20))
def test_after_any_history_the_ledger_is_the_sum_of_the_log_and_of_what_is_there(history):
    asyncio.run(_lived(list(itertools.chain(*history))))


async def _lived(history: Sequence[str]) -> None:
    world = await (await World().has_a_type()).has_a_volume(in_state="available")
    work = Extending(world.store)
    taken: list[UUID] = []

    async def settle_all() -> None:
        for id in taken:
            command = SettleReservation(id=id, at=a_moment(work.now_s))
            await world.another_process().run(command)

    async def choose(choice: str) -> None:
        match choice:
            case "hold":
                work.id = UUID(int=HELD.int + len(taken))
                await work.hold()
                taken.append(work.id)
            case "settle":
                await settle_all()
            case "an hour passes":
                work.now_s += HOUR_S
            case _ if choice in DECISIONS:
                under_way = (await world.volume()).under_way
                if isinstance(under_way, Extension):  # what was held since is for another one
                    work.id = UUID(under_way.reservation_id)
                await work.decide(*DECISIONS[choice])
            case _:
                await world.run(await STEPS[choice](world, an_id(1)))

    for choice in history:
        try:
            await choose(choice)
        except LapilliError:
            continue  # not possible there; it must have changed nothing
    work.now_s += HOUR_S
    await settle_all()
    await world.assert_sound()
    volume = await world.volume()
    there = 0 if volume.state == "deleted" else volume.size_gib
    wanted = extension.under_way(volume).new_size_gib - there if volume.under_way else 0
    assert (await world.usage())[GIGABYTES] == (there, wanted)
