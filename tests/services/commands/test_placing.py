"""What placement is asked: the type's promises, zones, hints, and where hinted volumes are."""

import pytest

from domain.aggregates.volume_type import VolumeType
from domain.errors import InvalidRequest
from domain.placement import Rules
from services.commands.placing import allowed_zones
from services.commands.volume import PlaceVolume
from tests.services.commands.world import World
from tests.support.builders import a_moment, a_pool, an_id

ZONES = [
    # asked, what the type fixes, default, where it may be (None: refused)
    (None, None, None, []),
    (None, None, "nova", ["nova"]),
    ("mars", None, "nova", ["mars"]),
    ("pluto", None, "nova", None),
    (None, "mars, io", "nova", ["mars", "io"]),
    (None, "mars,pluto", "nova", ["mars"]),
    ("io", "mars,io", "nova", ["io"]),
    ("nova", "mars,io", "nova", None),
    (None, "pluto", "nova", None),
]


@pytest.mark.parametrize(("asked", "fixed", "default", "allowed"), ZONES)
def test_zones_are_those_asked_for_that_the_type_allows(asked, fixed, default, allowed):
    specs = {} if fixed is None else {"RESKEY:availability_zones": fixed}
    known = frozenset({"nova", "mars", "io"})
    if allowed is None:
        with pytest.raises(InvalidRequest):
            allowed_zones(asked, extra_specs=specs, known=known, default=default)
    else:
        found = allowed_zones(asked, extra_specs=specs, known=known, default=default)
        assert list(found) == allowed


async def a_world(**extra_specs: str) -> World:
    """One whose only type has these extra specs."""
    world = World()
    volume_type = VolumeType.create(
        an_id(0xFFF),
        name="t",
        description=None,
        is_public=True,
        extra_specs=extra_specs,
        at=a_moment(),
    )
    await world.store.append(volume_type.pending)
    world.type_id = volume_type.id
    return world


NAMED = Rules(filters=["SameBackendFilter", "DifferentBackendFilter"])
POOLS = [
    a_pool("h@a#p", capabilities={"volume_backend_name": "gold"}),
    a_pool("h@b#p", total_gib=50, capabilities={"volume_backend_name": "steel"}),
]


async def place(world: World, number: int, *, rules: Rules | None = None) -> str | None:
    """Where volume `number` goes."""
    command = PlaceVolume(id=an_id(number), pools=POOLS, rules=rules or Rules(), at=a_moment())
    await world.run(command)
    return (await world.volume(number)).host


@pytest.mark.parametrize(("name", "host"), [("gold", "h@a#p"), ("steel", "h@b#p"), ("tin", None)])
async def test_a_volume_goes_where_its_type_wants_it(name, host):
    world = await a_world(volume_backend_name=name)
    await world.run(world.creation(1))
    assert await place(world, 1) == host


@pytest.mark.parametrize(("hint", "host"), [("same_host", "h@a#p"), ("different_host", "h@b#p")])
async def test_hints_look_up_where_volumes_are(hint, host):
    world = await a_world()
    await world.run(world.creation(1))
    assert await place(world, 1) == "h@a#p"
    await world.run(world.creation(2, hints={hint: [str(an_id(1))]}))
    assert await place(world.another_process(), 2, rules=NAMED) == host


async def test_volumes_of_other_projects_cannot_be_found_out_by_hints():
    world = await a_world()
    await world.run(world.creation(1, project_id="another"))
    await place(world, 1)
    await world.run(world.creation(2, hints={"same_host": str(an_id(1))}))
    assert await place(world, 2, rules=NAMED) is None


@pytest.mark.parametrize("other", [0xFFF, 0x777])
async def test_hints_that_name_no_volume_harm_nothing(other):
    world = await a_world()
    await world.run(world.creation(1, hints={"different_host": str(an_id(other))}))
    assert await place(world.another_process(), 1, rules=NAMED) == "h@a#p"
    await world.run(world.creation(2))  # the type can still be read


async def test_hints_name_a_hundred_volumes_at_most():
    world = await a_world()
    with pytest.raises(InvalidRequest):
        await world.run(world.creation(1, hints={"same_host": [str(an_id(n)) for n in range(101)]}))
