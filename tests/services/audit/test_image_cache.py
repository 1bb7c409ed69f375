"""Verify holds kept images against the volumes that keep them: every damage is named."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest

from domain.aggregates import image_cache, volume
from domain.aggregates.image_cache import Limits, cache_id, entry_volume_id
from domain.aggregates.volume import caching, resetting
from domain.event import Event, Recorded
from services.audit.image_cache import beyond, leaving, ties
from services.audit.objects import Backend
from services.audit.replay import Replay
from services.audit.report import KINDS
from services.audit.stored import Entry, LogOfStore
from services.commands.image_cache import EvictCachedImage, WantCachedImage
from services.commands.volume import FinishProvisioning, PlaceVolume, StartProvisioning
from services.commands.volume_reset import ResetVolume
from tests.services.audit import deployment as deployed
from tests.services.audit.auditing import audit
from tests.services.audit.deployment import POOL, Deployment
from tests.services.audit.test_damage import appended
from tests.services.commands.world import World, made, place, start
from tests.support.builders import AN_IMAGE, HOST, PROJECT, a_moment, an_id

PLAIN, WANTED = an_id(1), an_id(2)
KEPT = entry_volume_id(WANTED)
BACKEND = HOST.partition("#")[0]
CACHE = cache_id(BACKEND)
OTHER = msgspec.structs.replace(AN_IMAGE, id="another")


def an_entry(kept_by: UUID, *, image=AN_IMAGE, size_gib: int = 1) -> image_cache.EntryWanted:
    return image_cache.EntryWanted(
        host=BACKEND, volume_id=str(kept_by), image=image, size_gib=size_gib
    )


async def a_kept_image() -> World:
    """For a volume that waits for it; there is another volume, without an image."""
    world = await World().has_a_type()
    await world.has_a_volume(in_state="available", number=1)
    await world.has_a_volume(in_state="placed", number=2, image=AN_IMAGE)
    limits = Limits(max_count=1)
    await world.run(
        WantCachedImage(id=WANTED, project_id=PROJECT, size_gib=1, limits=limits, at=a_moment())
    )
    for step in (place, start, made):
        await world.run(await step(world, KEPT))
    return world


async def replayed(world: World, id: UUID = KEPT, events: Sequence[Event] = ()) -> Replay:
    """Its log, to which somebody has added these events of one aggregate."""
    replay = Replay()
    for entry in await LogOfStore(world.store).after(0, 10_000):
        replay.take(entry)
    known = await world.store.events(id)
    for number, event in enumerate(events, 1):
        version, at = len(known) + number, a_moment(100)
        recorded = Recorded(aggregate_id=id, version=version, event=event, moment=at)
        replay.take(
            Entry(
                position=replay.position + 1,
                aggregate_id=id,
                version=version,
                topic=event.topic,
                recorded=recorded,
            )
        )
    return replay


DAMAGES: dict[str, tuple[UUID, Sequence[Event], str, UUID]] = {
    "a volume that is not there": (
        CACHE, [an_entry(an_id(99), image=OTHER)], "image_cache.entry", an_id(99)
    ),
    "a volume of another image": (
        CACHE, [an_entry(PLAIN, image=OTHER)], "image_cache.entry", PLAIN
    ),
    "another size": (CACHE, [an_entry(KEPT, size_gib=7)], "image_cache.entry", KEPT),
    "a volume that is gone": (
        KEPT,
        [
            volume.DeletionRequested(host=HOST, forced=False),
            volume.Deleted(host=HOST, project_id=PROJECT, size_gib=1),
        ],
        "image_cache.entry",
        KEPT,
    ),
    "a volume in error": (KEPT, [resetting.ResetToError()], "image_cache.entry", KEPT),
    "a volume that nobody knows to keep one": (
        PLAIN, [caching.ImageKept(host=HOST, image_id="i")], "image_cache.stray", PLAIN
    ),
    "a cache that has forgotten one": (
        CACHE,
        [
            image_cache.EntryEvicted(
                host=BACKEND, image_id=AN_IMAGE.id, volume_id=str(KEPT), reason="room"
            )
        ],
        "image_cache.stray",
        KEPT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
async def test_damage_is_named(what):
    id, events, kind, whose = DAMAGES[what]
    world = await a_kept_image()
    assert [*ties(await replayed(world))] == []
    found = [(each.kind, each.id) for each in ties(await replayed(world, id, events))]
    assert found == [(kind, str(whose))]
    assert kind in KINDS


async def test_what_keeps_its_image_no_longer_is_on_its_way_out_until_it_is_evicted():
    world = await a_kept_image()
    await world.run(ResetVolume(id=KEPT, project_id=None, status="error", at=a_moment()))
    replay = await replayed(world)
    assert [*ties(replay)] == [] and [each.volume_id for each in leaving(replay)] == [KEPT]
    await world.run(EvictCachedImage(id=KEPT, backend=BACKEND, reason="lost", at=a_moment()))
    replay = await replayed(world)
    assert [*ties(replay)] == [] == [*leaving(replay)]


@pytest.mark.parametrize(
    ("limits", "noted"),
    [
        (None, False),
        (Limits(), False),
        (Limits(max_count=2, max_gib=2), False),
        (Limits(max_count=1), True),
        (Limits(max_gib=1), True),
    ],
)
async def test_more_than_is_allowed_now_is_noted(limits, noted):
    replay = await replayed(await a_kept_image(), CACHE, [an_entry(an_id(3), image=OTHER)])
    backend = Backend(host=BACKEND, pools=[], driver=None, keeps=limits)
    assert [each.id for each in beyond(replay, [backend])] == [BACKEND] * noted


async def test_verify_tells_of_all_that(deployment: Deployment):
    backend = deployed.HOST.partition("#")[0]
    wants = await deployment.requested(2, image=AN_IMAGE)
    kept = entry_volume_id(wants)
    await deployment.run(PlaceVolume, id=wants, pools=[POOL])
    await deployment.run(WantCachedImage, id=wants, project_id=PROJECT, size_gib=1, limits=Limits())
    await deployment.run(PlaceVolume, id=kept, pools=[POOL])
    await deployment.run(StartProvisioning, id=kept, worker="w")
    await deployment.driver.create_volume(deployment.spec(kept))
    await deployment.run(FinishProvisioning, id=kept, attempt=1)
    await deployment.projected()
    assert (await audit(deployment)).findings == []
    await deployment.run(ResetVolume, id=kept, project_id=None, status="error")
    await deployment.projected()
    named = f"volume {kept}"
    assert named in [note.id for note in (await audit(deployment)).notes if note.kind == "rest"]
    assert named in [each.id for each in (await audit(deployment, at_rest=True)).findings]
    entry = msgspec.structs.replace(an_entry(an_id(99), image=OTHER), host=backend)
    appended(cache_id(backend), 2, entry)(deployment)
    limited = Backend(host=backend, pools=[], driver=None, keeps=Limits(max_count=1))
    report = await audit(deployment, backends=[limited])
    assert ("image_cache.entry", str(an_id(99))) in [(f.kind, f.id) for f in report.findings]
    assert (report.exit_code, backend in [note.id for note in report.notes]) == (1, True)
