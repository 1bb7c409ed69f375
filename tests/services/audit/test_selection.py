"""Choosing entries of the log."""

import pytest

from services.audit import access, selection
from services.audit.history import related
from services.audit.selection import Wanted, following, forever, newest
from tests.services.audit.auditing import FIRST
from tests.services.audit.deployment import MORNING, PROJECT, Deployment


@pytest.fixture
async def log(deployment: Deployment, monkeypatch):
    monkeypatch.setattr(selection, "WINDOW", 4)
    await deployment.history()
    async with access.open_store(deployment.settings) as (_, log):
        yield log


def positions(entries) -> list[int]:
    return [entry.position for entry in entries]


async def everything(log):
    return await log.after(0, 1000)


async def test_the_newest_are_the_end_of_the_log_in_order(log):
    whole = positions(await everything(log))
    for limit in (1, 3, 4, 5, 9, len(whole), 1000):
        assert positions(await newest(log, Wanted(), limit)) == whole[-limit:]
    assert positions(await newest(log, Wanted(), None)) == whole


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (Wanted(type="volume.placed"), lambda e: e.topic == "volume.placed.v2"),
        (Wanted(type="volume.*"), lambda e: e.topic.startswith("volume.")),
        (Wanted(type="*.re[sf]*"), lambda e: ".res" in e.topic or ".ref" in e.topic),
        (Wanted(aggregates=frozenset({FIRST})), lambda e: e.aggregate_id == FIRST),
        (Wanted(request_id="req-3"), lambda e: e.recorded.moment.request_id == "req-3"),
        (Wanted(project_id=PROJECT), lambda e: True),
        (Wanted(project_id="other"), lambda e: False),
        (
            Wanted(since=MORNING.replace(second=7)),
            lambda e: e.recorded.moment.at >= MORNING.replace(second=7),
        ),
        (
            Wanted(type="volume.*", since=MORNING.replace(second=7)),
            lambda e: e.topic.startswith("volume.") and e.recorded.moment.at.second >= 7,
        ),
    ],
)
async def test_only_what_is_wanted_comes_from_either_end(log, wanted, passes):
    due = positions(entry for entry in await everything(log) if passes(entry))
    assert positions(await newest(log, wanted, None)) == due
    assert positions(await newest(log, wanted, 2)) == due[-2:]
    assert positions([entry async for entry in following(log, wanted, 0)]) == due
    assert positions([entry async for entry in following(log, wanted, 0, 2)]) == due[:2]
    assert positions([entry async for entry in following(log, wanted, 9)]) == [
        position for position in due if position > 9
    ]


async def test_a_volume_is_wanted_with_its_quota(log):
    wanted = Wanted(aggregates=await related(log, FIRST))
    kinds = [entry.topic.partition(".")[0] for entry in await newest(log, wanted, None)]
    assert kinds == ["quota_reservation", *["volume"] * 4, "quota_reservation", "volume"]


async def test_following_goes_on_with_what_comes(deployment, log):
    end = await log.last_position()
    looks = 0

    async def pause() -> None:
        nonlocal looks
        looks += 1
        await deployment.renamed(FIRST, f"name {looks}")

    entries = forever(log, Wanted(type="volume.described"), end, pause)
    seen = [(await anext(entries)).position for _ in range(3)]
    assert seen == [end + 1, end + 2, end + 3]
