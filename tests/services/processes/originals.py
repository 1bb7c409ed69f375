"""A volume and its snapshot, from which others are made, in a ring in memory."""

from typing import Any, Literal
from uuid import UUID

from adapters.drivers.content import BLOCK_BYTES
from domain.encryption import Encryption
from domain.placement import Rules
from services.commands.volume import DeleteVolume
from tests.services.commands.world import snapshot_id
from tests.services.processes.several import Several
from tests.support.builders import PROJECT, a_moment, an_id

HERE, BESIDE, FAR = "h@near#p", "h@near#q", "h@far#p"
CONTENT = {0: b"boot".ljust(BLOCK_BYTES, b"\0"), 7 * BLOCK_BYTES: b"x" * BLOCK_BYTES}
SNAPSHOT = snapshot_id()
Kind = Literal["volume", "snapshot"]


async def a_ring(*, rules: Rules | None = None, encryption: Encryption | None = None) -> Several:
    """A volume of 2 GiB at HERE that holds CONTENT, and a snapshot of it."""
    ring = await Several({"near": 50, "far": 30}, pools=("p", "q")).open()
    ring.rules = rules or Rules()
    if encryption is not None:
        await ring.world.has_encryption(encryption)
    await ring.create()
    await ring.go_on()
    volume = await ring.volume()
    assert volume.host == HERE
    ring.pool(HERE).volumes[f"volume-{volume.id}"].content = dict(CONTENT)
    await ring.world.run(ring.world.snapshotting())
    await ring.go_on()
    assert (await ring.world.snapshot()).state == "available"
    return ring


def source(kind: Kind) -> dict[str, Any]:
    named = {"volume_type_id": None, "size_gib": None}
    if kind == "volume":
        return {**named, "source_volume_id": an_id(1)}
    return {**named, "snapshot_id": SNAPSHOT}


async def clone(ring: Several, kind: Kind = "volume", **changes: Any) -> None:
    creation = ring.world.creation(2, **{**source(kind), **changes})
    await ring.world.another_process().run(creation)


async def claims(ring: Several) -> set[UUID]:
    """Who is made from the volume or its snapshot."""
    needed = [await ring.store.dependents(id) for id in (an_id(1), SNAPSHOT)]
    return {id for each in needed for id, need in each.items() if need == "copy"}


def held(ring: Several) -> dict[str, bool]:
    """Where there is anything of the copy, and whether it is whole."""
    name = f"volume-{an_id(2)}"
    return {
        f"h@{backend}#{pool}": pools.volumes[name].whole
        for backend, there in ring.backends.items()
        for pool, pools in there.pools.items()
        if name in pools.volumes
    }


async def force(ring: Several, number: int = 2) -> None:
    await ring.world.another_process().run(
        DeleteVolume(id=an_id(number), project_id=PROJECT, force=True, at=a_moment())
    )


async def fill(ring: Several, *hosts: str) -> None:
    for host in hosts:
        ring.pool(host).capacity_gib = ring.pool(host).provisioned_gib
    await tell(ring)


async def make_room(ring: Several) -> None:
    for host in (HERE, BESIDE):
        ring.pool(host).capacity_gib = 50
    await tell(ring)


async def tell(ring: Several) -> None:
    """What the backends have now; a report of the same moment would be the same."""
    ring.clock.now_s += 1
    await ring.report()
