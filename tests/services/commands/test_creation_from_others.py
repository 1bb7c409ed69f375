"""Volumes made from others: what may be asked, what is claimed, and what a copy has of them."""

from typing import Any

import pytest

from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Source, Volume, properties, sourcing
from domain.encryption import Encryption
from domain.errors import InUse, InvalidRequest, LapilliError, NotAllowed, NotFound
from services.commands.copying import CopyRules
from services.commands.encryption_key import FinishKeyMaking
from services.commands.extension import ExtendVolume
from services.commands.migration import MigrateVolume
from services.commands.volume import DeleteVolume
from services.commands.volume_properties import ChangeImageMetadata, SetBootable
from services.commands.volume_type import CreateVolumeType, EncryptVolumeType
from tests.services.commands.world import PATHS, World
from tests.support.builders import (
    HOST,
    PROJECT,
    THERE,
    TURNS,
    ZONE,
    a_moment,
    a_request,
    a_snapshot,
    a_snapshot_request,
    a_volume,
    an_id,
    with_quota,
)

SNAPSHOT, OTHER = an_id(0x51), an_id(0x7E)
FROM: dict[str, dict[str, Any]] = {
    "volume": {"source_volume_id": an_id(1)},
    "snapshot": {"snapshot_id": SNAPSHOT},
}
LUKS = Encryption(provider="luks", key_size=256)
OWN: dict[str, Any] = {"id": an_id(1), "project_id": PROJECT, "at": a_moment()}
every_kind = pytest.mark.parametrize("kind", list(FROM))


async def a_world(*, in_state: str = "available", encrypted: bool = False) -> World:
    """A volume of 2 GiB."""
    world = await World().has_a_type()
    if encrypted:
        await world.has_encryption(LUKS)
        await world.run(world.creation(1))
        await world.run(FinishKeyMaking(id=key_of(an_id(1)), key_id="key-1", at=a_moment()))
        for step in PATHS[in_state]:
            await world.run(await step(world, an_id(1)))
        return world
    return await world.has_a_volume(in_state=in_state)


async def snapshot(world: World, *, in_state: str = "available") -> Snapshot:
    """Of the volume."""
    made = a_snapshot_request(SNAPSHOT.int, of=await world.volume())
    for turn in TURNS[in_state]:
        turn(made)
    await world.store.append(with_quota(made))
    return made


async def another_type(world: World, *, encryption: Encryption | None = None, **specs: str) -> None:
    await world.run(
        CreateVolumeType(
            id=OTHER, name="other", description=None, is_public=True, extra_specs=specs,
            at=a_moment(),
        )
    )  # fmt: skip
    if encryption is not None:
        await world.run(
            EncryptVolumeType(
                id=OTHER, encryption_id=an_id(0xEC), encryption=encryption, at=a_moment()
            )
        )


async def copied(world: World, kind: str, **changes: Any) -> Volume:
    """The copy that is asked for."""
    asked = {"size_gib": None, "volume_type_id": None, **FROM[kind], **changes}
    await world.run(world.creation(2, **asked))
    return await world.volume(2)


@every_kind
async def test_a_copy_is_what_its_source_is_unless_something_else_is_asked(kind):
    world = await a_world()
    await world.run(SetBootable(bootable=True, **OWN))
    await world.run(ChangeImageMetadata(set={"os": "debian"}, **OWN))
    await snapshot(world)
    copy = await copied(world, kind)
    source = FROM[kind]["source_volume_id" if kind == "volume" else "snapshot_id"]
    assert copy.source == Source(
        kind=kind, id=str(source), size_gib=2, volume_id=str(an_id(1)), host=HOST
    )
    assert (copy.size_gib, copy.zones) == (2, [ZONE])
    assert copy.volume_type_id == str(world.type_id)
    assert (copy.bootable, copy.image_metadata) == (True, {"os": "debian"})
    assert await world.store.dependents(source) == {
        **({SNAPSHOT: "snapshot"} if kind == "volume" else {}),
        an_id(2): "copy",
    }


async def test_a_copy_of_a_snapshot_boots_as_the_volume_did_when_that_was_taken():
    world = await a_world()
    await world.run(SetBootable(bootable=True, **OWN))
    await world.run(ChangeImageMetadata(set={"os": "debian"}, **OWN))
    await snapshot(world)
    await world.run(SetBootable(bootable=False, **OWN))
    await world.run(ChangeImageMetadata(set={"os": "plan9"}, **OWN))
    copy = await copied(world, "snapshot")
    assert (copy.bootable, copy.image_metadata) == (True, {"os": "debian"})


async def test_of_a_snapshot_that_does_not_say_so_a_copy_boots_as_its_volume_does_now():
    copy, volume = a_request(2), a_volume()
    taken = a_snapshot(of=volume)
    taken.bootable = taken.image_metadata = None  # as an older version wrote it
    properties.set_bootable(volume, True, a_moment())
    properties.change_image_metadata(volume, {"os": "debian"}, a_moment())
    sourcing.begin(copy, taken, volume, a_moment())
    assert (copy.bootable, copy.image_metadata) == (True, {"os": "debian"})


async def test_of_a_volume_that_grew_its_snapshot_is_as_it_was():
    world = await a_world()
    await snapshot(world)
    larger = await copied(world, "snapshot", size_gib=7)
    assert larger.size_gib == 7
    assert larger.source is not None and larger.source.size_gib == 2


REFUSED: dict[str, tuple[str, dict[str, Any], type[LapilliError], str]] = {
    "a smaller one": ("volume", {"size_gib": 1}, InvalidRequest, "2 GiB at least"),
    "a smaller one of a snapshot": ("snapshot", {"size_gib": 1}, InvalidRequest, "2 GiB at least"),
    "of both": ("volume", FROM["snapshot"], InvalidRequest, "not from both"),
    "of nothing there": ("volume", {"source_volume_id": an_id(9)}, NotFound, "Volume"),
    "of no snapshot there": ("snapshot", {"snapshot_id": an_id(9)}, NotFound, "Snapshot"),
    "of another project's": ("volume", {"visible_to": "another"}, NotFound, "Volume"),
    "of another project's snapshot": ("snapshot", {"visible_to": "another"}, NotFound, "Snapsh"),
    "in another zone": ("volume", {"availability_zone": "attic"}, InvalidRequest, "in its avail"),
    "of a type elsewhere": ("volume", {"volume_type_id": OTHER}, InvalidRequest, "another backend"),
}


@pytest.mark.parametrize(("kind", "asked", "error", "said"), REFUSED.values(), ids=list(REFUSED))
async def test_what_cannot_be_a_copy_is_refused_and_nothing_is_stored(kind, asked, error, said):
    world = await a_world()
    await snapshot(world)
    await another_type(world, volume_backend_name="gold")
    before = await world.verbs()
    with pytest.raises(error, match=said):
        await copied(world, kind, **{"known_zones": frozenset({ZONE, "attic"}), **asked})
    assert await world.verbs() == before


@pytest.mark.parametrize(
    ("rules", "asked"),
    [
        (CopyRules(same_zone=False), {"availability_zone": "attic"}),
        (CopyRules(stay=False), {"volume_type_id": OTHER}),
        (CopyRules(lone=True), {"volume_type_id": OTHER}),
    ],
    ids=["zones", "backends", "one backend"],
)
async def test_operators_may_let_copies_be_elsewhere(rules, asked):
    world = await a_world()
    await another_type(world, volume_backend_name="gold")
    known = frozenset({ZONE, "attic"})
    copy = await copied(world, "volume", copies=rules, known_zones=known, **asked)
    assert copy.zones == [asked.get("availability_zone", ZONE)]
    assert copy.volume_type_id == str(asked.get("volume_type_id", world.type_id))


@pytest.mark.parametrize(
    "state", [state for state in PATHS if not state.startswith(("available", "deleted"))]
)
async def test_only_a_volume_that_is_well_is_copied(state):
    world = await a_world(in_state=state)
    before = await world.verbs()
    with pytest.raises(NotAllowed, match="available or in-use"):
        await copied(world, "volume")
    assert await world.verbs() == before


async def test_a_volume_on_its_way_to_another_pool_is_not_copied():
    world = await a_world()
    up = frozenset({"host1@gold"})
    await world.run(MigrateVolume(id=an_id(1), project_id=None, to=THERE, up=up, at=a_moment()))
    with pytest.raises(NotAllowed, match="copy is not possible"):
        await copied(world, "volume")


@pytest.mark.parametrize("state", [s for s in TURNS if s not in ("available", "deleted")])
async def test_only_a_snapshot_that_is_well_is_copied(state):
    world = await a_world()
    await snapshot(world, in_state=state)
    with pytest.raises(NotAllowed):
        await copied(world, "snapshot")


async def test_what_is_copied_may_grow_and_may_not_go():
    world = await a_world()
    await copied(world, "volume")
    await world.run(ExtendVolume(new_size_gib=4, **OWN))
    for force in (False, True):
        with pytest.raises(LapilliError) as refused:
            await world.run(DeleteVolume(force=force, **OWN))
    assert isinstance(refused.value, InUse)


# encryption


@every_kind
async def test_a_copy_of_an_encrypted_volume_has_a_key_of_its_own_that_is_to_be_equal(kind):
    world = await a_world(encrypted=True)
    await snapshot(world)
    copy = await copied(world, kind)
    assert (copy.encryption, copy.encryption_key_id) == (LUKS, None)
    id = key_of(copy.id)
    key = EncryptionKey.from_history(id, await world.store.events(id))
    assert (key.cloned_from, key.state) == ("key-1", "requested")
    await world.run(FinishKeyMaking(id=id, key_id="key-2", at=a_moment()))
    assert (await world.volume(2)).encryption_key_id == "key-2"


@pytest.mark.parametrize(
    ("encrypted", "wanted"),
    [(True, None), (False, LUKS), (True, Encryption(provider="plain", key_size=256))],
)
async def test_a_copy_is_never_encrypted_otherwise(encrypted, wanted):
    world = await a_world(encrypted=encrypted)
    await another_type(world, encryption=wanted)
    with pytest.raises(InvalidRequest, match="not encrypted as volume"):
        await copied(world, "volume", volume_type_id=OTHER)
