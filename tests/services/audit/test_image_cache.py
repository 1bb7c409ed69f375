"""Verify holds kept images against the volumes that keep them: every damage is named."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest

from domain.aggregates import image_cache, volume
from domain.aggregates.image_cache import Limits, cache_id, entry_volume_id
from domain.aggregates.volume import caching, resetting
from domain.event import Event
from services.audit.objects import Backend
from services.audit.report import KINDS, Report
from services.commands.creation import CreateVolume
from services.commands.image_cache import EvictCachedImage, WantCachedImage
from services.commands.volume import FinishProvisioning, PlaceVolume, StartProvisioning
from services.commands.volume_reset import ResetVolume
from tests.services.audit.auditing import audit
from tests.services.audit.deployment import HOST, POOL, PROJECT, WORKER, Deployment, an_id
from tests.services.audit.test_damage import appended
from tests.support.builders import AN_IMAGE

WANTED, PLAIN = an_id(31), an_id(32)
KEPT = entry_volume_id(WANTED)
BACKEND = HOST.partition("#")[0]
CACHE = cache_id(BACKEND)
OTHER = msgspec.structs.replace(AN_IMAGE, id="another")


async def a_kept_image(deployment: Deployment) -> None:
    """A volume waits for it, another one is not made from it."""
    await deployment.available(32)
    await deployment.run(
        CreateVolume,
        id=WANTED,
        project_id=PROJECT,
        user_id="ann",
        size_gib=2,
        name=None,
        description=None,
        metadata={},
        volume_type_id=deployment.volume_type,
        availability_zone=None,
        known_zones=frozenset(),
        image=AN_IMAGE,
    )
    await deployment.run(PlaceVolume, by="system:placement", id=WANTED, pools=[POOL])
    await deployment.run(
        WantCachedImage,
        by="system:provisioning",
        id=WANTED,
        project_id=PROJECT,
        size_gib=1,
        limits=Limits(),
    )
    await deployment.run(PlaceVolume, by="system:placement", id=KEPT, pools=[POOL])
    await deployment.run(StartProvisioning, by="system:provisioning", id=KEPT, worker=WORKER)
    await deployment.driver.create_volume(deployment.spec(KEPT))
    await deployment.run(FinishProvisioning, by="system:provisioning", id=KEPT, attempt=1)
    await deployment.projected()


async def version(deployment: Deployment, id: UUID) -> int:
    return len(await deployment.store.events(id))


def named(report: Report) -> list[tuple[str, str]]:
    """Of what concerns kept images."""
    return [(each.kind, each.id) for each in report.findings if "image_cache" in each.kind]


async def test_what_is_kept_is_sound_until_it_has_gone(deployment):
    await a_kept_image(deployment)
    assert (await audit(deployment)).findings == []
    await deployment.run(ResetVolume, id=KEPT, project_id=None, status="error")
    await deployment.projected()
    report = await audit(deployment)
    assert report.findings == []
    assert f"volume {KEPT}" in [note.id for note in report.notes if note.kind == "rest"]
    assert "rest.not" in {each.kind for each in (await audit(deployment, at_rest=True)).findings}
    await deployment.run(EvictCachedImage, id=KEPT, backend=BACKEND, reason="lost")
    report = await audit(deployment)
    assert report.findings == []
    assert f"volume {KEPT}" not in [note.id for note in report.notes if note.kind == "rest"]


def an_entry(kept_by: UUID, *, image=AN_IMAGE, size_gib: int = 1) -> image_cache.EntryWanted:
    return image_cache.EntryWanted(
        host=BACKEND, volume_id=str(kept_by), image=image, size_gib=size_gib
    )


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
async def test_damage_is_named(deployment, what):
    await a_kept_image(deployment)
    id, events, kind, whose = DAMAGES[what]
    for number, event in enumerate(events, await version(deployment, id) + 1):
        appended(id, number, event)(deployment)
    report = await audit(deployment)
    assert named(report) == [(kind, str(whose))]
    assert kind in KINDS and report.exit_code == 1


@pytest.mark.parametrize(
    ("limits", "noted"),
    [
        (Limits(), False),
        (Limits(max_count=2, max_gib=2), False),
        (Limits(max_count=1), True),
        (Limits(max_gib=1), True),
    ],
)
async def test_more_than_is_allowed_now_is_noted(deployment, limits, noted):
    await a_kept_image(deployment)
    entry = an_entry(KEPT, image=OTHER)
    appended(CACHE, await version(deployment, CACHE) + 1, entry)(deployment)
    backend = Backend(host=BACKEND, pools=[], driver=None, keeps=limits)
    report = await audit(deployment, backends=[backend])
    assert (BACKEND in [note.id for note in report.notes if note.kind == "image_cache"]) is noted
