"""Why a volume is where it is: from the log alone."""

import pytest

from domain.errors import NotFound
from domain.placement import Rules
from services.audit import access
from services.audit.why import explain
from services.commands.volume import FinishProvisioning, PlaceVolume, StartProvisioning
from tests.services.audit.deployment import POOL, an_id
from tests.support.builders import a_pool


@pytest.fixture
async def log(deployment):
    async with access.open_store(deployment.settings) as (_, log):
        yield log


async def placed(deployment, id, pools):
    command = {"id": id, "pools": pools, "rules": Rules(), "max_attempts": 2}
    await deployment.run(PlaceVolume, by="system:placement", **command)


async def failed(deployment, id, reason):
    by = "system:provisioning"
    attempt = await deployment.run(StartProvisioning, by=by, id=id, worker="w")
    outcome = {"id": id, "attempt": attempt, "failure": reason, "elsewhere": True}
    await deployment.run(FinishProvisioning, by=by, **outcome)


async def test_every_attempt_is_told_with_what_its_backend_said(deployment, log):
    id = await deployment.requested(1)
    pools = [
        a_pool("h@a#p", total_gib=9),
        a_pool("h@b#p", total_gib=5),
        a_pool("h@c#p", total_gib=0),
    ]
    await placed(deployment, id, pools)
    await failed(deployment, id, "the shelf is full")
    await placed(deployment, id, pools)
    told = await explain(log, id)
    first, second = told.placements
    assert (first.number, first.most, first.host) == (1, 2, "h@a#p")
    assert (first.outcome, first.said) == ("failed, another backend shall try", "the shelf is full")
    assert (second.number, second.host) == (2, "h@b#p")
    assert second.outcome == "waits for its backend"
    refusals = {v.pool: (v.refused_by, v.reason) for v in second.decision.candidates}
    assert refusals["h@a#p"] == ("IgnoreAttemptedHostsFilter", "was tried: the shelf is full")
    await failed(deployment, id, "no power")
    told = await explain(log, id)
    assert told.state == "error"
    assert [each.said for each in told.placements] == ["the shelf is full", "no power"]


async def test_a_volume_that_fits_nowhere_says_so(deployment, log):
    id = await deployment.requested(1, size_gib=20)
    await placed(deployment, id, [a_pool("h@a#p", total_gib=9)])
    [only] = (await explain(log, id)).placements
    assert (only.host, only.outcome) == (None, "no place")
    assert "20 GiB asked, 9.0 GiB left" in (only.said or "")


async def test_what_was_made_is_told_as_made_whatever_happened_since(deployment, log):
    id = await deployment.available(1)
    await deployment.deleted(id)
    told = await explain(log, id)
    [only] = told.placements
    assert (only.outcome, only.host, told.state) == ("made", POOL.name, "deleted")


async def test_only_volumes_are_explained(deployment, log):
    for id in (an_id(9), deployment.volume_type):
        with pytest.raises(NotFound):
            await explain(log, id)
