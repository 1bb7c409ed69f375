"""Commands about encryption: of types, and of volumes with their keys."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from adapters.event_store.memory import MemoryEventStore
from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType
from domain.encryption import Encryption
from domain.errors import InUse, InvalidRequest, LapilliError, NotAllowed, NotFound, OverQuota
from services.commands.encryption_key import FinishKeyDestruction, FinishKeyMaking
from services.commands.volume_type import (
    ChangeExtraSpecs,
    ChangeTypeEncryption,
    DeleteVolumeType,
    EncryptVolumeType,
    RemoveTypeEncryption,
)
from tests.services.commands.world import PATHS, STEPS, ReluctantStore, World
from tests.support.builders import a_moment, an_id

NOW = a_moment(60)
LUKS = Encryption(provider="luks", cipher="aes-xts-plain64", key_size=256)
KEY = key_of(an_id(1))


async def a_world(store: MemoryEventStore | None = None) -> World:
    """Whose default type is encrypted."""
    return await (await World(store).has_a_type()).has_encryption(LUKS)


async def the_type(world: World) -> VolumeType:
    return VolumeType.from_history(world.type_id, await world.store.events(world.type_id))


async def the_key(world: World, number: int = 1) -> EncryptionKey:
    id = key_of(an_id(number))
    return EncryptionKey.from_history(id, await world.store.events(id))


def change(id: UUID, **what: Any) -> ChangeTypeEncryption:
    return ChangeTypeEncryption(id=id, at=NOW, **what)


def made(key_id: str = "k") -> FinishKeyMaking:
    return FinishKeyMaking(id=KEY, key_id=key_id, at=NOW)


FAILED = FinishKeyMaking(id=KEY, failure="the key manager is sealed", at=NOW)
DESTROYED = FinishKeyDestruction(id=KEY, at=NOW)


# types


async def test_the_encryption_of_a_type_is_changed_in_parts_and_removed():
    world = await a_world()
    await world.run(change(world.type_id, cipher=None, control_location="back-end"))
    now = Encryption(provider="luks", control_location="back-end", key_size=256)
    assert (await the_type(world)).encryption == now
    await world.run(RemoveTypeEncryption(id=world.type_id, at=NOW))
    assert (await the_type(world)).encryption is None


REFUSED: list[tuple[str, Any, type[LapilliError]]] = [
    (
        "encrypted",
        lambda id: EncryptVolumeType(id=id, encryption_id=an_id(8), encryption=LUKS, at=NOW),
        InvalidRequest,
    ),
    ("encrypted", lambda id: change(id, key_size=7), InvalidRequest),
    ("encrypted", lambda id: change(id, provider=""), InvalidRequest),
    ("plain", lambda id: change(id, provider="luks2"), NotFound),
    ("plain", lambda id: RemoveTypeEncryption(id=id, at=NOW), NotFound),
    (
        "plain",
        lambda id: EncryptVolumeType(
            id=id, encryption_id=an_id(8), encryption=Encryption(provider=""), at=NOW
        ),
        InvalidRequest,
    ),
    (
        "plain",
        lambda id: EncryptVolumeType(id=an_id(99), encryption_id=an_id(8), encryption=LUKS, at=NOW),
        NotFound,
    ),
    ("in use", lambda id: change(id, provider="luks2"), InUse),
    ("in use", lambda id: RemoveTypeEncryption(id=id, at=NOW), InUse),
    (
        "plain and in use",
        lambda id: EncryptVolumeType(id=id, encryption_id=an_id(8), encryption=LUKS, at=NOW),
        InUse,
    ),
]


@pytest.mark.parametrize(("given", "command", "error"), REFUSED)
async def test_what_is_refused_changes_nothing(given, command, error):
    world = await (World().has_a_type() if "plain" in given else a_world())
    if "in use" in given:
        await world.run(world.creation())
    before = await world.store.last_position()
    for process in (world, world.another_process()):
        with pytest.raises(error):
            await process.run(command(world.type_id))
    assert await world.store.last_position() == before


async def test_a_type_that_was_in_use_can_be_changed_again():
    world = await a_world()
    await world.run(world.creation())
    await world.run(await STEPS["delete"](world, an_id(1)))
    await world.run(change(world.type_id, provider="luks2"))
    assert (await the_type(world)).encrypted().provider == "luks2"


async def test_the_same_encryption_again_records_nothing():
    world = await a_world()
    before = await world.store.last_position()
    await world.run(change(world.type_id, provider="luks"))
    await world.run(change(world.type_id))
    assert await world.store.last_position() == before


async def test_encryption_goes_with_its_type():
    world = await a_world()
    other = await World(world.store).has_a_type(name="other")
    await world.run(DeleteVolumeType(id=world.type_id, deployment_default="other", at=NOW))
    assert (await the_type(world)).state == "deleted"
    with pytest.raises(NotFound):
        await other.run(change(world.type_id, provider="luks2"))


@pytest.mark.parametrize("patience", [[], [1] * 30, [2, 0] * 30, [0, 3] * 30, [3, 1, 0] * 20])
async def test_of_a_volume_and_a_change_of_encryption_at_once_the_log_tells_one_story(patience):
    slowly: list[int] = []
    store = ReluctantStore(iter(lambda: slowly.pop() if slowly else 0, -1))
    world = await (await World(store).has_a_type()).has_encryption(LUKS)
    slowly.extend(patience)
    outcomes = await asyncio.gather(
        world.another_process().run(world.creation()),
        world.another_process().run(RemoveTypeEncryption(id=world.type_id, at=NOW)),
        return_exceptions=True,
    )
    assert all(isinstance(each, InUse | Volume | None) for each in outcomes), outcomes
    volume, volume_type = await world.volume(), await the_type(world)
    assert volume.encryption == volume_type.encryption
    assert (await the_key(world)).exists == (volume.encryption is not None)


# volumes


async def test_an_encrypted_volume_asks_for_its_key_in_the_very_append_that_creates_it():
    world = await a_world()
    appended: list[int] = []
    world.store.on_append(appended.append)
    assert await world.news(world.creation()) == [
        "quota_reservation.reserved",
        "volume.requested",
        "volume.encryption_fixed",
        "encryption_key.requested",
    ]
    assert len(appended) == 1
    key = await the_key(world)
    assert (key.volume_id, key.algorithm, key.bits) == (str(an_id(1)), "aes", 256)


async def test_a_volume_over_quota_asks_for_no_key():
    world = await a_world()
    with pytest.raises(OverQuota):
        await world.run(world.creation(size_gib=1000))
    assert not (await the_key(world)).exists
    assert not (await world.volume()).exists


async def test_a_volume_that_several_hosts_may_write_is_not_encrypted():
    world = await a_world()
    await world.run(ChangeExtraSpecs(id=world.type_id, set={"multiattach": "<is> True"}, at=NOW))
    before = await world.store.last_position()
    with pytest.raises(InvalidRequest, match="multiattach"):
        await world.run(world.creation())
    assert await world.store.last_position() == before


async def test_key_and_volume_tell_in_one_append_that_the_key_is_made():
    world = await a_world()
    await world.run(world.creation())
    with pytest.raises(NotAllowed):
        await world.run(await STEPS["place"](world, an_id(1)))
    assert await world.news(made()) == ["encryption_key.made", "volume.key_made"]
    assert await world.news(await STEPS["place"](world, an_id(1))) == ["volume.placed"]
    assert (await world.volume()).encryption_key_id == "k"


async def test_a_volume_without_a_key_is_in_error_with_the_reason_and_paid_for():
    world = await a_world()
    await world.run(world.creation())
    assert await world.news(FAILED) == [
        "encryption_key.making_failed",
        "volume.key_failed",
        "quota_reservation.committed",
    ]
    assert (await world.volume()).state == "error"
    assert (await the_key(world)).state == "destroying"
    await world.run(await STEPS["delete"](world, an_id(1)))
    await world.assert_sound()
    assert await world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}


@pytest.mark.parametrize("second", [made("k"), made("other"), FAILED])
async def test_whoever_comes_second_with_a_key_is_refused(second):
    for first in (made(), FAILED):
        world = await a_world()
        await world.run(world.creation())
        await world.run(first)
        before = await world.verbs()
        for process in (world, world.another_process()):
            with pytest.raises(NotAllowed):
                await process.run(second)
        assert await world.verbs() == before


async def test_a_key_goes_in_the_append_that_ends_its_volume_and_not_before():
    world = await a_world()
    await world.run(world.creation())
    await world.run(made())
    for step in [*PATHS["removing"]]:
        assert not any("destr" in verb for verb in await world.verbs())
        await world.run(await step(world, an_id(1)))
    assert await world.news(await STEPS["not gone"](world, an_id(1))) == ["volume.deletion_failed"]
    assert (await the_key(world)).state == "available"
    for name in ("force", "remove"):
        await world.run(await STEPS[name](world, an_id(1)))
    assert await world.news(await STEPS["gone"](world, an_id(1))) == [
        "volume.deleted",
        "quota_reservation.released",
        "encryption_key.destruction_requested",
    ]
    assert await world.news(DESTROYED) == ["encryption_key.destroyed"]


async def test_a_volume_deleted_while_its_key_is_made_lets_the_key_go():
    world = await a_world()
    await world.run(world.creation())
    assert await world.news(await STEPS["delete"](world, an_id(1))) == [
        "volume.deletion_requested",
        "volume.deleted",
        "quota_reservation.rolled_back",
        "encryption_key.destruction_requested",
    ]
    with pytest.raises(NotAllowed):
        await world.run(made())


async def test_a_volume_that_is_not_encrypted_has_no_key():
    world = await World().has_a_type()
    await world.run(world.creation())
    assert not (await the_key(world)).exists
    with pytest.raises(NotAllowed):
        await world.run(made())
