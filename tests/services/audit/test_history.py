"""What happened to one thing, why, and how it was then."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from domain.aggregates.volume import Source, SourceClaimed, Volume
from domain.errors import InvalidRequest, NotFound
from services.audit import access
from services.audit.history import find, find_volume, history, related, state_at
from services.audit.stored import LogOfStore
from services.audit.wording import details
from tests.services.audit.auditing import FIRST
from tests.services.audit.deployment import MORNING, Deployment, an_id


@pytest.fixture
async def log(deployment: Deployment):
    async with access.open_store(deployment.settings) as (_, log):
        yield log


async def test_a_volume_tells_everything_with_causes_states_and_durations(deployment, log):
    id = await deployment.available(3)
    await deployment.deleted(id)
    told = await history(log, id)
    assert [(line.entry.topic, line.state, line.follows) for line in told.lines] == [
        ("quota_reservation.reserved.v1", "reserved", None),
        ("volume.requested.v2", "requested", None),
        ("volume.placed.v2", "placed", 2),
        ("volume.provisioning_started.v1", "provisioning", 3),
        ("volume.provisioned.v1", "available", 3),
        ("quota_reservation.committed.v1", "committed", 3),
        ("volume.deletion_requested.v1", "deleting", None),
        ("volume.deletion_started.v1", "removing", None),
        ("volume.deleted.v1", "deleted", None),
        ("quota_reservation.released.v1", "released", None),
    ]
    assert [line.after for line in told.lines[:4]] == [
        None,
        timedelta(0),
        timedelta(seconds=1),
        timedelta(seconds=1),
    ]
    assert told.aggregate.state == "deleted"


def test_what_a_volume_is_made_from_is_told_in_few_words():
    source = Source(kind="snapshot", id=str(an_id(7)), size_gib=1, volume_id=str(an_id(8)))
    assert details(SourceClaimed(source=source)) == f"from snapshot {str(an_id(7))[:8]}"


async def test_any_aggregate_has_a_history(deployment, log):
    await deployment.history()
    told = await history(log, deployment.volume_type)
    assert [line.entry.topic for line in told.lines] == ["volume_type.created.v1"]


async def test_what_cannot_be_read_is_shown_as_such(deployment, log):
    await deployment.history()
    table = deployment.events
    which = (table.c.originator_id == FIRST) & (table.c.originator_version == 3)
    deployment.tamper(lambda c: c.execute(update(table).where(which).values(topic="x.y.v1")))
    told = await history(log, FIRST)
    [unread] = [line for line in told.lines if line.entry.recorded is None]
    assert unread.entry.problem == "UnknownEvent: cannot read events of type x.y.v1"
    assert len(told.lines) == 7
    with pytest.raises(InvalidRequest, match="version 3"):
        await state_at(log, FIRST)


async def test_what_never_was_has_no_history(deployment, log):
    with pytest.raises(NotFound):
        await history(log, an_id(1))


async def test_the_state_at_any_version_and_time(deployment, log):
    id = await deployment.available(1)
    await deployment.renamed(id, "later")
    states = []
    for version in (1, 2, 3, 4, 5):
        aggregate, last = await state_at(log, id, version)
        assert last.version == version
        assert isinstance(aggregate, Volume)
        states.append((aggregate.state, aggregate.name))
    assert states == [
        ("requested", "data"),
        ("placed", "data"),
        ("provisioning", "data"),
        ("available", "data"),
        ("available", "later"),
    ]
    # every command took a second, the first of them made the volume type
    assert (await state_at(log, id, MORNING + timedelta(seconds=3.5)))[0].state == "placed"
    assert (await state_at(log, id))[0] == (await state_at(log, id, 5))[0]


@pytest.mark.parametrize("at", [6, MORNING])
async def test_there_is_no_state_where_nothing_was(deployment, log, at):
    id = await deployment.available(1)
    await deployment.renamed(id, "later")
    with pytest.raises(NotFound):
        await state_at(log, id, at)


async def test_an_id_may_be_shortened_while_it_fits_one_only(deployment, log):
    await deployment.history()
    whole = str(FIRST)
    for words in (whole, whole.upper(), whole.replace("-", ""), whole[:8], f" {whole[:10]} "):
        assert await find(log, words) == FIRST
    with pytest.raises(InvalidRequest, match="fits several"):
        await find(log, "0000")
    with pytest.raises(NotFound):
        await find(log, "00000009")


@pytest.mark.parametrize("words", ["", "000", "first", "0000000g", "0" * 33])
async def test_what_is_no_id_is_refused(deployment, log, words):
    with pytest.raises(InvalidRequest, match="is not an id"):
        await find(log, words)


async def test_a_volume_is_found_by_a_name_that_it_has_or_once_had(deployment, log):
    await deployment.history()
    assert await find_volume(log, "first") == await find_volume(log, "renamed") == FIRST
    assert await find_volume(log, str(FIRST)[:8]) == FIRST
    with pytest.raises(InvalidRequest, match="'data' named 2 volumes"):
        await find_volume(log, "data")
    with pytest.raises(NotFound, match="never heard of"):
        await find_volume(log, "never heard of")


async def test_a_store_of_any_kind_can_be_asked(deployment, log):
    await deployment.history()
    simple = LogOfStore(deployment.store)
    assert await find(simple, str(FIRST)[:8]) == FIRST
    assert await history(simple, FIRST) == await history(log, FIRST)
    assert await simple.after(0, 100) == await log.after(0, 100)
    assert await related(simple, FIRST) == await related(log, FIRST)
