"""Verify holds keys against the log: every damage is named, and nothing else is."""

from collections.abc import Awaitable, Callable

import pytest

from domain.aggregates import encryption_key, volume
from domain.aggregates.encryption_key import key_of
from domain.aggregates.volume import encryption
from domain.encryption import Encryption
from domain.errors import Unavailable
from services.audit import history
from services.commands.volume import DeleteVolume
from tests.services.audit.auditing import audit, parts_of
from tests.services.audit.deployment import PROJECT, Deployment, an_id
from tests.services.audit.test_damage import appended
from tests.support.around import around

SECRET, PLAIN = an_id(21), an_id(22)
NAME = str(key_of(SECRET))


async def an_encrypted_volume(deployment: Deployment) -> None:
    """It waits for its place, and has its key; another one is not encrypted."""
    await deployment.requested(22)
    await deployment.encrypted(21)
    await deployment.projected()


async def deleted(deployment: Deployment) -> None:
    await deployment.run(DeleteVolume, id=SECRET, project_id=PROJECT)


async def test_volumes_with_their_keys_are_sound_from_the_first_to_the_last(deployment):
    await an_encrypted_volume(deployment)
    report = await audit(deployment)
    assert (report.findings, report.unchecked, report.compared["keys"]) == ([], [], 1)
    assert report.aggregates["encryption_key"] == 1
    await deleted(deployment)
    report = await audit(deployment)
    assert report.findings == []
    assert f"encryption_key {NAME}" in {note.id for note in report.notes if note.kind == "rest"}
    await deployment.key_destroyed(SECRET)
    report = await audit(deployment)
    assert (report.findings, report.compared["keys"]) == ([], 0)


async def test_the_history_of_a_volume_tells_of_its_key(deployment):
    await an_encrypted_volume(deployment)
    async with parts_of(deployment) as parts:
        told = await history.history(parts.log, SECRET)
    verbs = [line.entry.topic for line in told.lines]
    assert "encryption_key.requested.v3" in verbs and "encryption_key.made.v1" in verbs


Damage = Callable[[Deployment], Awaitable[None]]


async def a_lost_key(deployment: Deployment) -> None:
    await deployment.keys.delete(NAME)


async def a_stray_key(deployment: Deployment) -> None:
    await deployment.keys.create_key(str(an_id(99)), algorithm="aes", bits=256)


async def a_key_of_a_volume_that_is_gone(deployment: Deployment) -> None:
    await deleted(deployment)
    await deployment.key_destroyed(SECRET)
    await deployment.keys.create_key(NAME, algorithm="aes", bits=256)


async def a_volume_that_has_another_key(deployment: Deployment) -> None:
    appended(SECRET, 4, encryption.KeyMade(encryption_key_id="other"))(deployment)


async def a_volume_without_a_key(deployment: Deployment) -> None:
    fixed = encryption.EncryptionFixed(encryption=Encryption(provider="luks"))
    appended(PLAIN, 2, fixed)(deployment)


async def a_key_that_goes_before_its_volume(deployment: Deployment) -> None:
    event = encryption_key.DestructionRequested(volume_id=str(SECRET), key_id=NAME)
    appended(key_of(SECRET), 3, event)(deployment)


async def a_key_that_outlives_its_volume(deployment: Deployment) -> None:
    event = volume.DeletionRequested(host=None, forced=False)
    appended(SECRET, 4, event)(deployment)
    gone = volume.Deleted(host=None, project_id=PROJECT, size_gib=1)
    appended(SECRET, 5, gone)(deployment)


async def a_key_of_a_plain_volume(deployment: Deployment) -> None:
    event = encryption_key.Requested(
        volume_id=str(PLAIN),
        project_id=PROJECT,
        algorithm="aes",
        bits=256,
        cloned_from=None,
        owner_kind="volume",
        owner=str(PLAIN),
    )
    appended(key_of(PLAIN), 1, event)(deployment)


DAMAGES = [
    (a_lost_key, "key.missing", str(SECRET)),
    (a_stray_key, "key.orphan", str(an_id(99))),
    (a_key_of_a_volume_that_is_gone, "key.orphan", NAME),
    (a_volume_that_has_another_key, "key.tie", str(SECRET)),
    (a_volume_without_a_key, "key.tie", str(PLAIN)),
    (a_key_that_goes_before_its_volume, "key.tie", str(SECRET)),
    (a_key_that_outlives_its_volume, "key.tie", str(SECRET)),
    (a_key_of_a_plain_volume, "key.tie", str(key_of(PLAIN))),
]


@pytest.mark.parametrize(("damage", "kind", "whose"), DAMAGES)
async def test_damage_is_named(deployment, damage: Damage, kind, whose):
    await an_encrypted_volume(deployment)
    await damage(deployment)
    report = await audit(deployment)
    found = [(each.kind, each.id) for each in report.findings if each.kind.startswith("key.")]
    assert found == [(kind, whose)]
    assert report.exit_code == 1


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_keys_that_come_and_go_while_it_looks_are_no_findings(deployment, moment):
    await an_encrypted_volume(deployment)
    happened: list[str] = []

    async def meanwhile(method: str) -> None:
        if not happened:
            happened.append(method)
            await deployment.requested(23)
            await deployment.key_made(an_id(23))
            await deleted(deployment)
            await deployment.key_destroyed(SECRET)

    report = await audit(deployment, keys=around(deployment.keys, **{moment: meanwhile}))
    assert (report.findings, happened) == ([], ["keys"])


async def test_a_key_manager_that_is_away_could_not_be_checked(deployment):
    await an_encrypted_volume(deployment)

    async def away(method: str) -> None:
        raise Unavailable(part="key manager", reason="sealed")

    report = await audit(deployment, keys=around(deployment.keys, before=away))
    assert report.exit_code == 2
    assert [(note.kind, note.detail) for note in report.unchecked] == [("keys", "sealed")]
